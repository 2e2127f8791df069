//! The servers of one database: a primary, and replicas that follow it.

mod last_writes;

use std::sync::Arc;

use fairlead_domain::consistency::{LogPosition, NodeName, ReadIntent};
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::StoreError;

use crate::config::PgConfig;
use crate::connection::{Connection, Reach};
use crate::pool::{ConnectError, Pool};

pub use last_writes::LastWrites;

/// The nodes of one database, and the connections to them.
#[derive(Debug)]
pub struct Cluster {
    primary: Arc<Node>,
    system: Pool,
    last_writes: Arc<LastWrites>,
}

/// One server.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: NodeName,
    pub(crate) pool: Pool,
}

impl Cluster {
    /// Connects to the primary, waiting for a database that is about to come up.
    pub async fn connect(config: &PgConfig) -> Result<Arc<Self>, ConnectError> {
        let primary = Node {
            name: NodeName::new("primary"),
            pool: Pool::connect_app(config).await?,
        };
        Ok(Arc::new(Self {
            primary: Arc::new(primary),
            system: Pool::connect_system(config).await?,
            last_writes: Arc::default(),
        }))
    }

    /// The last writes of each tenant, to be told of those of other processes, too.
    pub fn last_writes(&self) -> Arc<LastWrites> {
        Arc::clone(&self.last_writes)
    }

    /// Closes all connections, once the units of work that are open have ended.
    pub async fn close(&self) {
        tokio::join!(self.primary.pool.inner.close(), self.system.inner.close());
    }

    pub(crate) fn app_pool(&self) -> &Pool {
        &self.primary.pool
    }

    pub(crate) fn system_pool(&self) -> &Pool {
        &self.system
    }

    pub(crate) async fn write(&self, tenant: TenantId) -> Result<Connection, StoreError> {
        self.on_primary(&self.primary.pool, Reach::Write(tenant)).await
    }

    pub(crate) async fn system(&self) -> Result<Connection, StoreError> {
        self.on_primary(&self.system, Reach::System).await
    }

    pub(crate) async fn read(&self, tenant: TenantId, intent: ReadIntent) -> Result<Connection, StoreError> {
        let _ = intent.raised_to(self.last_writes.of(tenant));
        self.on_primary(&self.primary.pool, Reach::Read(tenant)).await
    }

    /// As the application role, outside any tenant.
    pub(crate) async fn app(&self) -> Result<Connection, StoreError> {
        self.on_primary(&self.primary.pool, Reach::System).await
    }

    async fn on_primary(&self, pool: &Pool, reach: Reach) -> Result<Connection, StoreError> {
        Connection::open(pool, reach, self.primary.name.clone(), LogPosition::UNKNOWN).await
    }
}
