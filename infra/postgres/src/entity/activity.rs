use fairlead_domain::Id;
use fairlead_domain::activities::{Activity, ActivityKind};
use fairlead_domain::store::StoreError;
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use crate::error::corrupt;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "activities")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub lead_id: Uuid,
    #[sea_orm(column_name = "type")]
    pub kind: String,
    pub subject: Option<String>,
    pub body: Option<String>,
    pub actor_id: Option<Uuid>,
    pub occurred_at: OffsetDateTime,
    pub version: i64,
    pub created_at: OffsetDateTime,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for Activity {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        let kind = ActivityKind::parse(&row.kind);
        Ok(Self {
            id: Id::from_uuid(row.id),
            lead: Id::from_uuid(row.lead_id),
            kind: kind.ok_or_else(|| corrupt("activities", row.id, "unknown type"))?,
            subject: row.subject,
            body: row.body,
            actor: row.actor_id.map(Id::from_uuid),
            occurred_at: row.occurred_at,
            version: row.version,
            created_at: row.created_at,
        })
    }
}
