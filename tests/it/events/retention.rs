//! How long events are kept.

use std::sync::Arc;

use fairlead_domain::clock::Clock;
use fairlead_domain::events::EventLog as _;
use fairlead_postgres::{Cluster, PgSystemStore, StoreParts};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _, PgPool};
use support::database::DatabaseRole;
use support::{Client, Receiver, Reply, TestApp, TestDatabase, store_config, store_parts, wait_until};
use time::Duration;

use super::aside::{ASIDE, REFUSE, REFUSE_NO_MORE, retry_dead, soon_dead, until_dead_letter};
use super::consumers::one;
use super::socket_client::Socket;
use crate::webhooks::bench::{local, make, until_newest};

const MONTHS: &str = "
    SELECT COALESCE(string_agg(relname, ' ' ORDER BY relname), '') FROM pg_class WHERE relname LIKE 'events_2020___'";
const RECENT: &str = "SELECT count(*)::text FROM events WHERE occurred_at > '2026-01-01'";
const COUNTED: &str = "SELECT count(*)::text FROM usage_by_day WHERE day < '2021-01-01'";
/// As if they had been recorded when their ids say.
const RECENT_BEHIND: &str = "
    UPDATE events SET xid = pg_current_xact_id(), position = nextval('events_position')
    WHERE occurred_at > '2026-01-01'";

/// Makes the partition of a month that is long over, such as `2020_01`.
pub(crate) async fn make_month(pool: &PgPool, month: &str) {
    let first = first_of(month);
    let partition = format!(
        "CREATE TABLE events_{month} PARTITION OF events FOR VALUES
             FROM (uuid_v7_floor('{first}')) TO (uuid_v7_floor('{first}'::timestamptz + interval '1 month'));
         ALTER TABLE events_{month} OWNER TO fairlead_owner;
         ALTER TABLE events_{month} ENABLE ROW LEVEL SECURITY;
         ALTER TABLE events_{month} FORCE ROW LEVEL SECURITY"
    );
    pool.execute(AssertSqlSafe(partition)).await.unwrap();
}

/// Records an event of a month that is long over.
pub(crate) async fn record_in(pool: &PgPool, month: &str, tenant: &str) {
    let first = first_of(month);
    let event = format!(
        "INSERT INTO events (tenant_id, id, type, version, aggregate_type, aggregate_id, source, actor, data,
                             occurred_at)
         VALUES ('{tenant}', uuid_v7_floor('{first}'), 'lead_created', 1, 'lead', gen_random_uuid(), 'api', 'system',
                 '{{}}', '{first}')"
    );
    pool.execute(AssertSqlSafe(event)).await.unwrap();
}

fn first_of(month: &str) -> String {
    format!("{}-01 00:00Z", month.replace('_', "-"))
}

/// The store that drops old events.
pub(crate) async fn system(database: &TestDatabase) -> PgSystemStore {
    system_by(database, store_parts().clock).await.0
}

/// The same by another clock, and the connections that it has, to be closed.
pub(crate) async fn system_by(
    database: &TestDatabase,
    clock: Arc<dyn Clock>,
) -> (PgSystemStore, Arc<Cluster>) {
    let [app_url, system_url] = [DatabaseRole::App, DatabaseRole::System].map(|role| database.url(role));
    let config = store_config(app_url, system_url, 1);
    let cluster = Cluster::connect(&config).await.unwrap();
    let parts = StoreParts {
        clock,
        ..store_parts()
    };
    (PgSystemStore::new(Arc::clone(&cluster), &config, parts), cluster)
}

/// Waits until every reader has done all.
pub(crate) async fn until_done(system: &PgSystemStore) {
    wait_until("every reader has done all", async || {
        let backlogs = system.backlogs().await.unwrap();
        !backlogs.is_empty() && backlogs.iter().all(|backlog| backlog.events == 0)
    })
    .await;
}

