//! What is done about events: once for each, whatever fails in between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fairlead_domain::events::{EventLog as _, EventsMonitor as _};
use sqlx::{Connection as _, Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::process::{Program, Serving};
use support::{Client, TestApp, TestDatabase, TestTenant, wait_until};
use tokio::time::Instant;

use super::beside::{Beside, Moody, record};

/// How often each type was counted, of all days.
async fn counted(client: &Client) -> BTreeMap<String, u64> {
    let usage = client.get("/api/v1/usage/days").await.expect(200);
    let mut counts = BTreeMap::new();
    for item in usage["items"].as_array().unwrap() {
        let name = format!(
            "{} {}",
            item["type"].as_str().unwrap(),
            item["source"].as_str().unwrap()
        );
        *counts.entry(name).or_default() += item["events"].as_u64().unwrap();
    }
    counts
}

async fn until_counted(client: &Client, name: &str, count: u64) {
    wait_until(&format!("{count} {name} are counted"), async || {
        counted(client).await.get(name) == Some(&count)
    })
    .await;
}

pub(super) async fn one<T>(database: &mut PgConnection, sql: &'static str) -> T
where
    T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    sqlx::query_scalar(sql).fetch_one(database).await.unwrap()
}

pub(super) const EVENTS: &str = "SELECT count(*) FROM events";
pub(super) const COUNTED: &str = "SELECT COALESCE(sum(events), 0)::bigint FROM usage_by_day";

#[tokio::test]
async fn what_is_done_in_a_tenant_is_counted_by_day_type_and_source() {
    let app = TestApp::start().await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    for name in ["Ann", "Bob", "Cid"] {
        acme.lead(name).await;
    }
    let import = acme.owner.request(reqwest::Method::POST, "/api/v1/leads/import");
    let import = import.header("content-type", "text/csv").body("name\nDee\nEve\n");
    acme.owner.send(import).await.expect(200);
    umbrella.lead("Fay").await;

    until_counted(&acme.owner, "lead_created api", 3).await;
    until_counted(&acme.owner, "lead_created import", 2).await;
    until_counted(&umbrella.owner, "lead_created api", 1).await;

    let usage = umbrella.owner.get("/api/v1/usage/days?days=1").await.expect(200);
    let item = &usage["items"][0];
    assert_eq!(item["day"].as_str().unwrap().len(), 10);
    let refused = acme.owner.get("/api/v1/usage/days?days=0").await;
    assert_eq!(refused.problem(), "invalid-input");
}

#[tokio::test]
async fn an_event_that_comes_again_is_not_handled_again() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for number in 0..20 {
        acme.lead(&format!("Lead {number}")).await;
    }
    until_counted(&acme.owner, "lead_created api", 20).await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let (events, before): (i64, i64) = (
        one(&mut superuser, EVENTS).await,
        one(&mut superuser, COUNTED).await,
    );

    // As after a crash between the work and the note of how far it came.
    superuser
        .execute("UPDATE event_readers SET xid = '0', position = 0")
        .await
        .unwrap();
    acme.lead("One more").await;
    until_counted(&acme.owner, "lead_created api", 21).await;
    wait_until("the log was read to its end again", async || {
        let caught_up = "SELECT (xid, position) = (SELECT xid, position FROM events ORDER BY xid DESC, position DESC LIMIT 1)
                         FROM event_readers";
        one::<bool>(&mut superuser, caught_up).await
    })
    .await;

    assert_eq!(before, events);
    assert_eq!(one::<i64>(&mut superuser, COUNTED).await, events + 1);
    let duplicates = figure(app.metrics_url(), "events_duplicates_total").await;
    let events = u64::try_from(events).unwrap();
    assert!(duplicates >= events, "{duplicates} of {events}");
    println!("{events} events came again: {duplicates} duplicates absorbed");
}

pub(super) async fn serve(program: &Program) -> Serving {
    program.serve().await.unwrap_or_else(|ended| panic!("{ended:?}"))
}

/// The figure of a series without labels; 0 where there is none.
pub(super) async fn figure(metrics_url: String, name: &str) -> u64 {
    let page = reqwest::get(metrics_url).await.unwrap().text().await.unwrap();
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.map_or(0, |figure| figure.parse().unwrap())
}

/// Whether a server says that it leads.
pub(super) async fn leads(serving: &Serving) -> bool {
    figure(serving.metrics_url(), "events_leader").await == 1
}

