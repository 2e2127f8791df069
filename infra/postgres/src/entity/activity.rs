use fairlead_domain::Id;
use fairlead_domain::activities::{Activity, ActivityKind};
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use crate::error::{SqlError, corrupt};
use crate::rows::FromRow;
use crate::wire::Columns;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "activities")]
pub(crate) struct Model {
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
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl FromRow for Activity {
    fn from_columns(columns: &mut Columns<'_>) -> Result<Self, SqlError> {
        columns.skip()?;
        let id: Uuid = columns.take()?;
        Ok(Self {
            id: Id::from_uuid(id),
            lead: Id::from_uuid(columns.take()?),
            kind: ActivityKind::parse(columns.take()?)
                .ok_or_else(|| corrupt("activities", id, "unknown type"))?,
            subject: columns.take()?,
            body: columns.take()?,
            actor: columns.take::<Option<_>>()?.map(Id::from_uuid),
            occurred_at: columns.take()?,
            version: columns.take()?,
            created_at: columns.take()?,
        })
    }
}