async fn first_page(owner: &Client) -> (Value, String) {
    let page = owner.get("/api/v1/events?limit=1").await.expect(200);
    let cursor = page["nextCursor"].as_str().unwrap().to_owned();
    (page["items"][0].clone(), cursor)
}

#[tokio::test]
async fn months_of_events_are_dropped_when_they_are_old_and_everybody_has_done_them() {
    let mut app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let pool = app.database.pool(DatabaseRole::Superuser, 1).await;
    let text = async |sql: &'static str| {
        sqlx::query_scalar::<_, String>(sql)
            .fetch_one(&pool)
            .await
            .unwrap()
    };
    for month in ["2020_01", "2020_02"] {
        make_month(&pool, month).await;
        record_in(&pool, month, &acme.id).await;
    }
    wait_until("the server has done all", async || text(COUNTED).await == "2").await;
    pool.execute(RECENT_BEHIND).await.unwrap();
    let begun = acme.owner.get("/api/v1/events?limit=1").await.expect(200);
    let cursor = begun["nextCursor"].as_str().unwrap();
    let system = system(&app.database).await;
    let drop_old = async |days| system.drop_old_events(Duration::days(days), None).await.unwrap();

    // A reader that has done nothing needs all.
    pool.execute("INSERT INTO event_readers VALUES ('slow', '0', 0, now())")
        .await
        .unwrap();
    assert_eq!(drop_old(30).await, 0);

    // One that has come to the first of two needs the second.
    pool.execute(
        "UPDATE event_readers AS r SET xid = e.xid, position = e.position
         FROM events AS e WHERE r.reader = 'slow' AND e.id = uuid_v7_floor('2020-01-01 00:00Z')",
    )
    .await
    .unwrap();
    assert_eq!(drop_old(30).await, 1);
    assert_eq!(text(MONTHS).await, "events_2020_02");

    // What is younger than asked for is kept by all means.
    pool.execute("DELETE FROM event_readers WHERE reader = 'slow'")
        .await
        .unwrap();
    assert_eq!(drop_old(100 * 366).await, 0);

    // The server does it by itself, if it is told to.
    let recent = text(RECENT).await;
    app.restart_with(|config| config.events.retention_days = 30).await;
    wait_until("the second month is dropped", async || {
        text(MONTHS).await.is_empty()
    })
    .await;
    assert_eq!(text(RECENT).await, recent);

    // Who comes back with a cursor from before is told, whichever way it follows; who begins anew goes on.
    let owner = acme.at(app.url()).owner;
    for path in ["/api/v1/events", "/api/v1/events/stream"] {
        let refused = owner.get(&format!("{path}?cursor={cursor}")).await;
        assert_eq!(
            (refused.status.as_u16(), refused.problem()),
            (410, "events-dropped".to_owned()),
            "{path}"
        );
    }
    let mut socket = Socket::open(&owner).await;
    socket
        .say(&json!({ "type": "subscribe", "cursor": cursor }))
        .await;
    let told = socket.told().await;
    assert_eq!(
        (&told["type"], &told["data"]["type"]),
        (
            &json!("error"),
            &json!("https://fairlead.dev/problems/events-dropped")
        ),
        "{told}"
    );
    let anew = owner.get("/api/v1/events?limit=1").await.expect(200);
    assert_eq!(
        anew["items"][0]["type"], "tenant_created",
        "the oldest that is kept"
    );
    let cursor = anew["nextCursor"].as_str().unwrap();
    let rest = owner
        .get(&format!("/api/v1/events?cursor={cursor}"))
        .await
        .expect(200);
    assert_eq!(rest["items"][0]["type"], "user_created");
    let leads = acme.at(app.url()).owner.get("/api/v1/leads").await;
    assert_eq!(leads.status.as_u16(), 200, "and all else works");
}

