//! Whoever wants few of many events comes through the log, however far behind it is, and however little the database
//! gets done at a time.

use std::time::Duration;

use fairlead::config::Role;
use serde_json::json;
use sqlx::Executor as _;
use support::database::DatabaseRole;
use support::{TestApp, TestTenant, wait_until};
use tokio::time::Instant;

use super::record_many;
use super::socket_client::Socket;
use super::stream_reader::StreamReader;

/// More than can be looked at by one statement in the time that it has.
const MANY: usize = 60_000;
/// By a transaction each: while one is under way nobody on the server reads what is behind it.
const TOGETHER: usize = 15_000;
/// So many rows may be looked at, by twos: far more than are looked at at a time, and far fewer than there are.
const BEARABLE: u32 = 22_000;

/// Each row takes a while to be looked at, as on a disk that is slow, and before anything else is asked of it.
const SLOW: &str = "
    CREATE FUNCTION slow() RETURNS boolean LANGUAGE plpgsql COST 0.0000001
        AS 'BEGIN RETURN (SELECT count(*) FROM generate_series(1, 200)) > 0; END';
    GRANT EXECUTE ON FUNCTION slow TO fairlead_app;
    CREATE POLICY slow ON events AS RESTRICTIVE TO fairlead_app USING (slow())";
const LOOK_AT_THOUSAND: &str = "SELECT count(*) FROM generate_series(1, 1000) WHERE slow()";

/// How long a statement may take that looks at no more than is bearable, as fast as this machine is now.
async fn bearable(app: &TestApp) -> Duration {
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    superuser.execute(SLOW).await.unwrap();
    let mut thousand = Duration::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        superuser.execute(LOOK_AT_THOUSAND).await.unwrap();
        thousand = thousand.min(began.elapsed());
    }
    thousand * BEARABLE / 1_000
}

/// Events of one type, as a bulk would record them.
async fn record(app: &TestApp, tenant: &TestTenant, event_type: &str, count: usize) {
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    for _ in 0..count / TOGETHER {
        record_many(&mut superuser, &tenant.id, event_type, "now()", TOGETHER).await;
    }
    superuser.execute("ANALYZE events").await.unwrap();
}

/// A cursor behind all that there is.
async fn end(tenant: &TestTenant) -> String {
    let lead = tenant.lead("First").await;
    let path = format!("/api/v1/events?aggregateType=lead&aggregateId={lead}");
    let mut cursor = String::new();
    wait_until("it is logged", async || {
        let page = tenant.owner.get(&path).await.expect(200);
        page["nextCursor"].as_str().unwrap().clone_into(&mut cursor);
        !page["items"].as_array().unwrap().is_empty()
    })
    .await;
    cursor
}

/// On a busy machine a look may fail that should not; one after the other does not.
#[derive(Default)]
struct GetsOn {
    in_vain: u32,
}

impl GetsOn {
    #[track_caller]
    fn note(&mut self, before: &str, after: &str) {
        self.in_vain = if before == after { self.in_vain + 1 } else { 0 };
        assert!(self.in_vain < 20, "it comes again and again to the same place");
    }
}

#[tokio::test]
async fn who_wants_few_of_many_events_gets_on_by_each_look_at_the_log() {
    let mut app = TestApp::start_with(|config| config.roles = [Role::Api].into_iter().collect()).await;
    let acme = app.tenant("acme").await;
    record(&app, &acme, "lead_created", MANY / 2).await;
    let begin = end(&acme).await;
    record(&app, &acme, "lead_updated", MANY).await;
    acme.lead("The last").await;

    let statement_timeout = bearable(&app).await;
    app.expect_server_errors();
    app.restart_with(|config| config.database.statement_timeout = statement_timeout)
        .await;
    let owner = acme.at(app.url()).owner;
    let mut cursor = begin.clone();
    let mut sent_away = 0;
    let mut gets_on = GetsOn::default();
    let found = loop {
        let mut socket = Socket::open(&owner).await;
        socket
            .say(&json!({ "type": "subscribe", "events": ["lead_created"], "cursor": cursor }))
            .await;
        let told = loop {
            let told = socket.told().await;
            if !["subscribed", "cursor"].contains(&told["type"].as_str().unwrap()) {
                break told;
            }
        };
        match told["type"].as_str().unwrap() {
            "lead_created" => break told["data"]["data"]["name"].clone(),
            "closing" => {
                sent_away += 1;
                gets_on.note(&cursor, told["cursor"].as_str().unwrap());
                told["cursor"].as_str().unwrap().clone_into(&mut cursor);
            }
            other => panic!("{other}: {told}"),
        }
    };
    println!(
        "found behind {MANY} others, sent away {sent_away} times; a statement had {statement_timeout:?}"
    );
    assert_eq!(found, "The last");

    // A stream, too.
    let mut cursor = begin;
    let found = loop {
        let query = format!("?type=lead_created&cursor={cursor}");
        let mut stream = StreamReader::open(&owner, &query, None).await;
        let mut name = None;
        while let Some(block) = stream.block().await {
            name = block.data.map(|data| data["data"]["name"].clone());
            if name.is_some() {
                break;
            }
        }
        if let Some(name) = name {
            break name;
        }
        gets_on.note(&cursor, &stream.last_id);
        cursor.clone_from(&stream.last_id);
    };
    assert_eq!(found, "The last");
}
