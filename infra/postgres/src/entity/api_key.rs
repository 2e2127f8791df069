use fairlead_domain::Id;
use fairlead_domain::access::ApiScope;
use fairlead_domain::identity::ApiKey;
use fairlead_domain::store::StoreError;
use sea_orm::entity::prelude::*;
use time::OffsetDateTime;

use crate::error::corrupt;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub struct Model {
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
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl TryFrom<Model> for ApiKey {
    type Error = StoreError;

    fn try_from(row: Model) -> Result<Self, StoreError> {
        let scopes: Option<Vec<ApiScope>> = row.scopes.iter().map(|scope| ApiScope::parse(scope)).collect();
        Ok(Self {
            id: Id::from_uuid(row.id),
            name: row.name,
            prefix: row.prefix,
            scopes: scopes.ok_or_else(|| corrupt("api_keys", row.id, "unknown scope"))?,
            created_by: Id::from_uuid(row.created_by),
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            revoked_at: row.revoked_at,
        })
    }
}
