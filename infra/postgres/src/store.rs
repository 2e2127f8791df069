use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use fairlead_domain::Id;
use fairlead_domain::access::TenantScope;
use fairlead_domain::activities::Activities;
use fairlead_domain::ai::AiLedger;
use fairlead_domain::billing::Billing;
use fairlead_domain::carriers::Carriers;
use fairlead_domain::clock::{Clock, Ids};
use fairlead_domain::consistency::{LogPosition, NodeName, ReadIntent};
use fairlead_domain::events::{Events, Inbox, Recorded};
use fairlead_domain::idempotency::IdempotencyKeys;
use fairlead_domain::identity::{ApiKeys, SessionId, Sessions, TenantId, Tenants, UsageByDay, Users};
use fairlead_domain::jobs::{Jobs, Priorities, Queue};
use fairlead_domain::leads::{Assignments, Leads};
use fairlead_domain::marketing::LeadSubscriptions;
use fairlead_domain::operations::{OperationOutputs, Operations};
use fairlead_domain::performance::vitals::WebVitals;
use fairlead_domain::store::{CommitListener, Store, StoreError, UnitOfWork};
use fairlead_domain::webhooks::{WebhookDeliveries, WebhookReplays, Webhooks};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::commit::{self, Audience, Deeds};
use crate::connection::Connection;
use crate::entity::ById;
use crate::idempotency::Turns;
use crate::nodes::Cluster;
use crate::record;
use crate::revoked::MemoryRevokedSessions;

/// What the stores take from outside.
#[derive(Clone, Debug)]
pub struct StoreParts {
    pub clock: Arc<dyn Clock>,
    pub ids: Arc<dyn Ids>,
    pub revoked: Arc<MemoryRevokedSessions>,
    /// Told of every commit, in this order.
    pub listeners: Vec<Arc<dyn CommitListener>>,
    pub priorities: Priorities,
}

/// Opens units of work in one tenant, as the role that row-level security binds.
#[derive(Debug)]
pub struct PgStore {
    cluster: Arc<Cluster>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    audience: Audience,
    priorities: Priorities,
    turns: Arc<Turns>,
}

impl PgStore {
    pub fn new(cluster: Arc<Cluster>, parts: StoreParts) -> Self {
        Self {
            audience: Audience::new(&cluster, parts.revoked, parts.listeners),
            cluster,
            clock: parts.clock,
            ids: parts.ids,
            priorities: parts.priorities,
            turns: Arc::default(),
        }
    }

    /// The nodes that its units of work are opened on.
    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    fn unit_of_work(
        &self,
        tenant: TenantId,
        connection: Connection,
        is_awaited: bool,
    ) -> Box<dyn UnitOfWork> {
        Box::new(PgUnitOfWork {
            is_awaited,
            connection,
            tenant,
            now: self.clock.now(),
            ids: Arc::clone(&self.ids),
            claimed_key: None,
            turns: Arc::clone(&self.turns),
            deeds: Deeds::default(),
            audience: self.audience.clone(),
            priorities: self.priorities,
        })
    }
}

#[async_trait]
impl Store for PgStore {
    async fn begin(&self, scope: &TenantScope) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let tenant = scope.tenant();
        Ok(self.unit_of_work(tenant, self.cluster.write(tenant), true))
    }

    async fn begin_behind(&self, scope: &TenantScope) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let tenant = scope.tenant();
        Ok(self.unit_of_work(tenant, self.cluster.write(tenant), false))
    }

    async fn read(&self, scope: &TenantScope, intent: ReadIntent) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let tenant = scope.tenant();
        Ok(self.unit_of_work(tenant, self.cluster.read(tenant, intent), true))
    }
}

/// One transaction in one tenant: each of its ports is this type itself.
pub(crate) struct PgUnitOfWork {
    pub(crate) connection: Connection,
    pub(crate) tenant: TenantId,
    pub(crate) now: OffsetDateTime,
    pub(crate) ids: Arc<dyn Ids>,
    /// The idempotency key that this unit of work has to itself.
    pub(crate) claimed_key: Option<String>,
    pub(crate) turns: Arc<Turns>,
    pub(crate) deeds: Deeds,
    audience: Audience,
    pub(crate) priorities: Priorities,
    /// Whether reads that follow must see what it writes.
    is_awaited: bool,
}