#[tokio::test]
async fn one_process_reads_and_another_takes_over_when_it_is_killed() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let mut servers = vec![serve(&program).await];
    wait_until("the first leads", async || leads(&servers[0]).await).await;
    servers.push(serve(&program).await);
    let acme = TestTenant::sign_up(servers[0].anonymous(), "acme").await;
    acme.lead("Ann").await;
    // Written by the one that does not read.
    acme.at(&servers[1].url).lead("Bob").await;
    until_counted(&acme.owner, "lead_created api", 2).await;
    assert!(!leads(&servers[1]).await, "two lead at once");

    let killed = servers.remove(0);
    killed.signal("KILL");
    let killed_at = Instant::now();
    wait_until("the other leads", async || leads(&servers[0]).await).await;
    let took = killed_at.elapsed();
    let acme = acme.at(&servers[0].url);
    acme.lead("Cid").await;
    until_counted(&acme.owner, "lead_created api", 3).await;

    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    assert_eq!(
        one::<i64>(&mut superuser, COUNTED).await,
        one::<i64>(&mut superuser, EVENTS).await
    );
    println!("the other process led {} ms after the kill", took.as_millis());
    assert!(
        took < Duration::from_secs(15),
        "{took:?}; it should be 5 s where little else runs"
    );
}

#[tokio::test]
async fn an_event_that_cannot_be_handled_is_put_aside_and_the_others_are_handled_once() {
    let database = TestDatabase::create().await;
    let types = [
        "test_first",
        "test_never",
        "test_panic",
        "unwanted",
        "test_later",
        "test_always_later",
        "test_last",
    ];
    record(&database, &types).await;
    let moody = Arc::new(Moody::default());

    let beside = Beside::start(&database, Arc::clone(&moody), None).await;

    wait_until("the last is handled", async || {
        moody.handled().contains(&"test_last".to_owned())
    })
    .await;
    assert_eq!(moody.handled(), ["test_first", "test_later", "test_last"]);
    // Once with all others, and then each alone.
    assert_eq!(moody.attempts("test_never"), 1 + 1);
    assert_eq!(moody.attempts("test_always_later"), 5);
    assert_eq!(moody.attempts("unwanted"), 0);
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let inbox = "SELECT string_agg(e.type || ': ' || COALESCE(i.fault, 'done'), '; ' ORDER BY e.position)
                 FROM inbox i JOIN events e USING (tenant_id, id) WHERE i.consumer = 'moody'";
    assert_eq!(
        one::<String>(&mut superuser, inbox).await,
        "test_first: done; test_never: the event cannot be handled: it is not to be; \
         test_panic: the event cannot be handled: the consumer panicked; the log says where; test_later: done; \
         test_always_later: the event could not be handled now: still not; test_last: done"
    );
    let traces = "SELECT count(*) FROM inbox WHERE consumer = 'a trace of moody'";
    assert_eq!(
        one::<i64>(&mut superuser, traces).await,
        3,
        "what failed has left nothing"
    );
    assert_eq!(beside.worker.report().put_aside, 3);
}

#[tokio::test]
async fn who_holds_up_the_readers_is_named() {
    let database = TestDatabase::create().await;
    let beside = Beside::start(&database, Arc::new(Moody::default()), None).await;
    let url = format!(
        "{}&application_name=slow-import",
        database.url(DatabaseRole::Superuser) + "?"
    );
    let mut slow = PgConnection::connect(&url).await.unwrap();
    slow.execute("BEGIN; SELECT pg_current_xact_id()").await.unwrap();
    record(&database, &["test_behind"]).await;

    let mut named = None;
    wait_until("the holder is named", async || {
        let backlogs = beside.log.backlogs().await.unwrap();
        named = backlogs.into_iter().find_map(|backlog| backlog.holder);
        // Others that are open for as long, on this server, come first if they are older.
        named
            .as_ref()
            .is_some_and(|holder| holder.application == "slow-import")
    })
    .await;
    slow.execute("COMMIT").await.unwrap();

    assert!(named.unwrap().open_for >= Duration::from_secs(5));
    wait_until("nothing waits", async || {
        beside
            .log
            .backlogs()
            .await
            .unwrap()
            .iter()
            .all(|backlog| backlog.events == 0)
    })
    .await;
}
