//! A log that is of another server, which had counted its transactions further.

use std::sync::Arc;

use fairlead_domain::Id;
use fairlead_domain::access::SystemScope;
use fairlead_domain::consistency::ReadIntent;
use fairlead_domain::events::{EventCursor, EventFilter, EventLog as _};
use fairlead_domain::store::Store as _;
use fairlead_postgres::{Cluster, PgStore, PgSystemStore};
use serde_json::Value;
use sqlx::Executor as _;
use support::database::DatabaseRole;
use support::process::Program;
use support::{TestDatabase, TestTenant, wait_until};

use super::consumers::{COUNTED, leads, one, serve};

/// The log as a dump brings it of a server that has come to four thousand million transactions.
const OF_ANOTHER: &str = "
    UPDATE events SET xid = '4000000000';
    UPDATE event_readers SET xid = '4000000000';";
const TWO_EVENTS_OF_ANN: &str = "SELECT count(*) FROM events WHERE xid = '4000000000'";

#[tokio::test]
async fn a_log_of_another_server_is_not_read_until_it_begins_anew() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let serving = serve(&program).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    acme.lead("Ann").await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    wait_until("it is counted", async || {
        one::<i64>(&mut superuser, COUNTED).await > 0
    })
    .await;
    let ours = program.run(&["events", "begin-anew", "--yes"]).await;
    assert!(ours.status.success(), "{ours:?}");
    assert!(ours.stdout.contains("nothing was changed"), "{ours:?}");
    serving.signal("TERM");
    assert!(serving.ended().await.status.success());
    superuser.execute(OF_ANOTHER).await.unwrap();
    let before: i64 = one(&mut superuser, COUNTED).await;

    let serving = serve(&program).await;
    wait_until("the process says that it does not read", async || {
        let ready = serving.anonymous().get("/health/ready").await.expect(200);
        ready["reduced"]
            .to_string()
            .contains("the log of events is of another server")
    })
    .await;
    assert!(!leads(&serving).await);
    let said = serving.log().join("\n");
    assert!(said.contains("fairlead events begin-anew"), "{said}");

    let asked = program.run(&["events", "begin-anew"]).await;
    let events: i64 = one(&mut superuser, TWO_EVENTS_OF_ANN).await;
    assert!(!asked.status.success(), "{asked:?}");
    assert!(asked.stdout.contains(&format!("{events} events go")), "{asked:?}");
    assert!(asked.stderr.contains("--yes"), "{asked:?}");
    let done = program.run(&["events", "begin-anew", "--yes", "--json"]).await;
    let told: Value = serde_json::from_str(&done.stdout).unwrap();
    assert!(done.status.success(), "{done:?}");
    assert_eq!(
        (&told["hasBegunAnew"], &told["events"]),
        (&true.into(), &events.into())
    );

    wait_until("it reads", async || leads(&serving).await).await;
    acme.at(&serving.url).log_in().await;
    acme.at(&serving.url).lead("Bob").await;
    wait_until("what happens now is counted", async || {
        one::<i64>(&mut superuser, COUNTED).await > before
    })
    .await;
    assert_eq!(one::<i64>(&mut superuser, TWO_EVENTS_OF_ANN).await, 0);
    let unbound = "SELECT count(*) FROM pg_class WHERE relname IN
                       ('events', 'events_dropped', 'webhooks', 'webhook_deliveries', 'webhook_replays')
                   AND NOT relforcerowsecurity";
    assert_eq!(
        one::<i64>(&mut superuser, unbound).await,
        0,
        "the owner is bound again"
    );
    let again = program.run(&["events", "begin-anew", "--yes"]).await;
    assert!(again.stdout.contains("nothing was changed"), "{again:?}");
}

#[tokio::test]
async fn a_place_that_the_server_has_not_come_to_is_told_from_one_at_the_end() {
    let database = TestDatabase::create().await;
    let url = |role| database.url(role);
    let config = support::store_config(url(DatabaseRole::App), url(DatabaseRole::System), 2);
    let cluster = Cluster::connect(&config).await.unwrap();
    let log = PgSystemStore::new(Arc::clone(&cluster), &config, support::store_parts());
    let store = PgStore::new(Arc::clone(&cluster), support::store_parts());
    let ahead = EventCursor {
        xid: 4_000_000_000,
        position: 1,
    };
    #[expect(clippy::disallowed_methods, reason = "the test is the platform")]
    let scope = SystemScope::new("to test the log").tenant(Id::from_uuid(uuid::Uuid::from_u128(1)));
    for (place, is_ahead) in [(log.end().await.unwrap(), false), (ahead, true)] {
        let stretch = log.read(place, 10).await.unwrap();
        let mut uow = store.read(&scope, ReadIntent::STRONG).await.unwrap();
        let page = uow
            .events()
            .after(&EventFilter::default(), Some(place), 10)
            .await
            .unwrap();

        assert_eq!((stretch.is_ahead, page.is_cut), (is_ahead, is_ahead), "{place:?}");
    }
    cluster.close().await;
}
