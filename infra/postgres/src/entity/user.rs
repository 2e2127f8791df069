use fairlead_domain::Id;
use fairlead_domain::access::Role;
use fairlead_domain::identity::{AgentProfile, User};
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use crate::error::{SqlError, corrupt};
use crate::rows::FromRow;
use crate::wire::Columns;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub(crate) struct Model {
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
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl FromRow for User {
    fn from_columns(columns: &mut Columns<'_>) -> Result<Self, SqlError> {
        columns.skip()?;
        let id: Uuid = columns.take()?;
        let (email, name) = (columns.take()?, columns.take()?);
        let role = Role::parse(columns.take()?).ok_or_else(|| corrupt("users", id, "unknown role"))?;
        let active = columns.take()?;
        let is_agent: bool = columns.take()?;
        let profile = AgentProfile {
            state: columns.take()?,
            city: columns.take()?,
            specializations: columns.take()?,
            rating: columns.take()?,
            max_open_leads: columns.take()?,
            open_leads: columns.take()?,
        };
        Ok(Self {
            id: Id::from_uuid(id),
            email,
            name,
            role,
            active,
            agent: is_agent.then_some(profile),
            version: columns.take()?,
            created_at: columns.take()?,
            updated_at: columns.take()?,
        })
    }
}
