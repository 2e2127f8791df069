use crate::wire::{Error, Row};
use async_trait::async_trait;
use fairlead_domain::Id;
use fairlead_domain::identity::TenantId;
use fairlead_domain::leads::{CounterDrift, LeadCounters, LoadDrift, StatusName};
use fairlead_domain::store::StoreError;

use super::PgSystemUnitOfWork;
use crate::error::{SqlError, unexpected};

const TENANTS: &str = "SELECT tenant_id FROM tenants ORDER BY tenant_id";

const REPAIR: &str = "
    SELECT tenant_id, status, counted, actual, created_seconds::float8 FROM repair_lead_statistics($1)";

const REPAIR_LOADS: &str = "SELECT tenant_id, id, counted, actual FROM repair_agent_loads($1)";

#[async_trait]
impl LeadCounters for PgSystemUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.lead_counters.tenants", skip_all)]
    async fn tenants(&mut self) -> Result<Vec<TenantId>, StoreError> {
        let rows = self.connection.sql(TENANTS).fetch_all().await?;
        Ok(rows
            .iter()
            .map(|row| row.try_get(0).map(Id::from_uuid))
            .collect::<Result<_, _>>()
            .map_err(SqlError::from)?)
    }

    #[tracing::instrument(level = "debug", name = "db.lead_counters.repair", skip_all)]
    async fn repair(&mut self, tenant: TenantId) -> Result<Vec<CounterDrift>, StoreError> {
        let rows = self
            .connection
            .sql(REPAIR)
            .bind(tenant.as_uuid())
            .fetch_all()
            .await?;
        rows.iter().map(drift).collect()
    }

    #[tracing::instrument(level = "debug", name = "db.lead_counters.repair_loads", skip_all)]
    async fn repair_loads(&mut self, tenant: TenantId) -> Result<Vec<LoadDrift>, StoreError> {
        let rows = self
            .connection
            .sql(REPAIR_LOADS)
            .bind(tenant.as_uuid())
            .fetch_all()
            .await?;
        Ok(rows
            .iter()
            .map(load_drift)
            .collect::<Result<_, _>>()
            .map_err(SqlError::from)?)
    }
}

fn load_drift(row: &Row) -> Result<LoadDrift, Error> {
    Ok(LoadDrift {
        tenant: Id::from_uuid(row.try_get(0)?),
        agent: Id::from_uuid(row.try_get(1)?),
        counted: u64::try_from(row.try_get::<i32>(2)?).unwrap_or_default(),
        actual: u64::try_from(row.try_get::<i64>(3)?).unwrap_or_default(),
    })
}

fn drift(row: &Row) -> Result<CounterDrift, StoreError> {
    let get = |error| StoreError::from(SqlError::from(error));
    let status: String = row.try_get(1).map_err(get)?;
    let actual: i64 = row.try_get(3).map_err(get)?;
    Ok(CounterDrift {
        tenant: Id::from_uuid(row.try_get(0).map_err(get)?),
        status: StatusName::parse(&status)
            .ok_or_else(|| unexpected(format!("leads have the unknown status {status}")))?,
        counted: row.try_get(2).map_err(get)?,
        actual: u64::try_from(actual).unwrap_or_default(),
        created_seconds: row.try_get(4).map_err(get)?,
    })
}
