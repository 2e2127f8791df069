//! The stores beside any server, for jobs of the tests' own.

use std::sync::Arc;
use std::time::Duration;

use fairlead_domain::Id;
use fairlead_domain::access::{SystemScope, TenantScope};
use fairlead_domain::jobs::{Claim, Claimed, JobOwner, JobStore as _, NewJob, Queue};
use fairlead_domain::store::{CommitListener, Store as _, UnitOfWork};
use fairlead_postgres::{Cluster, PgStore, PgSystemStore, StoreParts};
use sqlx::{AssertSqlSafe, PgConnection};
use support::database::DatabaseRole;
use support::{TestDatabase, store_config, store_parts};
use uuid::Uuid;

pub(super) const QUEUE: Queue = Queue::LeadProcessing;
pub(super) const LEASE: Duration = Duration::from_secs(30);

/// The stores on a database.
#[derive(Clone, Debug)]
pub(super) struct Bench {
    pub(super) store: Arc<PgStore>,
    pub(super) system: Arc<PgSystemStore>,
    cluster: Arc<Cluster>,
}

impl Bench {
    pub(super) async fn on(database: &TestDatabase) -> Self {
        Self::with(database, |_| {}).await
    }

    /// With listeners of its commits.
    pub(super) async fn hearing(database: &TestDatabase, listeners: Vec<Arc<dyn CommitListener>>) -> Self {
        Self::with(database, |parts| parts.listeners = listeners).await
    }

    /// With other parts than the usual ones.
    pub(super) async fn with(database: &TestDatabase, change: impl FnOnce(&mut StoreParts)) -> Self {
        let url = |role| database.url(role);
        Self::at(url(DatabaseRole::App), url(DatabaseRole::System), change).await
    }

    /// On a database that is reached by other URLs than its own.
    pub(super) async fn at(
        app_url: String,
        system_url: String,
        change: impl FnOnce(&mut StoreParts),
    ) -> Self {
        let config = store_config(app_url, system_url, 8);
        let cluster = Cluster::connect(&config).await.unwrap();
        let mut parts = store_parts();
        change(&mut parts);
        Self {
            store: Arc::new(PgStore::new(Arc::clone(&cluster), parts.clone())),
            system: Arc::new(PgSystemStore::new(Arc::clone(&cluster), &config, parts)),
            cluster,
        }
    }

    pub(super) async fn close(&self) {
        self.cluster.close().await;
    }

    pub(super) async fn begin(&self, tenant: Uuid) -> Box<dyn UnitOfWork> {
        self.store.begin(&scope(tenant)).await.unwrap()
    }

    pub(super) async fn enqueue(&self, tenant: Uuid, jobs: impl IntoIterator<Item = NewJob>) {
        let mut uow = self.begin(tenant).await;
        for job in jobs {
            uow.jobs().enqueue(job).await.unwrap();
        }
        uow.commit().await.unwrap();
    }

    /// Claims as a worker would that has nothing in hand.
    pub(super) async fn claim(&self, most: usize, after: JobOwner) -> Claimed {
        self.claim_with(most, after, &[]).await
    }

    pub(super) async fn claim_with(&self, most: usize, after: JobOwner, in_hand: &[JobOwner]) -> Claimed {
        let claim = Claim {
            queue: QUEUE,
            most,
            after,
            in_hand,
            most_of_tenant: most,
            aside_in_hand: &[],
            most_aside_of_tenant: 1,
            most_aside: 2,
            lease: LEASE,
            attempts: 3,
            attempts_of: &[],
            worker: "bench",
        };
        self.system.claim(&claim).await.unwrap()
    }
}

/// Tenant number `number`.
pub(super) fn tenant(number: u128) -> Uuid {
    Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0000 + number)
}

pub(super) fn owner(number: u128) -> JobOwner {
    JobOwner::Tenant(Id::from_uuid(tenant(number)))
}

#[expect(clippy::disallowed_methods, reason = "the test is the platform")]
pub(super) fn scope(tenant: Uuid) -> TenantScope {
    SystemScope::new("to test jobs").tenant(Id::from_uuid(tenant))
}

pub(super) fn job(kind: &'static str) -> NewJob {
    NewJob::new(QUEUE, kind, &())
}

/// So many jobs of a tenant that wait, at once.
pub(super) async fn fill(database: &mut PgConnection, tenant: Uuid, jobs: u32, kind: &str) {
    sqlx::query(
        "INSERT INTO jobs (tenant_id, id, queue, kind, payload, priority, state)
         SELECT $1, (left(uuid_v7_floor(now())::text, 24) || lpad(to_hex(n), 12, '0'))::uuid, 'lead-processing', $2,
                'null', 1, 'waiting'
         FROM generate_series(1, $3) AS n",
    )
    .bind(tenant)
    .bind(kind)
    .bind(i32::try_from(jobs).unwrap())
    .execute(database)
    .await
    .unwrap();
}

/// How many jobs there are for which `condition` holds.
pub(super) async fn count(database: &mut PgConnection, condition: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM jobs WHERE {condition}");
    sqlx::query_scalar(AssertSqlSafe(sql))
        .fetch_one(database)
        .await
        .unwrap()
}

/// How many workers hear of the jobs of others.
pub(super) async fn listening(database: &mut PgConnection) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity
         WHERE application_name = 'fairlead-jobs' AND query LIKE 'LISTEN%' AND datname = current_database()",
    )
    .fetch_one(database)
    .await
    .unwrap()
}
