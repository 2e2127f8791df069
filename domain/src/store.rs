//! The doors to everything stored.
//!
//! A [`UnitOfWork`] is one transaction that can see and change the rows of one tenant. Whoever opened it commits it,
//! so use cases compose inside one transaction; dropping it undoes every change. No network call and no password
//! hash happens while one is open.

use std::fmt::Debug;

use async_trait::async_trait;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::access::{SystemScope, TenantScope};
use crate::activities::Activities;
use crate::ai::AiLedger;
use crate::billing::{Billing, OverPlan};
use crate::carriers::Carriers;
use crate::consistency::{LogPosition, NodeName, ReadIntent};
use crate::events::{Events, Inbox, Recorded};
use crate::idempotency::IdempotencyKeys;
use crate::identity::{
    Accounts, ApiKeys, LoginThrottle, Operators, Platform, Sessions, TenantId, Tenants, UsageByDay, Users,
};
use crate::jobs::{Jobs, Queue};
use crate::leads::{Assignments, LeadCounters, Leads};
use crate::marketing::LeadSubscriptions;
use crate::operations::{OperationOutputs, Operations};
use crate::performance::acts::Acts;
use crate::performance::alerts::Alerts;
use crate::performance::vitals::WebVitals;
use crate::webhooks::{WebhookDeliveries, WebhookReplays, Webhooks};

/// Opens units of work for tenants.
#[async_trait]
pub trait Store: Debug + Send + Sync {
    /// Opens a transaction that can see and change the rows of `scope` alone.
    async fn begin(&self, scope: &TenantScope) -> Result<Box<dyn UnitOfWork>, StoreError>;

    /// The same, for what is done behind the requests: reads that follow need not see it. Only where it records a change
    /// do they, as always.
    async fn begin_behind(&self, scope: &TenantScope) -> Result<Box<dyn UnitOfWork>, StoreError>;

    /// Opens a transaction that can see the rows of `scope` alone and change nothing, on a node that is as fresh as
    /// `intent` asks. It sees at least what this process knows to have been written in the tenant lately.
    async fn read(&self, scope: &TenantScope, intent: ReadIntent) -> Result<Box<dyn UnitOfWork>, StoreError>;
}

/// Is told of every commit, by the store that made it.
#[async_trait]
pub trait CommitListener: Debug + Send + Sync {
    /// Called after `recorded` became durable in `tenant` at `position`, and before the caller of `commit` goes on;
    /// once per tenant of the unit of work, also when that caller has gone away meanwhile.
    ///
    /// At [`LogPosition::UNKNOWN`] it may have become durable: the database did not answer. The call is then repeated
    /// a few times, since a commit that is still under way may be seen only later.
    async fn committed(&self, tenant: TenantId, recorded: &[Recorded], position: LogPosition);

    /// Called likewise after jobs were enqueued; once, and not where it is in doubt: they are found all the same.
    fn enqueued(&self, _queues: &[Queue]) {}
}

/// Is told of writes, also of those of other processes, so that reads here do not miss them.
pub trait WriteObserver: Debug + Send + Sync {
    /// Takes note that something was written in `tenant` up to `position`. Cheap, and free to come late or twice.
    fn note_write(&self, tenant: TenantId, position: LogPosition);
}

/// Is told which timeline of the log the primary is on.
pub trait TimelineObserver: Debug + Send + Sync {
    /// Takes note of it; called again and again. When it is another one than before, commits may have been lost that
    /// were answered and read.
    fn note_timeline(&self, timeline: u32);
}

/// Knows how far the primary has written.
#[async_trait]
pub trait LogEnd: Debug + Send + Sync {
    /// Returns a position that covers everything committed before this was called.
    async fn log_end(&self) -> Result<LogPosition, StoreError>;
}

/// One transaction in one tenant.
#[async_trait]
pub trait UnitOfWork: Send {
    fn tenant(&self) -> TenantId;
    /// The moment of this unit of work; the same for all that it does.
    fn now(&self) -> OffsetDateTime;
    fn next_id(&self) -> Uuid;
    /// The node that serves it.
    fn source(&self) -> NodeName;
    /// A position of the log that its reads see at least. Never too high, and often too low.
    fn sees(&self) -> LogPosition;

