use async_trait::async_trait;
use fairlead_domain::identity::{ApiKey, ApiKeyId, ApiKeys};
use fairlead_domain::paging::{Page, Paging, Position, SortKey};
use fairlead_domain::store::StoreError;
use sea_orm::sea_query::LockType;
use sea_orm::{ColumnTrait as _, Condition, EntityTrait as _, QueryFilter as _, QuerySelect as _, Select};
use time::OffsetDateTime;

use crate::entity::api_key;
use crate::paging::{Keyset, count, page};
use crate::store::PgUnitOfWork;

const INSERT: &str = "
    INSERT INTO api_keys (tenant_id, id, name, prefix, secret_hash, scopes, created_by, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

const REVOKE: &str = "
    UPDATE api_keys SET revoked_at = $3 WHERE tenant_id = $1 AND id = $2 AND revoked_at IS NULL";

impl PgUnitOfWork {
    #[expect(clippy::disallowed_methods, reason = "the scoped door itself")]
    fn scoped_api_keys(&self) -> Select<api_key::Entity> {
        api_key::Entity::find().filter(api_key::Column::TenantId.eq(self.tenant_id()))
    }
}

#[async_trait]
impl ApiKeys for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.api_keys.find_for_update", skip_all)]
    async fn find_for_update(&mut self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        let select = self
            .scoped_api_keys()
            .filter(api_key::Column::Id.eq(id.as_uuid()))
            .lock(LockType::NoKeyUpdate);
        self.connection.select_one(&select).await
    }

    #[tracing::instrument(level = "debug", name = "db.api_keys.list", skip_all)]
    async fn list(&mut self, paging: &Paging) -> Result<Page<ApiKey>, StoreError> {
        let order = Keyset::newest_first(api_key::Column::CreatedAt, api_key::Column::Id);
        page(
            &self.connection,
            self.scoped_api_keys(),
            &order,
            paging,
            |key: &ApiKey| Position {
                key: SortKey::Time(key.created_at),
                id: key.id.as_uuid(),
            },
        )
        .await
    }

    #[tracing::instrument(level = "debug", name = "db.api_keys.count_valid", skip_all)]
    async fn count_valid(&mut self) -> Result<u64, StoreError> {
        let lasting = Condition::any()
            .add(api_key::Column::ExpiresAt.is_null())
            .add(api_key::Column::ExpiresAt.gt(self.now));
        let valid = self
            .scoped_api_keys()
            .filter(api_key::Column::RevokedAt.is_null())
            .filter(lasting);
        count(&self.connection, valid).await
    }

    #[tracing::instrument(level = "debug", name = "db.api_keys.insert", skip_all)]
    async fn insert(&mut self, key: &ApiKey, secret_hash: &[u8]) -> Result<(), StoreError> {
        let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
        self.connection
            .sql(INSERT)
            .bind(self.tenant_id())
            .bind(key.id.as_uuid())
            .bind(&key.name)
            .bind(&key.prefix)
            .bind(secret_hash)
            .bind(scopes)
            .bind(key.created_by.as_uuid())
            .bind(key.created_at)
            .bind(key.expires_at)
            .enqueue()
            .await
    }

    #[tracing::instrument(level = "debug", name = "db.api_keys.revoke", skip_all)]
    async fn revoke(&mut self, id: ApiKeyId, at: OffsetDateTime) -> Result<(), StoreError> {
        let connection = &self.connection;
        connection
            .sql(REVOKE)
            .bind(self.tenant_id())
            .bind(id.as_uuid())
            .bind(at)
            .enqueue()
            .await
    }
}
