use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::identity::{InUse, Tenant, Tenants, Usage};
use fairlead_domain::performance::Taken;
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
            WHERE tenant_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)),
           u.*,
           (SELECT COALESCE(SUM(input_tokens + output_tokens), 0)::bigint FROM ai_calls
            WHERE tenant_id = $1 AND called_at >= date_trunc('month', $2, 'UTC'))
    FROM (SELECT COALESCE(SUM(requests), 0)::bigint, COALESCE(SUM(failed), 0)::bigint,
                 COALESCE(SUM(request_micros), 0)::bigint, COALESCE(SUM(received_bytes), 0)::bigint,
                 COALESCE(SUM(sent_bytes), 0)::bigint, COALESCE(SUM(statements), 0)::bigint,
                 COALESCE(SUM(rows), 0)::bigint, COALESCE(SUM(database_micros), 0)::bigint,
                 COALESCE(SUM(job_micros), 0)::bigint, COALESCE(SUM(stay_micros), 0)::bigint
          FROM tenant_usage WHERE tenant_id = $1 AND hour >= date_trunc('month', $2, 'UTC')) AS u";

const IN_USE: &str = "
    SELECT (SELECT COUNT(*) FROM users WHERE tenant_id = $1),
           (SELECT COUNT(*) FROM api_keys
            WHERE tenant_id = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)),
           (SELECT COUNT(*) FROM operations
            WHERE tenant_id = $1 AND kind = 'import-leads' AND finished_at IS NULL),
           (SELECT COALESCE(SUM(size_bytes), 0)::bigint FROM operation_inputs WHERE tenant_id = $1),
           (SELECT COUNT(*) FROM operations
            WHERE tenant_id = $1 AND kind = 'export-leads' AND finished_at IS NULL),
           (SELECT COALESCE(SUM(size_bytes), 0)::bigint FROM operation_outputs WHERE tenant_id = $1),
           (SELECT COUNT(*) FROM webhooks WHERE tenant_id = $1),
           (SELECT COALESCE(SUM(input_tokens + output_tokens), 0)::bigint FROM ai_calls
            WHERE tenant_id = $1 AND called_at >= date_trunc('month', $2, 'UTC')),
           (SELECT COALESCE(SUM(cost_micros), 0)::bigint FROM ai_calls
            WHERE tenant_id = $1 AND called_at >= date_trunc('month', $2, 'UTC'))";

impl PgUnitOfWork {
    #[expect(clippy::disallowed_methods, reason = "the scoped door itself")]
    fn scoped_tenants(&self) -> Select<tenant::Entity> {
        tenant::Entity::find()
            .filter(tenant::Column::TenantId.eq(self.tenant_id()))
            .filter(tenant::Column::Id.eq(self.tenant_id()))
    }

    /// Counts several things of the tenant by one statement.
    async fn counts<const N: usize>(&self, sql: &'static str) -> Result<[u64; N], StoreError> {
        let counting = self.connection.sql(sql).bind(self.tenant_id()).bind(self.now);
        let row = counting.fetch_one().await?;
        let mut counts = [0; N];
        for (column, count) in counts.iter_mut().enumerate() {
            *count = row.try_get::<i64>(column).map_err(SqlError::from)?.unsigned_abs();
        }
        Ok(counts)
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
        let [
            users,
            active_users,
            agents,
            leads,
            open_leads,
            activities,
            carriers,
            api_keys,
            requests,
            failed,
            request_micros,
            received_bytes,
            sent_bytes,
            statements,
            rows,
            database_micros,
            job_micros,
            stay_micros,
            ai_tokens,
        ] = self.counts(USAGE).await?;
        Ok(Usage {
            users,
            active_users,
            agents,
            leads,
            open_leads,
            activities,
            carriers,
            api_keys,
            taken: Taken {
                requests,
                failed,
                request_time: Duration::from_micros(request_micros),
                received_bytes,
                sent_bytes,
                statements,
                rows,
                database_time: Duration::from_micros(database_micros),
                job_time: Duration::from_micros(job_micros),
                stay_time: Duration::from_micros(stay_micros),
                ..Taken::default()
            },
            ai_tokens,
        })
    }

    #[tracing::instrument(level = "debug", name = "db.tenants.in_use", skip_all)]
    async fn in_use(&mut self) -> Result<InUse, StoreError> {
        let [
            users,
            api_keys,
            open_imports,
            import_bytes,
            open_exports,
            export_bytes,
            webhooks,
            ai_tokens,
            ai_micros,
        ] = self.counts(IN_USE).await?;
        Ok(InUse {
            users,
            api_keys,
            open_imports,
            import_bytes,
            open_exports,
            export_bytes,
            webhooks,
            ai_tokens,
            ai_micros,
        })
    }
}
