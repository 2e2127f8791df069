use std::collections::HashMap;

use async_trait::async_trait;
use fairlead_domain::Id;
use fairlead_domain::billing::{BillingDirectory, CallsUsedUp, Plan};
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::StoreError;
use time::OffsetDateTime;

use crate::error::{SqlError, unexpected};
use crate::system::PgSystemStore;
use crate::wire::{Error, Row};

const TENANT_OF: &str = "SELECT tenant_id FROM billing_customers WHERE provider_id = $1";

// Where no plan has a limit, the least of them is NULL, and nobody is looked at. Of the others, it is asked which plan
// they have only where it can matter.
const CALLS_USED_UP: &str = "
    SELECT c.tenant_id, l.plan, l.max_calls, (c.month + interval '1 month') AT TIME ZONE 'UTC'
    FROM tenant_calls AS c JOIN plan_limits AS l ON l.plan = plan_of(c.tenant_id)
    WHERE c.month = date_trunc('month', $1 AT TIME ZONE 'UTC')::date
      AND c.calls >= (SELECT MIN(max_calls) FROM plan_limits) AND c.calls >= l.max_calls";

// As `plan_of` says of one.
const PAID_PLANS: &str = "
    SELECT tenant_id, plan FROM subscriptions
    WHERE plan IS NOT NULL AND status IN ('TRIALING', 'ACTIVE', 'PAST_DUE')";

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

    #[tracing::instrument(level = "debug", name = "db.billing_directory.calls_used_up", skip_all)]
    async fn calls_used_up(&self, at: OffsetDateTime) -> Result<HashMap<TenantId, CallsUsedUp>, StoreError> {
        let connection = self.cluster().system();
        let rows = connection.sql(CALLS_USED_UP).bind(at).fetch_all().await?;
        connection.commit().await?;
        let read = |row: &Row| -> Result<(TenantId, Option<Plan>, u64, OffsetDateTime), Error> {
            Ok((
                Id::from_uuid(row.try_get(0)?),
                Plan::parse(&row.try_get::<String>(1)?),
                row.try_get::<i64>(2)?.unsigned_abs(),
                row.try_get(3)?,
            ))
        };
        rows.iter()
            .map(|row| {
                let (tenant, plan, allowed, until) = read(row).map_err(SqlError::from)?;
                let plan = plan.ok_or_else(|| unexpected("a plan that this version does not know"))?;
                Ok((tenant, CallsUsedUp { plan, allowed, until }))
            })
            .collect()
    }

    #[tracing::instrument(level = "debug", name = "db.billing_directory.paid_plans", skip_all)]
    async fn paid_plans(&self) -> Result<HashMap<TenantId, Plan>, StoreError> {
        let connection = self.cluster().system();
        let rows = connection.sql(PAID_PLANS).fetch_all().await?;
        connection.commit().await?;
        rows.iter()
            .map(|row| {
                let tenant = Id::from_uuid(row.try_get(0).map_err(SqlError::from)?);
                let plan: String = row.try_get(1).map_err(SqlError::from)?;
                let plan = Plan::parse(&plan);
                let plan = plan.ok_or_else(|| unexpected("a plan that this version does not know"))?;
                Ok((tenant, plan))
            })
            .collect()
    }
}
