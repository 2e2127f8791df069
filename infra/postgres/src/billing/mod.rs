//! What tenants pay for: requests to the provider (`requests`), what it has told, and whose customer is whose
//! (`directory`), and what is reported of what they use (`usage`).

mod directory;
mod plan_limits;
mod requests;
mod usage;

use async_trait::async_trait;
use fairlead_domain::billing::{
    Billing, PaymentRequest, PaymentRequestId, Plan, PlanUsage, ProviderEvent, RequestConflict, Subscription,
    SubscriptionStatus,
};
use fairlead_domain::store::StoreError;

use crate::error::{SqlError, corrupt};
use crate::store::PgUnitOfWork;
use crate::wire::{Error, Row};

const CUSTOMER: &str = "SELECT provider_id FROM billing_customers WHERE tenant_id = $1";

const KEEP_CUSTOMER: &str = "
    INSERT INTO billing_customers (tenant_id, id, provider_id, created_at) VALUES ($1, $1, $2, $3)
    ON CONFLICT ON CONSTRAINT billing_customers_pkey DO NOTHING";

const USAGE: &str = "
    SELECT (SELECT COALESCE(SUM(leads), 0)::bigint FROM lead_statistics WHERE tenant_id = $1),
           (SELECT COUNT(*) FROM users WHERE tenant_id = $1 AND active),
           (SELECT COALESCE(SUM(calls), 0)::bigint FROM tenant_calls
            WHERE tenant_id = $1 AND month = date_trunc('month', $2 AT TIME ZONE 'UTC')::date)";

const SUBSCRIPTION: &str = "
    SELECT provider_id, plan, status, current_period_end, cancel_at_period_end, updated_at
    FROM subscriptions WHERE tenant_id = $1";