impl fmt::Debug for PgUnitOfWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgUnitOfWork")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

impl PgUnitOfWork {
    /// The tenant as a value to bind.
    pub(crate) fn tenant_id(&self) -> Uuid {
        self.tenant.as_uuid()
    }

    /// The tenant's `T` with this id.
    pub(crate) async fn by_id<T: ById>(&self, id: Id<T>) -> Result<Option<T>, StoreError> {
        self.connection.find(self.tenant, id.as_uuid()).await
    }

    /// The same, kept from others who would write it.
    pub(crate) async fn by_id_for_update<T: ById>(&self, id: Id<T>) -> Result<Option<T>, StoreError> {
        self.connection.find_for_update(self.tenant, id.as_uuid()).await
    }

    /// Has this process refuse sessions once their revocation is committed, each until its moment.
    pub(crate) fn revoke(&mut self, sessions: impl IntoIterator<Item = (SessionId, OffsetDateTime)>) {
        self.deeds.revocations.extend(sessions);
    }

    /// Has workers told once this is committed.
    pub(crate) fn note_enqueued(&mut self, queue: Queue) {
        self.deeds.note_enqueued(queue);
    }
}

#[async_trait]
impl UnitOfWork for PgUnitOfWork {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn now(&self) -> OffsetDateTime {
        self.now
    }

    fn next_id(&self) -> Uuid {
        self.ids.next()
    }

    fn source(&self) -> NodeName {
        self.connection.source()
    }

    fn sees(&self) -> LogPosition {
        self.connection.sees()
    }

    fn tenants(&mut self) -> &mut dyn Tenants {
        self
    }

    fn users(&mut self) -> &mut dyn Users {
        self
    }

    fn sessions(&mut self) -> &mut dyn Sessions {
        self
    }

    fn api_keys(&mut self) -> &mut dyn ApiKeys {
        self
    }

    fn leads(&mut self) -> &mut dyn Leads {
        self
    }

    fn assignments(&mut self) -> &mut dyn Assignments {
        self
    }

    fn activities(&mut self) -> &mut dyn Activities {
        self
    }

    fn ai_ledger(&mut self) -> &mut dyn AiLedger {
        self
    }

    fn billing(&mut self) -> &mut dyn Billing {
        self
    }

    fn lead_subscriptions(&mut self) -> &mut dyn LeadSubscriptions {
        self
    }

    fn carriers(&mut self) -> &mut dyn Carriers {
        self
    }

    fn events(&mut self) -> &mut dyn Events {
        self
    }

    fn inbox(&mut self) -> &mut dyn Inbox {
        self
    }

    fn usage_by_day(&mut self) -> &mut dyn UsageByDay {
        self
    }

    fn web_vitals(&mut self) -> &mut dyn WebVitals {
        self
    }

    fn jobs(&mut self) -> &mut dyn Jobs {
        self
    }

    fn operations(&mut self) -> &mut dyn Operations {
        self
    }

    fn operation_outputs(&mut self) -> &mut dyn OperationOutputs {
        self
    }

    fn webhooks(&mut self) -> &mut dyn Webhooks {
        self
    }

    fn webhook_deliveries(&mut self) -> &mut dyn WebhookDeliveries {
        self
    }

    fn webhook_replays(&mut self) -> &mut dyn WebhookReplays {
        self
    }

    fn idempotency_keys(&mut self) -> &mut dyn IdempotencyKeys {
        self
    }

    fn record(&mut self, recorded: Recorded) {
        self.deeds.recorded.push((self.tenant, recorded));
    }

    #[tracing::instrument(level = "debug", name = "db.commit", skip_all)]
    async fn commit(self: Box<Self>) -> Result<LogPosition, StoreError> {
        if !self.connection.writes() {
            return Ok(self.connection.commit().await?);
        }
        let mark = record::enqueue(&self.connection, &*self.ids, self.now, &self.deeds.recorded).await?;
        let wrote = self.is_awaited.then_some(self.tenant);
        commit::commit(self.connection, mark, wrote, self.deeds, self.audience).await
    }
}
