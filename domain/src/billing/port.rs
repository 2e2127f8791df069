use std::collections::HashMap;
use std::fmt::Debug;

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{CallsUsedUp, PaymentRequest, PaymentRequestId, Plan, PlanUsage, ProviderEvent, Subscription};
use crate::identity::TenantId;
use crate::store::StoreError;

/// What one tenant pays, and how.
#[async_trait]
pub trait Billing: Send {
    /// What the provider calls the tenant; `None`: it does not know it.
    async fn customer(&mut self) -> Result<Option<String>, StoreError>;
    /// Keeps what the provider calls the tenant, and returns what counts: what was kept before, if anything was.
    async fn keep_customer(&mut self, customer: &str) -> Result<String, StoreError>;

    async fn insert(&mut self, request: &PaymentRequest) -> Result<(), RequestConflict>;
    async fn find(&mut self, id: PaymentRequestId) -> Result<Option<PaymentRequest>, StoreError>;
    async fn find_for_update(&mut self, id: PaymentRequestId) -> Result<Option<PaymentRequest>, StoreError>;
    /// The checkout that waits for the provider or for the payer: there is one at the most.
    async fn open_checkout_for_update(&mut self) -> Result<Option<PaymentRequest>, StoreError>;
    async fn find_refund(&mut self, reference: &str) -> Result<Option<PaymentRequest>, StoreError>;
    /// Writes all but what was asked.
    async fn update(&mut self, request: &PaymentRequest) -> Result<(), StoreError>;

    /// Counts what plans limit.
    async fn usage(&mut self) -> Result<PlanUsage, StoreError>;
    async fn subscription(&mut self) -> Result<Option<Subscription>, StoreError>;
    async fn put_subscription(&mut self, subscription: &Subscription) -> Result<(), StoreError>;

    /// Keeps the id of an event; returns whether it was not known. Whoever keeps the same at once waits.
    async fn keep_event(&mut self, event: &ProviderEvent) -> Result<bool, StoreError>;
    /// Has the subscription asked for once more.
    async fn want_sync(&mut self) -> Result<(), StoreError>;
    /// How often that was wanted. Who may be about to want it waits until this unit of work has ended, where it can
    /// change anything.
    async fn syncs_wanted(&mut self) -> Result<i64, StoreError>;
    /// The same, of one that reads only.
    async fn syncs_wanted_so_far(&mut self) -> Result<i64, StoreError>;
}

/// Why a request could not be added.
#[derive(Debug, thiserror::Error)]
pub enum RequestConflict {
    /// There is one of this reference, or another checkout.
    #[error("there is one already")]
    Exists,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Knows whose customer is whose, and who has used up what.
#[async_trait]
pub trait BillingDirectory: Debug + Send + Sync {
    /// The tenant that the provider calls so.
    async fn tenant_of(&self, customer: &str) -> Result<Option<TenantId>, StoreError>;
    /// The tenants that have made all calls of the API that their plans allow in the month of this moment, by UTC.
    async fn calls_used_up(&self, at: OffsetDateTime) -> Result<HashMap<TenantId, CallsUsedUp>, StoreError>;
    /// The plans in force of the tenants that pay for one.
    async fn paid_plans(&self) -> Result<HashMap<TenantId, Plan>, StoreError>;
}
