//! Several processes, a broker, and processes that are gone.

use fairlead::SystemIds;
use fairlead_devstack::{Service, control};
use fairlead_domain::clock::Ids as _;
use serde_json::json;
use support::database::DatabaseRole;
use support::process::Program;
use support::{Receiver, Reply, TestApp, TestDatabase, TestTenant, wait_until};

use super::bench::{local, make, until_newest, until_received};

fn program(database: &TestDatabase) -> Program {
    Program::on(database)
        .with("FAIRLEAD__WEBHOOKS__ALLOW_HTTP", "true")
        .with("FAIRLEAD__WEBHOOKS__ALLOWED_NETWORKS", "127.0.0.1/32")
        .with("FAIRLEAD__JOBS__LEASE_MS", "1000")
        .with("FAIRLEAD__JOBS__SWEEP_MS", "50")
}

#[tokio::test]
async fn what_a_process_was_sending_when_it_was_killed_is_sent_by_another() {
    let database = TestDatabase::create().await;
    let program = program(&database);
    let first = program.serve().await.unwrap_or_else(|ended| panic!("{ended:?}"));
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    let receiver = Receiver::start().await;
    let webhook = make(
        &acme.owner,
        &receiver.url("/"),
        json!({"events": ["lead_created"]}),
    )
    .await;
    // It has come in, and nobody notes that.
    receiver.reply_next([Reply::Silence]);
    acme.lead("Ann").await;
    until_received(&receiver, 1).await;

    first.signal("KILL");
    first.ended().await;
    let second = program.serve().await.unwrap_or_else(|ended| panic!("{ended:?}"));
    let came = until_received(&receiver, 2).await;

    assert_eq!(came[0].header("webhook-id"), came[1].header("webhook-id"));
    assert_eq!(came[0].body, came[1].body);
    let owner = acme.at(&second.url).owner;
    let delivery = until_newest(&owner, &webhook, "SUCCEEDED").await;
    assert_eq!(delivery["attempts"], 1, "those that are known to have ended");
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn a_process_that_stops_lets_what_is_on_its_way_arrive() {
    let database = TestDatabase::create().await;
    let program = program(&database);
    let first = program.serve().await.unwrap_or_else(|ended| panic!("{ended:?}"));
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    let receiver = Receiver::start().await;
    make(
        &acme.owner,
        &receiver.url("/"),
        json!({"events": ["lead_created"]}),
    )
    .await;
    for number in 0..30 {
        acme.lead(&format!("Lead {number}")).await;
    }

    first.signal("TERM");
    assert!(first.ended().await.status.success());
    let _second = program.serve().await.unwrap_or_else(|ended| panic!("{ended:?}"));
    wait_until("all have arrived", async || {
        let mut ids: Vec<String> = receiver
            .received()
            .iter()
            .map(|came| came.header("webhook-id").to_owned())
            .collect();
        ids.sort_unstable();
        ids.dedup();
        ids.len() == 30
    })
    .await;

    assert_eq!(receiver.received().len(), 30, "none was sent twice");
}

#[tokio::test]
async fn with_a_broker_and_two_processes_each_event_is_delivered_once() {
    let broker = fairlead_telemetry::spawn_blocking(|| control::need(Service::RabbitMq))
        .await
        .unwrap()
        .unwrap();
    let database = TestDatabase::create().await;
    let program = program(&database)
        .with("RABBITMQ_URL", &broker.url)
        .with(
            "FAIRLEAD__EVENTS__AMQP__PREFIX",
            &format!("test-{}", SystemIds.next().simple()),
        )
        // What the broker has brought is met again in the log.
        .with("FAIRLEAD__EVENTS__AMQP__CATCH_UP_SECONDS", "1");
    let first = program.serve().await.unwrap_or_else(|ended| panic!("{ended:?}"));
    let second = program.serve().await.unwrap_or_else(|ended| panic!("{ended:?}"));
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    let receiver = Receiver::start().await;
    acme.lead("Before").await;
    let webhook = make(
        &acme.owner,
        &receiver.url("/"),
        json!({"events": ["lead_created"]}),
    )
    .await;
    for number in 0..40 {
        let server = if number % 2 == 0 { &first } else { &second };
        acme.at(&server.url).lead(&format!("Lead {number}")).await;
    }

    until_received(&receiver, 40).await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    wait_until("the log was read to its end as well", async || {
        let behind = "SELECT count(*) FROM events AS e, event_readers AS r
                      WHERE r.reader = 'webhooks' AND (e.xid, e.position) > (r.xid, r.position)";
        sqlx::query_scalar::<_, i64>(behind)
            .fetch_one(&mut superuser)
            .await
            .unwrap()
            == 0
    })
    .await;

    let made: i64 = sqlx::query_scalar("SELECT count(*) FROM webhook_deliveries WHERE webhook_id = $1::uuid")
        .bind(&webhook.id)
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    assert_eq!((made, receiver.received().len()), (40, 40));
    assert!(
        receiver
            .received()
            .iter()
            .all(|came| !came.body.contains("Before"))
    );
}

#[tokio::test]
async fn a_tenant_without_webhooks_leaves_nothing_of_them() {
    let app = TestApp::start_with(local).await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    let receiver = Receiver::start().await;
    make(
        &acme.owner,
        &receiver.url("/"),
        json!({"events": ["lead_created"]}),
    )
    .await;
    for number in 0..20 {
        umbrella.lead(&format!("Lead {number}")).await;
    }
    acme.lead("Ann").await;
    until_received(&receiver, 1).await;

    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let notes = "SELECT count(*) FROM inbox WHERE consumer = 'webhooks' AND tenant_id = $1::uuid";
    let mut of = async |tenant: &TestTenant| -> i64 {
        let notes = sqlx::query_scalar(notes).bind(&tenant.id);
        notes.fetch_one(&mut superuser).await.unwrap()
    };
    assert!(of(&acme).await > 0);
    assert_eq!(of(&umbrella).await, 0);
}
