use async_trait::async_trait;
use fairlead_domain::Id;
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::StoreError;
use fairlead_domain::webhooks::WebhookDirectory;
use uuid::Uuid;

use crate::error::SqlError;
use crate::system::PgSystemStore;

// One step in the primary key for each tenant, however many webhooks one has.
const WITH_WEBHOOKS: &str = "
    SELECT t.tenant FROM unnest($1::uuid[]) AS t (tenant)
    WHERE EXISTS (SELECT FROM webhooks WHERE tenant_id = t.tenant)";

#[async_trait]
impl WebhookDirectory for PgSystemStore {
    #[tracing::instrument(level = "debug", name = "db.webhook_directory.with_webhooks", skip_all)]
    async fn with_webhooks(&self, tenants: Vec<TenantId>) -> Result<Vec<TenantId>, StoreError> {
        let connection = self.cluster().system();
        let tenants: Vec<Uuid> = tenants.iter().map(|tenant| tenant.as_uuid()).collect();
        let rows = connection.sql(WITH_WEBHOOKS).bind(tenants).fetch_all().await?;
        connection.commit().await?;
        let tenant = |row: &crate::wire::Row| row.try_get(0).map(Id::from_uuid);
        let found: Result<_, _> = rows.iter().map(tenant).collect();
        Ok(found.map_err(SqlError::from)?)
    }
}
