//! What a commit tells: where in the log it is, and whom it concerns, whatever becomes of the request.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use fairlead_domain::Id;
use fairlead_domain::access::{Actor, SystemScope, TenantScope};
use fairlead_domain::consistency::{LogPosition, ReadIntent};
use fairlead_domain::events::{Aggregate, Recorded, Source};
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::{CommitListener, Store as _, StoreError, UnitOfWork};
use fairlead_postgres::{Cluster, PgStore, StoreParts};
use futures_util::FutureExt as _;
use sqlx::{Connection as _, Executor as _};
use support::database::DatabaseRole;
use support::proxy::Proxy;
use support::{TestApp, store_config, store_parts, wait_until};
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Writes down what it is told, once it may.
#[derive(Debug)]
struct Ledger {
    may_write: Semaphore,
    heard: Mutex<Vec<(TenantId, usize, LogPosition)>>,
}

impl Ledger {
    fn new(may_write: usize) -> Arc<Self> {
        Arc::new(Self {
            may_write: Semaphore::new(may_write),
            heard: Mutex::default(),
        })
    }

    fn heard(&self) -> Vec<(TenantId, usize, LogPosition)> {
        self.heard.lock().unwrap().clone()
    }
}

#[async_trait]
impl CommitListener for Ledger {
    async fn committed(&self, tenant: TenantId, recorded: &[Recorded], position: LogPosition) {
        self.may_write.acquire().await.unwrap().forget();
        self.heard
            .lock()
            .unwrap()
            .push((tenant, recorded.len(), position));
    }
}

/// A store beside the server's, on the same database, with a tenant in it.
struct Beside {
    app: TestApp,
    store: PgStore,
    scope: TenantScope,
}

impl Beside {
    async fn listening(ledger: &Arc<Ledger>) -> Self {
        let app = TestApp::start().await;
        let url = app.database.url(DatabaseRole::App);
        Self::connected(app, url, ledger).await
    }

    async fn connected(app: TestApp, app_url: String, ledger: &Arc<Ledger>) -> Self {
        let acme = app.tenant("acme").await;
        let config = store_config(app_url, app.database.url(DatabaseRole::System), 4);
        let cluster = Cluster::connect(&config).await.unwrap();
        let listener: Arc<dyn CommitListener> = ledger.clone();
        let parts = StoreParts {
            listeners: vec![listener],
            ..store_parts()
        };
        Self {
            store: PgStore::new(cluster, parts),
            scope: system().tenant(Id::from_uuid(acme.id.parse::<Uuid>().unwrap())),
            app,
        }
    }

    async fn change(&self) -> Box<dyn UnitOfWork> {
        let mut uow = self.store.begin(&self.scope).await.unwrap();
        let aggregate_id = uow.next_id();
        uow.record(Recorded {
            event_type: "carrier_created",
            version: 1,
            aggregate: Aggregate::Carrier,
            aggregate_id,
            actor: Actor::System,
            source: Source::System,
            before: None,
            after: None,
        });
        uow
    }

    async fn events(&self) -> i64 {
        let mut system = self.app.database.connect(DatabaseRole::System).await;
        let events = "SELECT count(*) FROM events WHERE type = 'carrier_created'";
        sqlx::query_scalar(events).fetch_one(&mut system).await.unwrap()
    }
}

#[expect(clippy::disallowed_methods, reason = "the test stands in for the platform")]
fn system() -> SystemScope {
    SystemScope::new("test")
}

#[tokio::test]
async fn a_commit_tells_its_position_and_its_listeners_before_it_answers() {
    let ledger = Ledger::new(100);
    let beside = Box::pin(Beside::listening(&ledger)).await;

    let first = beside.change().await.commit().await.unwrap();
    let second = beside.change().await.commit().await.unwrap();

    assert_eq!(first.timeline, 1);
    assert!(
        second.covers(first) && !first.covers(second),
        "{first} then {second}"
    );
    let tenant = beside.scope.tenant();
    assert_eq!(ledger.heard(), [(tenant, 1, first), (tenant, 1, second)]);
    // The primary is where it says it is.
    let mut superuser = beside.app.database.connect(DatabaseRole::Superuser).await;
    let flushed: bool = sqlx::query_scalar("SELECT pg_current_wal_insert_lsn() >= $1::pg_lsn")
        .bind(second.to_string().split_once('/').unwrap().1)
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    assert!(flushed);
}

#[tokio::test]
async fn listeners_hear_of_a_commit_although_nobody_waits_for_it() {
    let ledger = Ledger::new(0);
    let beside = Box::pin(Beside::listening(&ledger)).await;
    let uow = beside.change().await;

    // The request goes away as soon as the commit has begun.
    let mut committing = Box::pin(uow.commit());
    wait_until("the events are written and the commit is under way", async || {
        assert!(
            (&mut committing).now_or_never().is_none(),
            "the listener holds it"
        );
        beside.events().await == 1
    })
    .await;
    drop(committing);
    assert_eq!(ledger.heard(), []);
    ledger.may_write.add_permits(1);

    wait_until("the listener has heard", async || ledger.heard().len() == 1).await;
}

#[tokio::test]
async fn listeners_hear_of_a_commit_that_nobody_knows_the_outcome_of() {
    let ledger = Ledger::new(100);
    let app = TestApp::start().await;
    let url = app.database.url(DatabaseRole::App);
    let proxy = Proxy::start(&url, "app.current_tenant").await;
    let beside = Beside::connected(app, proxy.through(&url), &ledger).await;
    let uow = beside.change().await;

    proxy.swallow_commits();
    let in_doubt = uow.commit().await;

    assert!(matches!(in_doubt, Err(StoreError::InDoubt(_))), "{in_doubt:?}");
    assert_eq!(beside.events().await, 1, "it was committed all the same");
    let told = (beside.scope.tenant(), 1, LogPosition::UNKNOWN);
    assert_eq!(ledger.heard(), [told]);
    // It might have been done only now.
    wait_until("the listener is told again", async || ledger.heard() == [told; 2]).await;
}

#[tokio::test]
async fn nobody_hears_of_what_was_not_committed() {
    let ledger = Ledger::new(100);
    let beside = Box::pin(Beside::listening(&ledger)).await;

    drop(beside.change().await);
    let read = beside
        .store
        .read(&beside.scope, ReadIntent::INTERACTIVE)
        .await
        .unwrap();
    read.commit().await.unwrap();
    // The server goes away under an open transaction.
    let mut uow = beside.change().await;
    uow.tenants().get().await.unwrap();
    let mut superuser = beside.app.database.connect(DatabaseRole::Superuser).await;
    superuser
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND state = 'idle in transaction'",
        )
        .await
        .unwrap();
    let lost = uow.commit().await;

    assert!(lost.is_err(), "{lost:?}");
    assert_eq!(ledger.heard(), []);
    assert_eq!(beside.events().await, 0);
    superuser.close().await.unwrap();
}
