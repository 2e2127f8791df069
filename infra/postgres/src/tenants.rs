use async_trait::async_trait;
use fairlead_domain::identity::{Tenant, Tenants, Usage};
use fairlead_domain::store::StoreError;
use sea_orm::sea_query::LockType;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QuerySelect as _, Select};

use crate::entity::tenant;
use crate::error::{SqlError, unexpected};
use crate::store::PgUnitOfWork;

const UPDATE: &str = "
    UPDATE tenants SET name = $2, updated_at = $3, version = $4 + 1
    WHERE tenant_id = $1 AND id = $1 AND version = $4";

// Leads are counted by the transactions that write them.
const USAGE: &str = "
    SELECT (SELECT COUNT(*) FROM users WHERE tenant_id = $1),
           (SELECT COUNT(*) FROM users WHERE tenant_id = $1 AND active),
           (SELECT COUNT(*) FROM users WHERE tenant_id = $1 AND active AND is_agent),
           (SELECT COALESCE(SUM(leads), 0)::bigint FROM lead_statistics WHERE tenant_id = $1),
           (SELECT COALESCE(SUM(leads), 0)::bigint FROM lead_statistics
            WHERE tenant_id = $1 AND status IN ('NEW', 'CONTACTED', 'QUALIFIED')),
           (SELECT COUNT(*) FROM activities WHERE tenant_id = $1),
           (SELECT COUNT(*) FROM carriers WHERE tenant_id = $1),
           (SELECT COUNT(*) FROM api_keys
            WHERE tenant_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2))";

impl PgUnitOfWork {
    #[expect(clippy::disallowed_methods, reason = "the scoped door itself")]
    fn scoped_tenants(&self) -> Select<tenant::Entity> {
        tenant::Entity::find()
            .filter(tenant::Column::TenantId.eq(self.tenant_id()))
            .filter(tenant::Column::Id.eq(self.tenant_id()))
    }

    async fn one_tenant(&self, select: Select<tenant::Entity>) -> Result<Tenant, StoreError> {
        let tenant = self.connection.select_one(&select).await?;
        // A scope names a tenant that was there when it was made, and tenants are not deleted.
        tenant.ok_or_else(|| unexpected(format!("tenant {} is not there", self.tenant)))
    }
}

#[async_trait]
impl Tenants for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.tenants.get", skip_all)]
    async fn get(&mut self) -> Result<Tenant, StoreError> {
        self.one_tenant(self.scoped_tenants()).await
    }

    #[tracing::instrument(level = "debug", name = "db.tenants.get_for_update", skip_all)]
    async fn get_for_update(&mut self) -> Result<Tenant, StoreError> {
        // Not FOR UPDATE: rows that refer to the tenant may still be added meanwhile.
        self.one_tenant(self.scoped_tenants().lock(LockType::NoKeyUpdate))
            .await
    }

    #[tracing::instrument(level = "debug", name = "db.tenants.update", skip_all)]
    async fn update(&mut self, tenant: &Tenant) -> Result<(), StoreError> {
        let written = self
            .connection
            .sql(UPDATE)
            .bind(self.tenant_id())
            .bind(&tenant.name)
            .bind(tenant.updated_at)
            .bind(tenant.version)
            .execute()
            .await?;
        if written == 1 {
            Ok(())
        } else {
            Err(StoreError::Contended)
        }
    }

    #[tracing::instrument(level = "debug", name = "db.tenants.usage", skip_all)]
    async fn usage(&mut self) -> Result<Usage, StoreError> {
        let row = self
            .connection
            .sql(USAGE)
            .bind(self.tenant_id())
            .bind(self.now)
            .fetch_one()
            .await?;
        let count = |column: usize| -> Result<u64, SqlError> {
            Ok(u64::try_from(row.try_get::<i64>(column)?).unwrap_or_default())
        };
        Ok(Usage {
            users: count(0)?,
            active_users: count(1)?,
            agents: count(2)?,
            leads: count(3)?,
            open_leads: count(4)?,
            activities: count(5)?,
            carriers: count(6)?,
            api_keys: count(7)?,
        })
    }
}