    fn tenants(&mut self) -> &mut dyn Tenants;
    fn users(&mut self) -> &mut dyn Users;
    fn sessions(&mut self) -> &mut dyn Sessions;
    fn api_keys(&mut self) -> &mut dyn ApiKeys;
    fn leads(&mut self) -> &mut dyn Leads;
    fn assignments(&mut self) -> &mut dyn Assignments;
    fn activities(&mut self) -> &mut dyn Activities;
    fn ai_ledger(&mut self) -> &mut dyn AiLedger;
    fn billing(&mut self) -> &mut dyn Billing;
    fn lead_subscriptions(&mut self) -> &mut dyn LeadSubscriptions;
    fn carriers(&mut self) -> &mut dyn Carriers;
    fn events(&mut self) -> &mut dyn Events;
    fn inbox(&mut self) -> &mut dyn Inbox;
    fn usage_by_day(&mut self) -> &mut dyn UsageByDay;
    fn web_vitals(&mut self) -> &mut dyn WebVitals;
    fn jobs(&mut self) -> &mut dyn Jobs;
    fn operations(&mut self) -> &mut dyn Operations;
    fn operation_outputs(&mut self) -> &mut dyn OperationOutputs;
    fn webhooks(&mut self) -> &mut dyn Webhooks;
    fn webhook_deliveries(&mut self) -> &mut dyn WebhookDeliveries;
    fn webhook_replays(&mut self) -> &mut dyn WebhookReplays;
    fn idempotency_keys(&mut self) -> &mut dyn IdempotencyKeys;

    /// Takes note of a change. Its event and its audit row become durable with the change itself, or not at all.
    fn record(&mut self, recorded: Recorded);

    /// Makes every change durable, with the events and audit rows recorded. Returns the position from which on a node
    /// has them; where nothing could be changed, one that was seen.
    async fn commit(self: Box<Self>) -> Result<LogPosition, StoreError>;
}

/// Opens units of work for what is rightly cross-tenant.
#[async_trait]
pub trait SystemStore: Debug + Send + Sync {
    async fn begin(&self, scope: &SystemScope) -> Result<Box<dyn SystemUnitOfWork>, StoreError>;
}

/// One transaction across tenants, with platform ports alone.
#[async_trait]
pub trait SystemUnitOfWork: Send {
    fn now(&self) -> OffsetDateTime;
    fn next_id(&self) -> Uuid;
    /// The node that serves it: the primary.
    fn source(&self) -> NodeName;
    /// A position of the log that its reads see at least.
    fn sees(&self) -> LogPosition;

    fn accounts(&mut self) -> &mut dyn Accounts;
    fn login_throttle(&mut self) -> &mut dyn LoginThrottle;
    fn operators(&mut self) -> &mut dyn Operators;
    fn platform(&mut self) -> &mut dyn Platform;
    fn lead_counters(&mut self) -> &mut dyn LeadCounters;
    fn alerts(&mut self) -> &mut dyn Alerts;
    fn acts(&mut self) -> &mut dyn Acts;
    /// The platform's own.
    fn jobs(&mut self) -> &mut dyn Jobs;

    /// Takes note of a change in `tenant`.
    fn record(&mut self, tenant: TenantId, recorded: Recorded);

    /// Makes every change durable, with the events and audit rows recorded. Returns the position from which on a node
    /// has them.
    async fn commit(self: Box<Self>) -> Result<LogPosition, StoreError>;
}

/// Why stored things could not be reached or changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A lost race (deadlock, serialisation failure): the same request may well succeed now.
    #[error("lost a race with another transaction")]
    Contended,
    /// No connection, or the database went away; nothing is known to have happened.
    #[error("the database is out of reach")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database is there, and has no room for this: no connection free, be it ours or its own, or too little memory
    /// or disk; nothing has happened.
    #[error("the database has no room for this")]
    Exhausted(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The connection was ended while it was used, and the database is there for others; nothing has happened.
    #[error("the connection to the database was ended")]
    Interrupted(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The changes were sent to become durable, and no answer came: they may be there or not, now or in a moment.
    #[error("whether the changes became durable is not known")]
    InDoubt(#[source] Box<StoreError>),
    /// The tenant may not have so many; nothing has happened.
    #[error(transparent)]
    OverPlan(OverPlan),
    /// The request's deadline passed inside the database.
    #[error("the deadline passed while the database worked")]
    TimedOut,
    /// A row that breaks an invariant of the model.
    #[error("row {id} of {table} breaks an invariant: {fault}")]
    Corrupt {
        table: &'static str,
        id: Uuid,
        fault: String,
    },
    #[error("unexpected database error")]
    Unexpected(#[source] Box<dyn std::error::Error + Send + Sync>),
}