const PUT_SUBSCRIPTION: &str = "
    INSERT INTO subscriptions (tenant_id, id, provider_id, plan, status, current_period_end, cancel_at_period_end,
                               updated_at)
    VALUES ($1, $1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT ON CONSTRAINT subscriptions_pkey DO UPDATE
    SET provider_id = EXCLUDED.provider_id, plan = EXCLUDED.plan, status = EXCLUDED.status,
        current_period_end = EXCLUDED.current_period_end, cancel_at_period_end = EXCLUDED.cancel_at_period_end,
        updated_at = EXCLUDED.updated_at";

const KEEP_EVENT: &str = "
    INSERT INTO billing_events (tenant_id, id, type, received_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT ON CONSTRAINT billing_events_pkey DO NOTHING";

const WANT_SYNC: &str = "UPDATE billing_customers SET syncs_wanted = syncs_wanted + 1 WHERE tenant_id = $1";

const SYNCS_WANTED: &str =
    "SELECT syncs_wanted FROM billing_customers WHERE tenant_id = $1 FOR NO KEY UPDATE";

const SYNCS_WANTED_SO_FAR: &str = "SELECT syncs_wanted FROM billing_customers WHERE tenant_id = $1";

impl PgUnitOfWork {
    async fn one_of_tenant(&self, sql: &'static str) -> Result<Option<Row>, StoreError> {
        let connection = &self.connection;
        Ok(connection
            .sql(sql)
            .bind(self.tenant_id())
            .fetch_optional()
            .await?)
    }

    async fn count_of_syncs(&self, sql: &'static str) -> Result<i64, StoreError> {
        let row = self.one_of_tenant(sql).await?;
        let wanted = row.as_ref().map(|row| row.try_get(0)).transpose();
        Ok(wanted.map_err(SqlError::from)?.unwrap_or_default())
    }
}

#[async_trait]
impl Billing for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.billing.customer", skip_all)]
    async fn customer(&mut self) -> Result<Option<String>, StoreError> {
        let row = self.one_of_tenant(CUSTOMER).await?;
        let customer = row.as_ref().map(|row| row.try_get(0)).transpose();
        Ok(customer.map_err(SqlError::from)?)
    }

    #[tracing::instrument(level = "debug", name = "db.billing.keep_customer", skip_all)]
    async fn keep_customer(&mut self, customer: &str) -> Result<String, StoreError> {
        self.connection
            .sql(KEEP_CUSTOMER)
            .bind(self.tenant_id())
            .bind(customer)
            .bind(self.now)
            .enqueue()
            .await?;
        let kept = self.customer().await?;
        kept.ok_or_else(|| crate::error::unexpected("a customer that was kept is not there"))
    }

    #[tracing::instrument(level = "debug", name = "db.billing.insert", skip_all)]
    async fn insert(&mut self, request: &PaymentRequest) -> Result<(), RequestConflict> {
        requests::insert(self, request).await
    }

    #[tracing::instrument(level = "debug", name = "db.billing.find", skip_all)]
    async fn find(&mut self, id: PaymentRequestId) -> Result<Option<PaymentRequest>, StoreError> {
        requests::find(self, id).await
    }

    #[tracing::instrument(level = "debug", name = "db.billing.find_for_update", skip_all)]
    async fn find_for_update(&mut self, id: PaymentRequestId) -> Result<Option<PaymentRequest>, StoreError> {
        requests::find_for_update(self, id).await
    }

    #[tracing::instrument(level = "debug", name = "db.billing.open_checkout_for_update", skip_all)]
    async fn open_checkout_for_update(&mut self) -> Result<Option<PaymentRequest>, StoreError> {
        requests::open_checkout_for_update(self).await
    }

    #[tracing::instrument(level = "debug", name = "db.billing.find_refund", skip_all)]
    async fn find_refund(&mut self, reference: &str) -> Result<Option<PaymentRequest>, StoreError> {
        requests::find_refund(self, reference).await
    }

    #[tracing::instrument(level = "debug", name = "db.billing.update", skip_all)]
    async fn update(&mut self, request: &PaymentRequest) -> Result<(), StoreError> {
        requests::update(self, request).await
    }

    #[tracing::instrument(level = "debug", name = "db.billing.usage", skip_all)]
    async fn usage(&mut self) -> Result<PlanUsage, StoreError> {
        let usage = self.connection.sql(USAGE).bind(self.tenant_id()).bind(self.now);
        let row = usage.fetch_one().await?;
        let count = |at| {
            row.try_get::<i64>(at)
                .map(i64::unsigned_abs)
                .map_err(SqlError::from)
        };
        Ok(PlanUsage {
            leads: count(0)?,
            users: count(1)?,
            calls: count(2)?,
        })
    }

    #[tracing::instrument(level = "debug", name = "db.billing.subscription", skip_all)]
    async fn subscription(&mut self) -> Result<Option<Subscription>, StoreError> {
        let row = self.one_of_tenant(SUBSCRIPTION).await?;
        let Some(row) = row else { return Ok(None) };
        let read = |row: &Row| -> Result<(Option<String>, String, Subscription), Error> {
            let subscription = Subscription {
                provider_id: row.try_get(0)?,
                plan: None,
                status: SubscriptionStatus::Canceled,
                current_period_end: row.try_get(3)?,
                cancel_at_period_end: row.try_get(4)?,
                updated_at: row.try_get(5)?,
            };
            Ok((row.try_get(1)?, row.try_get(2)?, subscription))
        };
        let (plan, status, subscription) = read(&row).map_err(SqlError::from)?;
        let status = SubscriptionStatus::parse(&status)
            .ok_or_else(|| corrupt("subscriptions", self.tenant_id(), "unknown status"))?;
        let plan = plan.as_deref().and_then(Plan::parse);
        Ok(Some(Subscription {
            plan,
            status,
            ..subscription
        }))
    }

    #[tracing::instrument(level = "debug", name = "db.billing.put_subscription", skip_all)]
    async fn put_subscription(&mut self, subscription: &Subscription) -> Result<(), StoreError> {
        self.connection
            .sql(PUT_SUBSCRIPTION)
            .bind(self.tenant_id())
            .bind(&subscription.provider_id)
            .bind(subscription.plan.map(Plan::as_str))
            .bind(subscription.status.as_str())
            .bind(subscription.current_period_end)
            .bind(subscription.cancel_at_period_end)
            .bind(subscription.updated_at)
            .enqueue()
            .await
    }

    #[tracing::instrument(level = "debug", name = "db.billing.keep_event", skip_all)]
    async fn keep_event(&mut self, event: &ProviderEvent) -> Result<bool, StoreError> {
        let kept = self
            .connection
            .sql(KEEP_EVENT)
            .bind(self.tenant_id())
            .bind(&event.id)
            .bind(&event.event_type)
            .bind(self.now)
            .execute()
            .await?;
        Ok(kept == 1)
    }

    #[tracing::instrument(level = "debug", name = "db.billing.want_sync", skip_all)]
    async fn want_sync(&mut self) -> Result<(), StoreError> {
        let connection = &self.connection;
        connection.sql(WANT_SYNC).bind(self.tenant_id()).enqueue().await
    }

    #[tracing::instrument(level = "debug", name = "db.billing.syncs_wanted", skip_all)]
    async fn syncs_wanted(&mut self) -> Result<i64, StoreError> {
        self.count_of_syncs(SYNCS_WANTED).await
    }

    #[tracing::instrument(level = "debug", name = "db.billing.syncs_wanted_so_far", skip_all)]
    async fn syncs_wanted_so_far(&mut self) -> Result<i64, StoreError> {
        self.count_of_syncs(SYNCS_WANTED_SO_FAR).await
    }
}
