//! How streams end: with their credentials, with the server, and with clients that are gone or read nothing.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use sqlx::{Connection as _, Executor as _};
use support::database::DatabaseRole;
use support::process::Program;
use support::{TestApp, TestDatabase, TestTenant, wait_until};
use tokio::time::{Instant, sleep, timeout};

use super::consumers::{figure, one, serve};
use super::relays::Machine;
use super::stream::until_logged;
use super::stream_reader::{Block, StreamReader};

/// Reads to the end. Promised are five seconds after a credential ends, and five more where another process ends it.
pub(super) async fn last_block(stream: &mut StreamReader) -> Block {
    let mut last = None;
    let reading = timeout(Duration::from_secs(15), async {
        while let Some(block) = stream.block().await {
            last = Some(block);
        }
    });
    reading.await.expect("the stream ends");
    last.expect("something was said")
}

/// Writes more than all buffers on the way take, and far more than waits in memory.
pub(super) async fn write_much(acme: &TestTenant) {
    let filling = "x".repeat(8_000);
    for bulk in 0..3 {
        let leads: Vec<_> = (0..1000)
            .map(|number| json!({ "name": format!("{bulk}/{number}"), "customFields": { "filling": filling } }))
            .collect();
        let answer = acme
            .owner
            .post("/api/v1/leads/bulk", json!({ "leads": leads }))
            .await;
        assert!(answer.status.is_success(), "{answer:?}");
    }
}

#[tokio::test]
async fn who_reads_slowly_finds_the_rest_in_the_log() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut stream = StreamReader::open(&acme.owner, "?type=lead_created", None).await;
    write_much(&acme).await;

    let names = stream.names(3000).await;

    let all: Vec<String> = (0..3000)
        .map(|number| format!("{}/{}", number / 1000, number % 1000))
        .collect();
    assert_eq!(names, all);
}

#[tokio::test]
async fn a_stream_ends_with_its_credential() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let machine = acme.machine(&["events:read"]).await;
    let mut stream = StreamReader::open(&machine, "", None).await;

    let keys = acme.owner.get("/api/v1/tenant/api-keys").await.expect(200);
    let id = keys["items"][0]["id"].as_str().unwrap();
    let revoked = acme.owner.delete(&format!("/api/v1/tenant/api-keys/{id}")).await;
    assert_eq!(revoked.status, 204);

    let last = last_block(&mut stream).await;
    assert_eq!(
        last.comment.as_deref(),
        Some("the credential has expired, or was revoked")
    );
}

#[tokio::test]
async fn a_server_that_stops_sends_its_readers_away_at_once() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let serving = serve(&program).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let mut all = [
        StreamReader::open(&acme.owner, "", None).await,
        StreamReader::open(&acme.owner, "?type=lead_created", None).await,
    ];

    let told = AtOnce::from_now();
    serving.signal("TERM");
    for stream in &mut all {
        let last = last_block(stream).await;
        assert!(last.retry.is_some(), "with a word on when to come back");
        assert!(last.id.is_some(), "and where to begin then");
    }
    println!("sent away and ended {:?} after SIGTERM", told.assert());
}

/// The rights of each client are looked at every few seconds.
#[tokio::test]
async fn a_server_that_stops_sends_its_clients_away_at_once_though_the_database_does_not_answer() {
    const WAITS: &str = "
        SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let serving = serve(&program).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let machine = acme.machine(&["events:read"]).await;
    let mut stream = StreamReader::open(&machine, "", None).await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let mut locking = database.connect(DatabaseRole::Superuser).await;
    let mut locking = locking.begin().await.unwrap();
    // What is remembered of the tenant's keys counts no more, so this one is waited for.
    acme.machine(&["events:read"]).await;
    locking
        .execute("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE")
        .await
        .unwrap();
    wait_until("the key is looked up", async || {
        one::<i64>(&mut superuser, WAITS).await > 0
    })
    .await;

    let told = AtOnce::from_now();
    serving.signal("TERM");
    let last = last_block(&mut stream).await;

    println!("sent away and ended {:?} after SIGTERM", told.assert());
    assert!(
        last.retry.is_some() && last.comment.is_none(),
        "because the server stops: {last:?}"
    );
}

