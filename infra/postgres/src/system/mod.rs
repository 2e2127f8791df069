//! What is rightly cross-tenant: sign-up and login, operators, the database itself.

mod accounts;
mod background;
mod lead_counters;
mod operators;
mod platform;
mod throttle;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::access::SystemScope;
use fairlead_domain::clock::{Clock, Ids};
use fairlead_domain::events::Recorded;
use fairlead_domain::identity::{Accounts, LoginThrottle, Operators, Platform, SessionId, TenantId};
use fairlead_domain::leads::LeadCounters;
use fairlead_domain::store::{StoreError, SystemStore, SystemUnitOfWork};
use time::OffsetDateTime;
use uuid::Uuid;

use self::throttle::ThrottleKeys;
use crate::config::PgConfig;
use crate::connection::{Connection, Reach};
use crate::pool::{ConnectError, Pool};
use crate::record;
use crate::revoked::MemoryRevokedSessions;

/// Opens units of work across tenants, as a role that has policies of its own and no other rights.
#[derive(Clone, Debug)]
pub struct PgSystemStore {
    pool: Pool,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    revoked: Arc<MemoryRevokedSessions>,
    access_token_lifetime: Duration,
    throttle_keys: ThrottleKeys,
}

impl PgSystemStore {
    /// Connects as the system role, waiting for a database that is about to come up.
    pub async fn connect(
        config: &PgConfig,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        revoked: Arc<MemoryRevokedSessions>,
    ) -> Result<Self, ConnectError> {
        Ok(Self {
            pool: Pool::connect_system(config).await?,
            clock,
            ids,
            revoked,
            access_token_lifetime: config.access_token_lifetime,
            throttle_keys: ThrottleKeys::new(config.throttle_secret),
        })
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Closes all connections, once the units of work that are open have ended.
    pub async fn close(&self) {
        self.pool.inner.close().await;
    }
}

#[async_trait]
impl SystemStore for PgSystemStore {
    async fn begin(&self, scope: &SystemScope) -> Result<Box<dyn SystemUnitOfWork>, StoreError> {
        tracing::debug!(reason = scope.reason(), "system unit of work");
        Ok(Box::new(PgSystemUnitOfWork {
            connection: Connection::open(&self.pool, Reach::System).await?,
            now: self.clock.now(),
            ids: Arc::clone(&self.ids),
            recorded: Vec::new(),
            revoked: Arc::clone(&self.revoked),
            access_token_lifetime: self.access_token_lifetime,
            revocations: Vec::new(),
            throttle_keys: self.throttle_keys.clone(),
        }))
    }
}

/// One transaction across tenants: each platform port is this type itself.
pub(crate) struct PgSystemUnitOfWork {
    connection: Connection,
    now: OffsetDateTime,
    ids: Arc<dyn Ids>,
    recorded: Vec<(TenantId, Recorded)>,
    revoked: Arc<MemoryRevokedSessions>,
    access_token_lifetime: Duration,
    /// Sessions that this process refuses once they are committed, and until when.
    revocations: Vec<(SessionId, OffsetDateTime)>,
    throttle_keys: ThrottleKeys,
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

    fn record(&mut self, tenant: TenantId, recorded: Recorded) {
        self.recorded.push((tenant, recorded));
    }

    #[tracing::instrument(level = "debug", name = "db.commit", skip_all)]
    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        let recorded: Vec<_> = self
            .recorded
            .iter()
            .map(|(tenant, recorded)| (*tenant, recorded))
            .collect();
        record::write(&self.connection, &*self.ids, self.now, &recorded).await?;
        self.connection.commit().await?;
        self.revoked.add(&self.revocations);
        Ok(())
    }
}