#[tokio::test]
async fn a_month_is_kept_while_events_of_it_are_still_to_be_handled_or_sent() {
    let app = TestApp::start_with(|config| {
        local(config);
        soon_dead(config);
    })
    .await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    let receiver = Receiver::start().await;
    receiver.reply(Reply::Status(500));
    let wanted = json!({"events": ["lead_created"]});
    let webhook = make(&acme.owner, &receiver.url("/"), wanted).await;
    let pool = app.database.pool(DatabaseRole::Superuser, 1).await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    superuser.execute(REFUSE).await.unwrap();
    make_month(&pool, "2020_01").await;
    record_in(&pool, "2020_01", &acme.id).await;
    let system = system(&app.database).await;
    let drop_old = async || system.drop_old_events(Duration::days(30), None).await.unwrap();
    until_dead_letter(&operator).await;
    until_newest(&acme.owner, &webhook, "PENDING").await;
    until_done(&system).await;

    assert_eq!(drop_old().await, 0, "a dead letter may be tried again");

    superuser.execute(REFUSE_NO_MORE).await.unwrap();
    assert_eq!(retry_dead(&operator).await, 1);
    wait_until("it is handled", async || {
        one::<i64>(&mut superuser, ASIDE).await == 0
    })
    .await;
    assert_eq!(drop_old().await, 0, "it is still to be sent");

    receiver.reply(Reply::Status(200));
    until_newest(&acme.owner, &webhook, "SUCCEEDED").await;
    assert_eq!(drop_old().await, 1);
}

#[tokio::test]
async fn what_lies_in_no_month_is_dropped_too_and_whoever_misses_any_of_it_is_told() {
    const ASTRAY: &str = "SELECT count(*) FROM events_default";
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let pool = app.database.pool(DatabaseRole::Superuser, 1).await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    // The partition of January was not made in time.
    record_in(&pool, "2020_01", &acme.id).await;
    make_month(&pool, "2020_02").await;
    record_in(&pool, "2020_02", &acme.id).await;
    // Nor that of March, and there is none behind it that is old.
    record_in(&pool, "2020_03", &acme.id).await;
    pool.execute(RECENT_BEHIND).await.unwrap();
    let system = system(&app.database).await;
    until_done(&system).await;
    let (first, cursor) = first_page(&acme.owner).await;
    assert_eq!(
        (&first["type"], one::<i64>(&mut superuser, ASTRAY).await),
        (&json!("lead_created"), 2)
    );

    assert_eq!(system.drop_old_events(Duration::days(30), None).await.unwrap(), 1);

    assert_eq!(one::<i64>(&mut superuser, ASTRAY).await, 0);
    let refused = acme.owner.get(&format!("/api/v1/events?cursor={cursor}")).await;
    assert_eq!(refused.problem(), "events-dropped");
    let (first, _) = first_page(&acme.owner).await;
    assert_eq!(first["type"], "tenant_created");
}

#[tokio::test]
async fn whoever_begins_anew_begins_behind_all_that_was_dropped() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let pool = app.database.pool(DatabaseRole::Superuser, 1).await;
    // Of the transactions of now, though it has an old id: the clock of a process was wrong.
    make_month(&pool, "2020_01").await;
    let system = system(&app.database).await;
    until_done(&system).await;
    let (_, cursor) = first_page(&acme.owner).await;
    record_in(&pool, "2020_01", &acme.id).await;
    until_done(&system).await;
    assert_eq!(system.drop_old_events(Duration::days(30), None).await.unwrap(), 1);
    acme.lead("Ann").await;

    let refused = acme.owner.get(&format!("/api/v1/events?cursor={cursor}")).await;
    assert_eq!(
        refused.problem(),
        "events-dropped",
        "one behind the cursor is gone"
    );
    let mut first = Value::Null;
    let mut cursor = String::new();
    wait_until("the next event can be read", async || {
        (first, cursor) = first_page(&acme.owner).await;
        !first.is_null()
    })
    .await;
    assert_eq!(first["type"], "lead_created");
    let path = format!("/api/v1/events?cursor={cursor}");
    acme.owner.get(&path).await.expect(200);
}
