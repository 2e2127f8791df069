//! `GET /events`: the log of a tenant, in the order of commits.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fairlead_telemetry::spawn;
use serde_json::{Value, json};
use sqlx::{Acquire as _, AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::{Client, TestApp, TestTenant, repetitions, wait_until};
use tokio::time::sleep;

const EVENTS: &str = "/api/v1/events";

/// Follows a log as a client does: always on from `nextCursor`.
struct Follower {
    client: Client,
    query: String,
    cursor: Option<String>,
    seen: Vec<Value>,
}

impl Follower {
    fn new(client: &Client, query: &str) -> Self {
        Self {
            client: client.clone(),
            query: query.to_owned(),
            cursor: None,
            seen: Vec::new(),
        }
    }

    /// Asks once.
    async fn ask(&mut self) -> Value {
        let cursor = self.cursor.as_ref().map(|cursor| format!("&cursor={cursor}"));
        let path = format!("{EVENTS}?{}{}", self.query, cursor.unwrap_or_default());
        let answer = self.client.get(&path).await.expect(200);
        self.cursor = Some(answer["nextCursor"].as_str().unwrap().to_owned());
        self.seen
            .extend(answer["items"].as_array().unwrap().iter().cloned());
        answer
    }

    /// Asks until as many events were seen.
    async fn until(&mut self, count: usize) {
        wait_until(&format!("{count} events are seen"), async || {
            self.ask().await;
            self.seen.len() >= count
        })
        .await;
    }

    fn of(&self, field: &str) -> Vec<&str> {
        self.seen
            .iter()
            .map(|event| event[field].as_str().unwrap())
            .collect()
    }
}

/// A transaction of the tenant, which has written nothing yet.
async fn begin(connection: &mut PgConnection, tenant: &TestTenant) {
    let begin = format!("BEGIN; SET LOCAL app.current_tenant = '{}'", tenant.id);
    connection.execute(AssertSqlSafe(begin)).await.unwrap();
}

async fn record(connection: &mut PgConnection, tenant: &TestTenant, event_type: &str) {
    let insert = format!(
        "INSERT INTO events (tenant_id, id, type, version, aggregate_type, aggregate_id, source, actor, data, occurred_at)
         VALUES ('{}', gen_random_uuid(), '{event_type}', 1, 'lead', gen_random_uuid(), 'system', 'system', '{{}}', now())",
        tenant.id
    );
    connection.execute(AssertSqlSafe(insert)).await.unwrap();
}

async fn commit(connection: &mut PgConnection) {
    connection.execute("COMMIT").await.unwrap();
}

#[tokio::test]
async fn the_log_tells_what_happened_in_the_order_it_did_and_goes_on_from_its_cursor() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lead = acme.lead("Ann").await;
    let path = format!("/api/v1/leads/{lead}");
    acme.owner
        .patch(&path, json!({ "qualityScore": 50 }))
        .await
        .expect(200);
    let mut of_lead = Follower::new(
        &acme.owner,
        &format!("limit=1&aggregateType=lead&aggregateId={lead}"),
    );

    of_lead.until(2).await;
    assert_eq!(acme.owner.delete(&path).await.status.as_u16(), 204);
    of_lead.until(3).await;
    let nothing_new = of_lead.ask().await;

    assert_eq!(
        of_lead.of("type"),
        ["lead_created", "lead_updated", "lead_deleted"]
    );
    assert_eq!(nothing_new["items"], json!([]));
    assert_eq!(nothing_new["hasMore"], false);
    let updated = &of_lead.seen[1];
    assert_eq!(updated["specversion"], "1.0");
    assert_eq!(updated["source"], "urn:fairlead:api");
    assert_eq!(updated["tenantid"], acme.id.as_str());
    assert_eq!(updated["aggregateid"], lead.as_str());
    assert_eq!(updated["actor"], format!("user:{}", acme.owner_id));
    assert_eq!(updated["data"]["qualityScore"], 50);
    assert_eq!(updated["traceparent"].as_str().unwrap().len(), 55);

    let mut all = Follower::new(&acme.owner, "limit=200");
    all.until(3 + 2).await;
    assert_eq!(all.of("type")[..2], ["tenant_created", "user_created"]);
    let created = acme
        .owner
        .get(&format!("{EVENTS}?type=lead_created"))
        .await
        .expect(200);
    assert_eq!(created["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_log_is_its_tenants_alone_and_so_is_a_cursor() {
    let app = TestApp::start().await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    acme.lead("Ann").await;
    let mut acmes = Follower::new(&acme.owner, "limit=1");
    acmes.until(1).await;
    let cursor = acmes.cursor.clone().unwrap();

    let mut umbrellas = Follower::new(&umbrella.owner, "limit=200");
    umbrellas.until(2).await;
    let refused = umbrella.owner.get(&format!("{EVENTS}?cursor={cursor}")).await;

    let tenants: BTreeSet<&str> = umbrellas.of("tenantid").into_iter().collect();
    assert_eq!(tenants, BTreeSet::from([umbrella.id.as_str()]));
    assert_eq!(
        (refused.status.as_u16(), refused.problem()),
        (400, "invalid-cursor".to_owned())
    );
    for refused in [
        "?aggregateId=01934f6e-7b1a-7cc3-98a4-0242ac120002",
        "?aggregateType=moon",
        "?type=Lead%20created",
        "?type=lead_crated",
        "?limit=201",
    ] {
        let response = acme.owner.get(&format!("{EVENTS}{refused}")).await;
        assert_eq!(response.problem(), "invalid-input", "{refused}");
    }
}

#[tokio::test]
async fn what_commits_late_is_not_skipped() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut first = app.database.connect(DatabaseRole::App).await;
    let mut second = app.database.connect(DatabaseRole::App).await;
    let mut follower = Follower::new(&acme.owner, "aggregateType=lead&limit=1");

    // The first to write commits last.
    begin(&mut first, &acme).await;
    record(&mut first, &acme, "written_first").await;
    begin(&mut second, &acme).await;
    record(&mut second, &acme, "written_second").await;
    commit(&mut second).await;
    let in_between = follower.ask().await;
    commit(&mut first).await;
    follower.until(2).await;

    assert_eq!(
        in_between["items"],
        json!([]),
        "what is behind an open transaction waits"
    );
    assert_eq!(follower.of("type"), ["written_first", "written_second"]);

    // The first to be given an id writes and commits last: perhaps upon what the second has changed.
    begin(&mut first, &acme).await;
    first.execute("SELECT pg_current_xact_id()").await.unwrap();
    begin(&mut second, &acme).await;
    record(&mut second, &acme, "of_the_second").await;
    commit(&mut second).await;
    let in_between = follower.ask().await;
    record(&mut first, &acme, "of_the_first").await;
    commit(&mut first).await;
    follower.until(4).await;

    assert_eq!(in_between["items"], json!([]));
    assert_eq!(follower.of("type")[2..], ["of_the_second", "of_the_first"]);
    assert_eq!(follower.ask().await["items"], json!([]));
    first.close().await.unwrap();
}

#[tokio::test]
async fn who_follows_while_many_write_meets_every_event_once() {
    const WRITERS: usize = 6;
    let each = repetitions(60);
    let app = TestApp::start().await;
    let acme = Arc::new(app.tenant("acme").await);
    let pool = app.database.pool(DatabaseRole::App, 6).await;
    let writing = Arc::new(AtomicUsize::new(WRITERS));
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let (acme, pool, writing) = (Arc::clone(&acme), pool.clone(), Arc::clone(&writing));
        writers.push(spawn(async move {
            for number in 0..each {
                let mut connection = pool.acquire().await.unwrap();
                let connection = connection.acquire().await.unwrap();
                begin(connection, &acme).await;
                // Some have an id long before they write, some write long before they commit, and some give up.
                if number % 3 == writer % 3 {
                    connection.execute("SELECT pg_current_xact_id()").await.unwrap();
                    sleep(Duration::from_millis(u64::try_from(number % 7).unwrap())).await;
                }
                record(connection, &acme, &format!("of_{writer}_{number}")).await;
                sleep(Duration::from_millis(
                    u64::try_from((number + writer) % 5).unwrap(),
                ))
                .await;
                if number % 10 == 9 {
                    connection.execute("ROLLBACK").await.unwrap();
                } else {
                    commit(connection).await;
                }
            }
            writing.fetch_sub(1, Ordering::SeqCst);
        }));
    }
    let mut follower = Follower::new(&acme.owner, "aggregateType=lead&limit=7");

    while writing.load(Ordering::SeqCst) > 0 {
        follower.ask().await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let committed = WRITERS * each * 9 / 10;
    follower.until(committed).await;

    let types: BTreeSet<&str> = follower.of("type").into_iter().collect();
    assert_eq!((types.len(), follower.seen.len()), (committed, committed));
    for writer in 0..WRITERS {
        let of_writer = |event_type: &&str| event_type.starts_with(&format!("of_{writer}_"));
        let number = |event_type: &str| event_type.rsplit_once('_').unwrap().1.parse::<usize>().unwrap();
        let numbers: Vec<usize> = follower
            .of("type")
            .into_iter()
            .filter(of_writer)
            .map(number)
            .collect();
        assert!(
            numbers.is_sorted(),
            "in the order of one writer's commits: {numbers:?}"
        );
    }
    println!("{committed} events of {WRITERS} writers, each met once and in order");
}