/// What is promised to whoever follows a process that stops.
pub(crate) struct AtOnce {
    told: Instant,
    machine: Machine,
}

impl AtOnce {
    pub(crate) fn from_now() -> Self {
        Self {
            told: Instant::now(),
            machine: Machine::watch(),
        }
    }

    /// Returns how long it took. A connection that is left open is waited for until the process ends, which is far
    /// longer than a second.
    #[track_caller]
    pub(crate) fn assert(self) -> Duration {
        let (took, stood_still) = (self.told.elapsed(), self.machine.stood_still());
        assert!(
            took < Duration::from_secs(1) + stood_still,
            "{took:?}, {stood_still:?} of which for want of a machine"
        );
        took
    }
}

#[tokio::test]
async fn a_server_that_stops_sends_away_who_still_reads_the_log() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let serving = serve(&program).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    acme.lead("First").await;
    let cursor = until_logged(&acme, 1).await;
    write_much(&acme).await;
    let mut stream = StreamReader::open(&acme.owner, &format!("?cursor={cursor}"), None).await;

    serving.signal("TERM");
    // Long enough for the server to have heard; it waits for a client that reads nothing.
    sleep(Duration::from_secs(1)).await;
    let mut events = 0;
    let mut last = None;
    while let Some(block) = stream.block().await {
        events += usize::from(block.data.is_some());
        last = Some(block);
    }

    println!("{events} of 3000 events were on their way");
    assert!(events < 3000, "the stream went on to the end of the log");
    assert!(last.unwrap().retry.is_some(), "with a word on when to come back");
}

#[tokio::test]
async fn a_head_request_follows_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;

    for _ in 0..3 {
        let head = acme.owner.request(Method::HEAD, "/api/v1/events/stream");
        let answer = head.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
    }

    wait_until("nobody follows", async || {
        figure(app.metrics_url(), "events_followers").await == 0
    })
    .await;
    // The connection serves on.
    acme.lead("Ann").await;
}

#[tokio::test]
async fn who_reads_nothing_is_let_go() {
    let app = TestApp::start_with(|config| config.http.unread_timeout = Duration::from_secs(2)).await;
    let acme = app.tenant("acme").await;
    let stream = StreamReader::open(&acme.owner, "?type=lead_created", None).await;
    assert_eq!(figure(app.metrics_url(), "events_followers").await, 1);

    write_much(&acme).await;

    wait_until("it is gone", async || {
        figure(app.metrics_url(), "events_followers").await == 0
    })
    .await;
    drop(stream);
}

#[tokio::test]
async fn no_tenant_takes_all_streams() {
    let app = TestApp::start_with(|config| {
        config.events.stream.max = 3;
        config.events.stream.max_per_tenant = 2;
    })
    .await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let one = StreamReader::open(&acme.owner, "", None).await;
    let _two = StreamReader::open(&acme.owner, "", None).await;

    let of_tenant = acme.owner.get("/api/v1/events/stream").await;
    assert_eq!(
        (of_tenant.status.as_u16(), of_tenant.problem()),
        (429, "too-many-streams".to_owned())
    );
    assert_eq!(of_tenant.header("retry-after"), Some("5"));
    let _three = StreamReader::open(&globex.owner, "", None).await;
    assert_eq!(figure(app.metrics_url(), "events_followers").await, 3);
    let of_all = globex.owner.get("/api/v1/events/stream").await;
    assert_eq!(of_all.status, 429);
    drop(one);

    // Though nothing is said to it. Who only finds out by what it says takes half a minute.
    let room = wait_until("there is room again", async || {
        acme.owner.get("/api/v1/events/stream").await.status == 200
    });
    timeout(Duration::from_secs(15), room)
        .await
        .expect("there is room soon");
}
