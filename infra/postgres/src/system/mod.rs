//! What is rightly cross-tenant: sign-up and login, operators, the database itself.

mod accounts;
mod acts;
mod alerts;
mod background;
mod catalog;
mod jobs;
mod lead_counters;
mod ledger;
mod maintenance;
mod operations;
mod operators;
mod platform;
mod samples;
mod throttle;
mod web_vitals;
mod webhooks;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use fairlead_domain::access::SystemScope;
use fairlead_domain::clock::{Clock, Ids};
use fairlead_domain::consistency::{LogPosition, NodeName};
use fairlead_domain::events::Recorded;
use fairlead_domain::identity::{Accounts, LoginThrottle, Operators, Platform, SessionId, TenantId};
use fairlead_domain::jobs::{Jobs, Priorities, Queue};
use fairlead_domain::leads::LeadCounters;
use fairlead_domain::performance::acts::Acts;
use fairlead_domain::performance::alerts::Alerts;
use fairlead_domain::store::{LogEnd, StoreError, SystemStore, SystemUnitOfWork};
use time::OffsetDateTime;
use uuid::Uuid;

pub use self::maintenance::{Chore, Retention};
use self::throttle::ThrottleKeys;
use crate::commit::{self, Audience, Deeds};
use crate::config::PgConfig;
use crate::connection::Connection;
use crate::events::ThisProcess;
use crate::nodes::Cluster;
use crate::record;
use crate::store::StoreParts;

/// Opens units of work across tenants, as a role that has policies of its own and no other rights.
#[derive(Clone, Debug)]
pub struct PgSystemStore {
    cluster: Arc<Cluster>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    audience: Audience,
    priorities: Priorities,
    throttle_keys: ThrottleKeys,
    process: Arc<ThisProcess>,
}

impl PgSystemStore {
    pub fn new(cluster: Arc<Cluster>, config: &PgConfig, parts: StoreParts) -> Self {
        Self {
            audience: Audience::new(&cluster, parts.revoked, parts.listeners),
            cluster,
            process: Arc::new(ThisProcess::new(parts.ids.next())),
            clock: parts.clock,
            ids: parts.ids,
            priorities: parts.priorities,
            throttle_keys: ThrottleKeys::new(config.throttle_secret),
        }
    }

    pub(crate) fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    pub(crate) fn process(&self) -> &Arc<ThisProcess> {
        &self.process
    }

    pub(crate) fn next_id(&self) -> Uuid {
        self.ids.next()
    }

    pub(crate) fn priority_of(&self, queue: Queue) -> i32 {
        self.priorities.of(queue)
    }

    fn unit_of_work(&self) -> PgSystemUnitOfWork {
        PgSystemUnitOfWork {
            connection: self.cluster.system(),
            now: self.clock.now(),
            ids: Arc::clone(&self.ids),
            deeds: Deeds::default(),
            audience: self.audience.clone(),
            priorities: self.priorities,
            throttle_keys: self.throttle_keys.clone(),
        }
    }
}

#[async_trait]
impl SystemStore for PgSystemStore {
    async fn begin(&self, scope: &SystemScope) -> Result<Box<dyn SystemUnitOfWork>, StoreError> {
        tracing::debug!(reason = scope.reason(), "system unit of work");
        Ok(Box::new(self.unit_of_work()))
    }
}

#[async_trait]
impl LogEnd for PgSystemStore {
    #[tracing::instrument(level = "debug", name = "db.log_end", skip_all)]
    async fn log_end(&self) -> Result<LogPosition, StoreError> {
        let connection = self.cluster.system();
        connection.sql("SELECT 1").fetch_one().await?;
        // Whoever commits is told where the log ends by then, whether anything was written or not.
        Ok(connection.commit().await?)
    }
}

/// One transaction across tenants: each platform port is this type itself.
pub(crate) struct PgSystemUnitOfWork {
    connection: Connection,
    now: OffsetDateTime,
    ids: Arc<dyn Ids>,
    deeds: Deeds,
    audience: Audience,
    priorities: Priorities,
    throttle_keys: ThrottleKeys,
}

impl PgSystemUnitOfWork {
    /// Has this process refuse sessions once their revocation is committed, each until its moment.
    fn revoke(&mut self, sessions: impl IntoIterator<Item = (SessionId, OffsetDateTime)>) {
        self.deeds.revocations.extend(sessions);
    }
}

impl fmt::Debug for PgSystemUnitOfWork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgSystemUnitOfWork").finish_non_exhaustive()
    }
}

#[async_trait]
impl SystemUnitOfWork for PgSystemUnitOfWork {
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

    fn accounts(&mut self) -> &mut dyn Accounts {
        self
    }

    fn login_throttle(&mut self) -> &mut dyn LoginThrottle {
        self
    }

    fn operators(&mut self) -> &mut dyn Operators {
        self
    }

    fn platform(&mut self) -> &mut dyn Platform {
        self
    }

    fn lead_counters(&mut self) -> &mut dyn LeadCounters {
        self
    }

    fn alerts(&mut self) -> &mut dyn Alerts {
        self
    }

    fn acts(&mut self) -> &mut dyn Acts {
        self
    }

    fn jobs(&mut self) -> &mut dyn Jobs {
        self
    }

    fn record(&mut self, tenant: TenantId, recorded: Recorded) {
        self.deeds.recorded.push((tenant, recorded));
    }

    #[tracing::instrument(level = "debug", name = "db.commit", skip_all)]
    async fn commit(self: Box<Self>) -> Result<LogPosition, StoreError> {
        let mark = record::enqueue(&self.connection, &*self.ids, self.now, &self.deeds.recorded).await?;
        commit::commit(self.connection, mark, None, self.deeds, self.audience).await
    }
}
