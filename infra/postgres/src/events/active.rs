//! Which tenants were active lately, by the log of events.

use async_trait::async_trait;
use fairlead_domain::Id;
use fairlead_domain::cache::ActiveTenants;
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::StoreError;

use crate::error::SqlError;
use crate::system::PgSystemStore;

/// The latest events tell; there are never more to look at, however long the log is.
const ACTIVE: &str = "
    SELECT tenant_id
    FROM (SELECT tenant_id FROM events
          ORDER BY GREATEST(xid, xid) DESC, position DESC
          LIMIT 5000) AS latest
    GROUP BY tenant_id
    ORDER BY COUNT(*) DESC, tenant_id
    LIMIT 100";

#[async_trait]
impl ActiveTenants for PgSystemStore {
    #[tracing::instrument(level = "debug", name = "db.event_log.active_tenants", skip_all)]
    async fn active(&self) -> Result<Vec<TenantId>, StoreError> {
        let connection = self.cluster().system();
        let rows = connection.sql(ACTIVE).fetch_all().await?;
        connection.commit().await?;
        let tenants = rows.iter().map(|row| row.try_get(0).map(Id::from_uuid));
        Ok(tenants.collect::<Result<_, _>>().map_err(SqlError::from)?)
    }
}
