//! Reads by key that share a transaction: each gets what it asked for, whatever becomes of the others.

use std::sync::Arc;
use std::time::Duration;

use fairlead_domain::Id;
use fairlead_domain::access::{SystemScope, TenantScope};
use fairlead_domain::consistency::ReadIntent;
use fairlead_domain::leads::LeadId;
use fairlead_domain::store::{Store as _, StoreError};
use fairlead_postgres::PgStore;
use fairlead_telemetry::spawn;
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::{TestApp, TestTenant, connect_store, wait_until};
use tokio::task::JoinHandle;
use uuid::Uuid;

const LEADS: usize = 40;
/// One for every read, and to spare.
const CONNECTIONS: u32 = 160;
/// Any number for an advisory lock.
const HOLD_UP: i64 = 7;

/// Two tenants with as many leads each, and a store beside the server's that has a connection for every read.
struct Crowd {
    app: TestApp,
    store: Arc<PgStore>,
    superuser: PgConnection,
    acme: Tenant,
    umbrella: Tenant,
}

struct Tenant {
    scope: TenantScope,
    leads: Vec<LeadId>,
}

type Read = JoinHandle<Result<Option<String>, StoreError>>;

#[expect(clippy::disallowed_methods, reason = "the test stands in for the platform")]
fn system() -> SystemScope {
    SystemScope::new("test")
}

async fn tenant(app: &TestApp, name: &str) -> Tenant {
    let tenant: TestTenant = app.tenant(name).await;
    let mut leads = Vec::new();
    for number in 0..LEADS {
        let body = json!({ "name": format!("{name} {number}") });
        let lead = tenant.owner.post("/api/v1/leads", body).await.expect(201);
        leads.push(Id::from_uuid(id(lead["id"].as_str().unwrap())));
    }
    Tenant {
        scope: system().tenant(Id::from_uuid(id(&tenant.id))),
        leads,
    }
}

fn id(text: &str) -> Uuid {
    text.parse().unwrap()
}

impl Crowd {
    async fn gather() -> Self {
        let app = TestApp::start().await;
        let (acme, umbrella) = (tenant(&app, "acme").await, tenant(&app, "umbrella").await);
        let url = app.database.url(DatabaseRole::App);
        Self {
            store: Arc::new(connect_store(url, CONNECTIONS).await),
            superuser: app.database.connect(DatabaseRole::Superuser).await,
            app,
            acme,
            umbrella,
        }
    }

    /// Nobody can read leads until the answer is closed.
    async fn locked(&self) -> PgConnection {
        let mut blocker = self.app.database.connect(DatabaseRole::Superuser).await;
        blocker
            .execute("BEGIN; LOCK TABLE leads IN ACCESS EXCLUSIVE MODE")
            .await
            .unwrap();
        blocker
    }

    /// Whoever reads this lead of whichever tenant waits until the answer is closed; others are read as ever.
    async fn held_up(&mut self, lead: LeadId) -> PgConnection {
        let hold_up = format!(
            "CREATE FUNCTION wait_at(lead uuid) RETURNS boolean LANGUAGE plpgsql AS $$
             BEGIN
                 IF lead = '{lead}' THEN PERFORM pg_advisory_xact_lock_shared({HOLD_UP}); END IF;
                 RETURN TRUE;
             END $$;
             CREATE POLICY wait_at ON leads AS RESTRICTIVE FOR SELECT TO fairlead_app USING (wait_at(id))"
        );
        self.superuser.execute(AssertSqlSafe(hold_up)).await.unwrap();
        let mut holder = self.app.database.connect(DatabaseRole::Superuser).await;
        let hold = format!("SELECT pg_advisory_lock({HOLD_UP})");
        holder.execute(AssertSqlSafe(hold)).await.unwrap();
        holder
    }

    fn read(&self, scope: &TenantScope, lead: LeadId) -> Read {
        let (store, scope) = (Arc::clone(&self.store), scope.clone());
        spawn(async move {
            let mut uow = store.read(&scope, ReadIntent::INTERACTIVE).await?;
            Ok(uow.leads().find(lead).await?.map(|lead| lead.name))
        })
    }

    /// How many connections wait for the lock.
    async fn blocked(&mut self) -> usize {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let count: i64 = sqlx::query_scalar(waiting)
            .fetch_one(&mut self.superuser)
            .await
            .unwrap();
        usize::try_from(count).unwrap()
    }

