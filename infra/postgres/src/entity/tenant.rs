use fairlead_domain::Id;
use fairlead_domain::identity::Tenant;
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use crate::error::SqlError;
use crate::rows::FromRow;
use crate::wire::Columns;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tenants")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub slug: String,
    pub name: String,
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl FromRow for Tenant {
    fn from_columns(columns: &mut Columns<'_>) -> Result<Self, SqlError> {
        columns.skip()?;
        Ok(Self {
            id: Id::from_uuid(columns.take()?),
            slug: columns.take()?,
            name: columns.take()?,
            version: columns.take()?,
            created_at: columns.take()?,
            updated_at: columns.take()?,
        })
    }
}
