use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::access::TenantScope;
use fairlead_domain::activities::Activities;
use fairlead_domain::carriers::Carriers;
use fairlead_domain::clock::{Clock, Ids};
use fairlead_domain::events::Recorded;
use fairlead_domain::idempotency::IdempotencyKeys;
use fairlead_domain::identity::{ApiKeys, SessionId, Sessions, TenantId, Tenants, Users};
use fairlead_domain::leads::{Assignments, Leads};
use fairlead_domain::store::{Store, StoreError, UnitOfWork};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::config::PgConfig;
use crate::connection::{Connection, Reach};
use crate::pool::{ConnectError, Pool};
use crate::record;
use crate::revoked::MemoryRevokedSessions;

/// Opens units of work in one tenant, as the role that row-level security binds.
#[derive(Debug)]
pub struct PgStore {
    pool: Pool,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    revoked: Arc<MemoryRevokedSessions>,
    access_token_lifetime: Duration,
}

impl PgStore {
    /// Connects as the application role, waiting for a database that is about to come up.
    pub async fn connect(
        config: &PgConfig,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        revoked: Arc<MemoryRevokedSessions>,
    ) -> Result<Self, ConnectError> {
        Ok(Self {
            pool: Pool::connect_app(config).await?,
            clock,
            ids,
            revoked,
            access_token_lifetime: config.access_token_lifetime,
        })
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Closes all connections, once the units of work that are open have ended.
    pub async fn close(&self) {
        self.pool.inner.close().await;
    }

    async fn open(&self, tenant: TenantId, reach: Reach) -> Result<Box<dyn UnitOfWork>, StoreError> {
        Ok(Box::new(PgUnitOfWork {
            connection: Connection::open(&self.pool, reach).await?,
            tenant,
            now: self.clock.now(),
            ids: Arc::clone(&self.ids),
            recorded: Vec::new(),
            revoked: Arc::clone(&self.revoked),
            access_token_lifetime: self.access_token_lifetime,
            revocations: Vec::new(),
        }))
    }
}

#[async_trait]
impl Store for PgStore {
    async fn begin(&self, scope: &TenantScope) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let tenant = scope.tenant();
        self.open(tenant, Reach::Write(tenant)).await
    }

    async fn read(&self, scope: &TenantScope) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let tenant = scope.tenant();
        self.open(tenant, Reach::Read(tenant)).await
    }
}

/// One transaction in one tenant: each of its ports is this type itself.
pub(crate) struct PgUnitOfWork {
    pub(crate) connection: Connection,
    pub(crate) tenant: TenantId,
    pub(crate) now: OffsetDateTime,
    pub(crate) ids: Arc<dyn Ids>,
    recorded: Vec<Recorded>,
    revoked: Arc<MemoryRevokedSessions>,
    pub(crate) access_token_lifetime: Duration,
    /// Sessions that this process refuses once they are committed, and until when.
    pub(crate) revocations: Vec<(SessionId, OffsetDateTime)>,
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

    fn carriers(&mut self) -> &mut dyn Carriers {
        self
    }

    fn idempotency_keys(&mut self) -> &mut dyn IdempotencyKeys {
        self
    }

    fn record(&mut self, recorded: Recorded) {
        self.recorded.push(recorded);
    }

    #[tracing::instrument(level = "debug", name = "db.commit", skip_all)]
    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        let recorded: Vec<_> = self
            .recorded
            .iter()
            .map(|recorded| (self.tenant, recorded))
            .collect();
        record::write(&self.connection, &*self.ids, self.now, &recorded).await?;
        self.connection.commit().await?;
        self.revoked.add(&self.revocations);
        Ok(())
    }
}