    async fn cut_blocked(&mut self) {
        self.superuser
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .await
            .unwrap();
    }
}

fn abreast() -> usize {
    std::thread::available_parallelism().unwrap().get()
}

#[tokio::test]
async fn each_of_many_reads_gets_its_own_answer_over_few_connections() {
    let mut crowd = Crowd::gather().await;
    let blocker = crowd.locked().await;

    let mut reads = Vec::new();
    for number in 0..LEADS {
        for (tenant, name) in [(&crowd.acme, "acme"), (&crowd.umbrella, "umbrella")] {
            let read = crowd.read(&tenant.scope, tenant.leads[number]);
            reads.push((read, Some(format!("{name} {number}"))));
        }
    }
    // What is another tenant's is not there, and neither is what nobody has.
    reads.push((crowd.read(&crowd.acme.scope, crowd.umbrella.leads[0]), None));
    reads.push((
        crowd.read(&crowd.umbrella.scope, Id::from_uuid(Uuid::max())),
        None,
    ));
    wait_until("those who go first are blocked", async || {
        crowd.blocked().await >= 2 * abreast()
    })
    .await;
    // Some give up while they wait.
    for (given_up, _) in reads.drain(2 * LEADS - 6..2 * LEADS) {
        given_up.abort();
    }
    // Once those take long, the others go beside them, and those together.
    assert!(crowd.blocked().await <= 4 * abreast());
    blocker.close().await.unwrap();

    for (read, expected) in reads {
        assert_eq!(read.await.unwrap().unwrap(), expected);
    }
}

#[tokio::test]
async fn when_what_they_share_fails_each_goes_alone() {
    let mut crowd = Crowd::gather().await;
    let blocker = crowd.locked().await;
    let first: Vec<Read> = (0..abreast())
        .map(|number| crowd.read(&crowd.acme.scope, crowd.acme.leads[number]))
        .collect();
    wait_until("those who go first are blocked", async || {
        crowd.blocked().await == abreast()
    })
    .await;
    let others: Vec<Read> = (abreast()..LEADS)
        .map(|number| crowd.read(&crowd.acme.scope, crowd.acme.leads[number]))
        .collect();
    wait_until("the others share a way", async || {
        crowd.blocked().await > abreast()
    })
    .await;
    assert!(crowd.blocked().await <= 2 * abreast());

    // Whoever is cut off tries again a few times.
    wait_until("each has gone alone", async || {
        crowd.cut_blocked().await;
        for _ in 0..100 {
            if crowd.blocked().await > 2 * abreast() {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        false
    })
    .await;
    blocker.close().await.unwrap();

    for (read, number) in first.into_iter().zip(0..) {
        match read.await.unwrap() {
            Ok(name) => assert_eq!(name, Some(format!("acme {number}"))),
            Err(cut) => assert!(matches!(cut, StoreError::Interrupted(_)), "{cut:?}"),
        }
    }

    for (read, number) in others.into_iter().zip(abreast()..) {
        assert_eq!(read.await.unwrap().unwrap(), Some(format!("acme {number}")));
    }
}

#[tokio::test]
async fn reads_that_take_long_hold_up_no_others() {
    let mut crowd = Crowd::gather().await;
    let holder = crowd.held_up(crowd.acme.leads[0]).await;
    let long: Vec<Read> = (0..abreast())
        .map(|_| crowd.read(&crowd.acme.scope, crowd.acme.leads[0]))
        .collect();
    wait_until("those who go first are blocked", async || {
        crowd.blocked().await == abreast()
    })
    .await;

    for round in 0..2 {
        let others: Vec<Read> = (1..LEADS)
            .map(|number| crowd.read(&crowd.acme.scope, crowd.acme.leads[number]))
            .collect();
        for (read, number) in others.into_iter().zip(1..) {
            assert_eq!(read.await.unwrap().unwrap(), Some(format!("acme {number}")));
        }
        let have_ended = long.iter().any(JoinHandle::is_finished);
        assert!(!have_ended, "they were waited for in round {round}");
    }

    holder.close().await.unwrap();
    for read in long {
        assert_eq!(read.await.unwrap().unwrap(), Some("acme 0".to_owned()));
    }
}
