use fairlead_domain::Id;
use fairlead_domain::access::Role;
use fairlead_domain::identity::{AgentProfile, User};
use fairlead_domain::store::StoreError;
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use crate::error::corrupt;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub email: String,
    pub name: String,
    pub role: String,
    pub active: bool,
    pub is_agent: bool,
    pub state: Option<String>,
    pub city: Option<String>,
    pub specializations: Vec<String>,
    pub rating: i32,
    pub max_open_leads: i32,
    pub open_leads: i32,
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for User {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        let role = Role::parse(&row.role).ok_or_else(|| corrupt("users", row.id, "unknown role"))?;
        let agent = row.is_agent.then_some(AgentProfile {
            state: row.state,
            city: row.city,
            specializations: row.specializations,
            rating: row.rating,
            max_open_leads: row.max_open_leads,
            open_leads: row.open_leads,
        });
        Ok(Self {
            id: Id::from_uuid(row.id),
            email: row.email,
            name: row.name,
            role,
            active: row.active,
            agent,
            version: row.version,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}
