use fairlead_domain::Id;
use fairlead_domain::access::ApiScope;
use fairlead_domain::identity::ApiKey;
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use crate::error::{SqlError, corrupt};
use crate::rows::FromRow;
use crate::wire::Columns;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    pub prefix: String,
    pub scopes: Vec<String>,
    pub created_by: Uuid,
    pub created_at: OffsetDateTime,
    pub expires_at: Option<OffsetDateTime>,
    pub last_used_at: Option<OffsetDateTime>,
    pub revoked_at: Option<OffsetDateTime>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
pub(crate) enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl FromRow for ApiKey {
    fn from_columns(columns: &mut Columns<'_>) -> Result<Self, SqlError> {
        columns.skip()?;
        let id: Uuid = columns.take()?;
        let (name, prefix) = (columns.take()?, columns.take()?);
        let scopes: Vec<&str> = columns.take()?;
        let scopes: Option<Vec<ApiScope>> = scopes.into_iter().map(ApiScope::parse).collect();
        Ok(Self {
            id: Id::from_uuid(id),
            name,
            prefix,
            scopes: scopes.ok_or_else(|| corrupt("api_keys", id, "unknown scope"))?,
            created_by: Id::from_uuid(columns.take()?),
            created_at: columns.take()?,
            expires_at: columns.take()?,
            last_used_at: columns.take()?,
            revoked_at: columns.take()?,
        })
    }
}
