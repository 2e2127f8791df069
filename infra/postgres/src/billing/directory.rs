use async_trait::async_trait;
use fairlead_domain::Id;
use fairlead_domain::billing::BillingDirectory;
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::StoreError;

use crate::error::SqlError;
use crate::system::PgSystemStore;

const TENANT_OF: &str = "SELECT tenant_id FROM billing_customers WHERE provider_id = $1";

#[async_trait]
impl BillingDirectory for PgSystemStore {
    #[tracing::instrument(level = "debug", name = "db.billing_directory.tenant_of", skip_all)]
    async fn tenant_of(&self, customer: &str) -> Result<Option<TenantId>, StoreError> {
        let connection = self.cluster().system();
        let row = connection.sql(TENANT_OF).bind(customer).fetch_optional().await?;
        connection.commit().await?;
        let tenant = row.as_ref().map(|row| row.try_get(0)).transpose();
        Ok(tenant.map_err(SqlError::from)?.map(Id::from_uuid))
    }
}
