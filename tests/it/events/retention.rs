//! How long events are kept.

use fairlead_postgres::{Cluster, PgSystemStore};
use serde_json::json;
use sqlx::{AssertSqlSafe, Executor as _};
use support::database::DatabaseRole;
use support::{TestApp, store_config, store_parts, wait_until};
use time::Duration;

use super::socket_client::Socket;

const MONTHS: &str = "
    SELECT COALESCE(string_agg(relname, ' ' ORDER BY relname), '') FROM pg_class WHERE relname LIKE 'events_2020___'";
const RECENT: &str = "SELECT count(*)::text FROM events WHERE occurred_at > '2026-01-01'";
const COUNTED: &str = "SELECT count(*)::text FROM usage_by_day WHERE day < '2021-01-01'";

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
        let first = format!("{}-01 00:00Z", month.replace('_', "-"));
        let partition = format!(
            "CREATE TABLE events_{month} PARTITION OF events FOR VALUES
                 FROM (uuid_v7_floor('{first}')) TO (uuid_v7_floor('{first}'::timestamptz + interval '1 month'));
             ALTER TABLE events_{month} OWNER TO fairlead_owner;
             ALTER TABLE events_{month} ENABLE ROW LEVEL SECURITY;
             ALTER TABLE events_{month} FORCE ROW LEVEL SECURITY;
             INSERT INTO events (tenant_id, id, type, version, aggregate_type, aggregate_id, source, actor, data,
                                 occurred_at)
             VALUES ('{}', uuid_v7_floor('{first}'), 'lead_created', 1, 'lead', gen_random_uuid(), 'api', 'system',
                     '{{}}', '{first}')",
            acme.id
        );
        pool.execute(AssertSqlSafe(partition)).await.unwrap();
    }
    wait_until("the server has done all", async || text(COUNTED).await == "2").await;
    // As if they had been recorded when their ids say.
    let behind = "UPDATE events SET xid = pg_current_xact_id(), position = nextval('events_position')
                  WHERE occurred_at > '2026-01-01'";
    pool.execute(behind).await.unwrap();
    let begun = acme.owner.get("/api/v1/events?limit=1").await.expect(200);
    let cursor = begun["nextCursor"].as_str().unwrap();
    let urls = [DatabaseRole::App, DatabaseRole::System].map(|role| app.database.url(role));
    let [app_url, system_url] = urls;
    let config = store_config(app_url, system_url, 1);
    let cluster = Cluster::connect(&config).await.unwrap();
    let system = PgSystemStore::new(cluster, &config, store_parts());
    let drop_old = async |days| system.drop_old_events(Duration::days(days)).await.unwrap();

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
