//! Leads written to a file in the background: what is in it, who fetches it, and what becomes of it when processes end.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::process::Program;
use support::{Client, Response, TestApp, TestDatabase, TestTenant, wait_until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{events_of, id, location, log, rows, wait_for, wait_for_end};

pub(super) async fn export(client: &Client, query: &str) -> Response {
    let request = client.request(Method::POST, &format!("/api/v1/leads/export{query}"));
    client.send(request).await
}

/// Gives the tenant so many leads.
pub(super) async fn fill(tenant: &TestTenant, leads: usize) {
    let file = format!("name,email,assignedTo\n{}", rows(0..leads, ""));
    let request = tenant.owner.request(Method::POST, "/api/v1/leads/import");
    let request = request.header("content-type", "text/csv").body(file);
    let report = tenant.owner.send(request).await.expect(200);
    assert_eq!(report["successful"], leads, "{report}");
}

async fn streamed(client: &Client, query: &str) -> String {
    let answer = client.get(&format!("/api/v1/leads/export{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    String::from_utf8(answer.body).unwrap()
}

async fn result_of(client: &Client, operation: &str) -> Response {
    client.get(&format!("{operation}/result")).await
}

pub(super) async fn file_of(client: &Client, operation: &str) -> String {
    let answer = result_of(client, operation).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    String::from_utf8(answer.body).unwrap()
}

/// Has whoever adds a part of this number wait for as long as the gate is shut.
async fn put_gate(database: &mut PgConnection, number: i32) {
    let gate = format!(
        "CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN NEW; END $$;
         CREATE TRIGGER gate BEFORE INSERT ON operation_outputs FOR EACH ROW WHEN (NEW.number = {number})
         EXECUTE FUNCTION pass()"
    );
    sqlx::raw_sql(AssertSqlSafe(gate))
        .execute(database)
        .await
        .unwrap();
}

async fn shut(database: &mut PgConnection) {
    database.execute("SELECT pg_advisory_lock(42)").await.unwrap();
}

pub(super) async fn open(database: &mut PgConnection) {
    database.execute("SELECT pg_advisory_unlock(42)").await.unwrap();
}

/// An export whose first thousand is written, and whose second waits at the gate.
pub(super) struct HeldUp {
    pub(super) operation: String,
    /// How it was then.
    pub(super) midway: Value,
    /// Who holds the gate shut.
    pub(super) gate: PgConnection,
    /// Another connection.
    pub(super) other: PgConnection,
}

impl HeldUp {
    /// Of a tenant that is given so many leads.
    pub(super) async fn of(database: &TestDatabase, tenant: &TestTenant, leads: usize) -> Self {
        fill(tenant, leads).await;
        let mut gate = database.connect(DatabaseRole::Superuser).await;
        put_gate(&mut gate, 1).await;
        shut(&mut gate).await;
        let operation = location(&export(&tenant.owner, "").await);
        let mut other = database.connect(DatabaseRole::Superuser).await;
        let midway = wait_until_at_gate(&tenant.owner, &operation, &mut other).await;
        Self {
            operation,
            midway,
            gate,
            other,
        }
    }
}

/// Waits until the first thousand is written, and the second waits at the gate.
async fn wait_until_at_gate(client: &Client, operation: &str, database: &mut PgConnection) -> Value {
    let midway = wait_for(client, operation, |operation| {
        operation["progress"]["done"] == 1_000
    })
    .await;
    wait_until_one_waits(database).await;
    midway
}

async fn wait_until_one_waits(database: &mut PgConnection) {
    wait_until("somebody is at the gate", async || {
        let waiting =
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND NOT granted";
        let waiting: i64 = sqlx::query_scalar(waiting)
            .fetch_one(&mut *database)
            .await
            .unwrap();
        waiting == 1
    })
    .await;
}

/// Leaves the tenant room for so many bytes of output: the others are kept for another export.
pub(super) async fn leave_room(database: &mut PgConnection, tenant: &TestTenant, bytes: usize) {
    let others = format!(
        "WITH other AS (
             INSERT INTO operations (tenant_id, id, kind, created_by, state, finished_at)
             VALUES ('{0}', gen_random_uuid(), 'export-leads', 'system', 'completed', now()) RETURNING id)
         INSERT INTO operation_outputs (tenant_id, id, operation_id, number, size_bytes, content)
         SELECT '{0}', gen_random_uuid(), other.id, number, ((2::bigint << 30) - {bytes}) / 2, ''
         FROM other, generate_series(0, 1) AS number",
        tenant.id
    );
    sqlx::raw_sql(AssertSqlSafe(others))
        .execute(database)
        .await
        .unwrap();
}

async fn parts(database: &mut PgConnection) -> i64 {
    let count = "SELECT count(*) FROM operation_outputs WHERE content <> ''";
    sqlx::query_scalar(count).fetch_one(database).await.unwrap()
}

#[tokio::test]
async fn the_file_of_an_export_is_what_the_streamed_one_is() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    fill(&acme, 2_500).await;
    for name in ["=cmd|' /C calc'!A0", "@SUM(A1)", "a, \"quoted\" name"] {
        acme.lead(name).await;
    }

    for (query, leads, media_type) in [
        ("", 2_503, "text/csv; charset=utf-8"),
        ("?format=ndjson", 2_503, "application/x-ndjson"),
        ("?q=quoted", 1, "text/csv; charset=utf-8"),
        ("?status=CLOSED", 0, "text/csv; charset=utf-8"),
        ("?status=CLOSED&format=ndjson", 0, "application/x-ndjson"),
    ] {
        let accepted = export(&acme.owner, query).await;
        let operation = location(&accepted);
        let end = wait_for_end(&acme.owner, &operation).await;
        let file = result_of(&acme.owner, &operation).await;
        let streamed = streamed(&acme.owner, query).await;

        assert_eq!(accepted.json()["download"], Value::Null);
        assert_eq!(
            (&end["kind"], &end["state"], &end["progress"]),
            (
                &json!("export-leads"),
                &json!("completed"),
                &json!({ "done": leads, "total": leads, "percent": 100.0 })
            ),
            "{query}: {end}"
        );
        assert_eq!(end["result"]["successful"], leads, "{end}");
        assert_eq!(end["download"]["url"], format!("{operation}/result"), "{end}");
        assert_eq!(file.status, 200, "{query}: {file:?}");
        assert_eq!(file.header("content-type"), Some(media_type));
        assert!(
            file.header("content-disposition")
                .unwrap()
                .starts_with("attachment; filename=\"leads.")
        );
        assert_eq!(file.header("content-length"), Some(&*file.body.len().to_string()));
        assert!(file.body == streamed.as_bytes(), "{query}: they differ");
        if query.is_empty() {
            assert!(
                streamed.contains("'=cmd|' /C calc'!A0") && streamed.contains("'@SUM(A1)"),
                "{streamed}"
            );
        }
    }
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    let listed = acme.owner.get("/api/v1/operations").await.expect(200);
    let last = listed["items"][0]["id"].as_str().unwrap();
    assert_eq!(
        events_of(&mut database, last).await,
        ["operation_queued", "operation_started", "operation_ended"]
    );
}

#[tokio::test]
async fn an_export_tells_how_far_it_has_come_and_stops_when_it_is_cancelled() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let HeldUp {
        operation,
        midway,
        gate: mut database,
        ..
    } = HeldUp::of(&app.database, &acme, 3_500).await;
    let too_early = result_of(&acme.owner, &operation).await;
    let cancelled = acme.owner.delete(&operation).await;
    open(&mut database).await;
    let end = wait_for_end(&acme.owner, &operation).await;
    let gone = result_of(&acme.owner, &operation).await;

    assert_eq!(
        (&midway["state"], &midway["progress"]),
        (
            &json!("running"),
            &json!({ "done": 1_000, "total": 3_500, "percent": 28.5 })
        )
    );
    assert_eq!(
        (too_early.status.as_u16(), too_early.problem().as_str()),
        (409, "result-not-ready")
    );
    assert_eq!(cancelled.status, 202);
    assert_eq!(
        (&end["state"], &end["download"]),
        (&json!("cancelled"), &Value::Null),
        "{end}"
    );
    assert_eq!(log(&end), ["begun", "asked to stop", "stopped behind row 2000"]);
    assert_eq!(
        (gone.status.as_u16(), gone.problem().as_str()),
        (410, "result-gone")
    );
    wait_until("what it had written is gone", async || {
        parts(&mut database).await == 0
    })
    .await;
}

#[tokio::test]
async fn what_a_killed_process_has_left_another_writes_to_the_end_and_each_lead_is_there_once() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database)
        .with("FAIRLEAD__JOBS__LEASE_MS", "5000")
        .with("FAIRLEAD__JOBS__SWEEP_MS", "100");
    let killed = program.serve().await.unwrap();
    let acme = TestTenant::sign_up(killed.anonymous(), "acme").await;
    let HeldUp {
        operation,
        gate: mut superuser,
        ..
    } = HeldUp::of(&database, &acme, 2_500).await;

    killed.signal("KILL");
    killed.ended().await;
    open(&mut superuser).await;
    let second = program.serve().await.unwrap();
    let acme = acme.at(&second.url);
    let end = wait_for_end(&acme.owner, &operation).await;

    assert_eq!(
        (&end["state"], &end["result"]["successful"]),
        (&json!("completed"), &json!(2_500)),
        "{end}"
    );
    assert_eq!(log(&end), ["begun", "goes on behind row 1000", "completed"]);
    let file = file_of(&acme.owner, &operation).await;
    assert!(file == streamed(&acme.owner, "").await, "they differ");
    let mut lines = sorted(&file);
    lines.dedup();
    assert_eq!(lines.len(), 2_500);
}

#[tokio::test]
async fn a_process_that_stops_ends_with_the_part_under_way() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let stopped = program.serve().await.unwrap();
    let acme = TestTenant::sign_up(stopped.anonymous(), "acme").await;
    let HeldUp {
        operation,
        gate: mut superuser,
        ..
    } = HeldUp::of(&database, &acme, 4_500).await;

    stopped.signal("TERM");
    wait_until("it has begun to stop", async || {
        stopped.log().iter().any(|line| line.contains("stopping"))
    })
    .await;
    open(&mut superuser).await;
    let ended = stopped.ended().await;
    let left: (i64, String) = sqlx::query_as(
        "SELECT o.done, j.state FROM operations AS o JOIN jobs AS j ON j.unique_key = o.id::text
         WHERE j.state <> 'completed'",
    )
    .fetch_one(&mut superuser)
    .await
    .unwrap();
    let second = program.serve().await.unwrap();
    let acme = acme.at(&second.url);
    let end = wait_for_end(&acme.owner, &operation).await;

    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(left, (2_000, "waiting".to_owned()));
    assert_eq!(end["state"], "completed", "{end}");
    assert!(
        file_of(&acme.owner, &operation).await == streamed(&acme.owner, "").await,
        "they differ"
    );
}

#[tokio::test]
async fn one_who_was_overtaken_goes_on_behind_the_part_of_the_other() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let HeldUp {
        operation,
        gate: mut database,
        ..
    } = HeldUp::of(&app.database, &acme, 3_000).await;
    let whole = streamed(&acme.owner, "").await;

    // What somebody else would do who believes to have the job: the second thousand, in other words.
    let last = whole.lines().nth(2_000).unwrap();
    let last = last.split(',').next().unwrap();
    let part = format!(
        "INSERT INTO operation_outputs (tenant_id, id, operation_id, number, size_bytes, next_time, next_id, content)
         SELECT tenant_id, gen_random_uuid(), '{}', 1, 6, created_at, id, 'others'
         FROM leads WHERE id = '{last}'",
        id(&operation)
    );
    database.execute(AssertSqlSafe(part)).await.unwrap();
    open(&mut database).await;
    let end = wait_for_end(&acme.owner, &operation).await;

    assert_eq!(end["state"], "completed", "{end}");
    let expected: String = whole
        .split_inclusive('\n')
        .enumerate()
        .filter_map(|(number, line)| match number {
            1_001 => Some("others"),
            1_002..=2_000 => None,
            _ => Some(line),
        })
        .collect();
    assert!(file_of(&acme.owner, &operation).await == expected, "they differ");
}

#[tokio::test]
async fn nobody_else_fetches_a_file() {
    let app = TestApp::start().await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    fill(&acme, 1).await;
    let (_, agent) = acme.agent("agent@acme.test", json!({})).await;
    let (reader, writer) = (
        acme.machine(&["leads:read"]).await,
        acme.machine(&["leads:write"]).await,
    );
    let operation = location(&export(&acme.owner, "").await);
    wait_for_end(&acme.owner, &operation).await;

    let asked = async |client: &Client| result_of(client, &operation).await.status.as_u16();
    assert_eq!(
        (asked(&acme.owner).await, asked(&reader).await),
        (200, 200),
        "who may export"
    );
    assert_eq!(
        (
            asked(&agent).await,
            asked(&writer).await,
            asked(&umbrella.owner).await
        ),
        (403, 403, 404)
    );
    // Whoever may import alone does not see exports, and whoever may export alone does not see imports.
    assert_eq!(writer.get(&operation).await.status, 404);
    assert_eq!(writer.delete(&operation).await.status, 404);
    let import = location(&super::import(&acme.owner, "", "name\nAnn\n").await);
    assert_eq!(
        (
            writer.get(&import).await.status,
            reader.get(&import).await.status.as_u16()
        ),
        (200.try_into().unwrap(), 404)
    );
    assert_eq!(result_of(&acme.owner, &import).await.status, 404);
}

#[tokio::test]
async fn a_file_is_kept_for_a_day_and_then_dropped() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    fill(&acme, 1_500).await;
    let mut operations = Vec::new();
    for _ in 0..3 {
        let operation = location(&export(&acme.owner, "").await);
        wait_for_end(&acme.owner, &operation).await;
        operations.push(operation);
    }
    for (operation, age) in operations
        .iter()
        .zip(["23 hours", "24 hours 30 minutes", "26 hours"])
    {
        let change = format!(
            "UPDATE operations SET finished_at = finished_at - interval '{age}' WHERE id = '{}'",
            id(operation)
        );
        database.execute(AssertSqlSafe(change)).await.unwrap();
    }

    database
        .execute("UPDATE job_schedules SET next_at = now() WHERE name = 'clear-operations'")
        .await
        .unwrap();
    // One who began to fetch the second when it could still be fetched may be at it.
    wait_until("the last one is dropped", async || {
        parts(&mut database).await == 4
    })
    .await;

    let mut statuses = Vec::new();
    for operation in &operations {
        statuses.push(result_of(&acme.owner, operation).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 410, 410]);
    let still = acme.owner.get(&operations[2]).await.expect(200);
    assert_eq!(still["result"]["successful"], 1_500, "{still}");
}

#[tokio::test]
async fn a_file_can_be_forgotten_early_and_its_room_is_free() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    fill(&acme, 3_000).await;
    let file = streamed(&acme.owner, "").await.len();
    // Room for one file, and for no second one.
    leave_room(&mut database, &acme, file + file / 2).await;
    let first = location(&export(&acme.owner, "").await);
    let end = wait_for_end(&acme.owner, &first).await;
    assert!(end["download"]["url"].is_string(), "{end}");
    let (_, viewer) = acme.user("vera@acme.test", "VIEWER").await;

    let refused = viewer.delete(&format!("{first}/result")).await;
    let forgotten = acme.owner.delete(&format!("{first}/result")).await;
    let again = acme.owner.delete(&format!("{first}/result")).await;

    assert_eq!(
        (
            refused.status.as_u16(),
            forgotten.status.as_u16(),
            again.status.as_u16()
        ),
        (403, 204, 204)
    );
    assert_eq!(parts(&mut database).await, 0);
    assert_eq!(result_of(&acme.owner, &first).await.problem(), "result-gone");
    let second = location(&export(&acme.owner, "").await);
    let end = wait_for_end(&acme.owner, &second).await;
    assert_eq!(end["state"], "completed", "{end}");
    let still = acme.owner.get(&first).await.expect(200);
    assert_eq!(still["result"]["successful"], 3_000, "{still}");
    assert!(
        still["download"].is_null(),
        "nobody is led to what is gone: {still}"
    );
    let listed = acme.owner.get("/api/v1/operations").await.expect(200);
    let links: Vec<bool> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|listed| listed["download"].is_object())
        .collect();
    assert_eq!(links[..2], [true, false], "the newest first: {listed}");
}

#[tokio::test]
async fn an_export_that_has_no_room_says_so_and_keeps_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    fill(&acme, 3_000).await;
    // Room for a first part, and for no second one.
    let room = streamed(&acme.owner, "").await.len() / 2;
    leave_room(&mut database, &acme, room).await;

    let operation = location(&export(&acme.owner, "").await);
    let end = wait_for_end(&acme.owner, &operation).await;

    assert_eq!(end["state"], "failed", "{end}");
    assert!(end["error"].as_str().unwrap().contains("bytes"), "{end}");
    assert_eq!(end["progress"]["done"], 1_000, "{end}");
    wait_until("nothing of it is kept", async || parts(&mut database).await == 0).await;
    let refused = result_of(&acme.owner, &operation).await;
    assert_eq!(
        (refused.status.as_u16(), refused.problem().as_str()),
        (410, "result-gone")
    );
}

#[tokio::test]
async fn an_export_that_had_no_room_stays_failed_when_its_process_is_killed_while_it_drops_the_parts() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database)
        .with("FAIRLEAD__JOBS__LEASE_MS", "5000")
        .with("FAIRLEAD__JOBS__SWEEP_MS", "100");
    let killed = program.serve().await.unwrap();
    let acme = TestTenant::sign_up(killed.anonymous(), "acme").await;
    fill(&acme, 3_000).await;
    let room = streamed(&acme.owner, "").await.len() / 2;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    leave_room(&mut superuser, &acme, room).await;
    let gate = "CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_advisory_xact_lock_shared(42); RETURN OLD; END $$;
                CREATE TRIGGER gate BEFORE DELETE ON operation_outputs FOR EACH ROW EXECUTE FUNCTION pass()";
    sqlx::raw_sql(gate).execute(&mut superuser).await.unwrap();
    shut(&mut superuser).await;
    let operation = location(&export(&acme.owner, "").await);
    let mut other = database.connect(DatabaseRole::Superuser).await;
    wait_until_one_waits(&mut other).await;

    let open_jobs =
        "SELECT count(*) FROM jobs WHERE kind = 'export-leads' AND state IN ('delayed', 'waiting', 'active')";
    let open_jobs: i64 = sqlx::query_scalar(open_jobs).fetch_one(&mut other).await.unwrap();
    let failed = acme.owner.get(&operation).await.expect(200);
    killed.signal("KILL");
    killed.ended().await;
    open(&mut superuser).await;
    let second = program.serve().await.unwrap();
    let acme = acme.at(&second.url);
    // What is kept longer than for a day after that goes with the chore, however far it came.
    superuser
        .execute("UPDATE operations SET finished_at = finished_at - interval '25 hours'")
        .await
        .unwrap();
    superuser
        .execute("UPDATE job_schedules SET next_at = now() WHERE name = 'clear-operations'")
        .await
        .unwrap();
    wait_until("nothing of it is kept", async || parts(&mut superuser).await == 0).await;
    let end = acme.owner.get(&operation).await.expect(200);

    assert_eq!(open_jobs, 0, "who takes it up again finds parts");
    assert_eq!(failed["state"], "failed", "{failed}");
    assert_eq!(end["state"], "failed", "{end}");
    assert_eq!(
        events_of(&mut superuser, id(&operation)).await,
        ["operation_queued", "operation_started", "operation_ended"]
    );
}

#[tokio::test]
async fn a_part_of_a_file_is_small_however_large_the_leads_are() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    fill(&acme, 600).await;
    // Each quote is two in CSV.
    database
        .execute("UPDATE leads SET custom_fields = jsonb_build_object('note', repeat('\"', 8000))")
        .await
        .unwrap();

    for query in ["", "?format=ndjson"] {
        let operation = location(&export(&acme.owner, query).await);
        let end = wait_for_end(&acme.owner, &operation).await;
        let largest = "SELECT max(size_bytes) FROM operation_outputs WHERE operation_id = $1::text::uuid";
        let largest: i32 = sqlx::query_scalar(largest)
            .bind(id(&operation))
            .fetch_one(&mut database)
            .await
            .unwrap();

        assert_eq!(
            (&end["state"], &end["result"]["successful"]),
            (&json!("completed"), &json!(600)),
            "{end}"
        );
        assert!(largest < 2 << 20, "a part has {largest} bytes");
        assert!(
            file_of(&acme.owner, &operation).await == streamed(&acme.owner, query).await,
            "they differ"
        );
    }
}

#[tokio::test]
async fn who_asks_for_the_head_of_a_file_has_none_of_it_read() {
    let database = TestDatabase::create().await;
    let server = Program::on(&database).serve().await.unwrap();
    let acme = TestTenant::sign_up(server.anonymous(), "acme").await;
    let key = acme.key(&["leads:read"]).await;
    fill(&acme, 1_500).await;
    let operation = location(&export(&acme.owner, "").await);
    wait_for_end(&acme.owner, &operation).await;
    let length = file_of(&acme.owner, &operation).await.len();
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    // Whoever reads the second part finds none, and says so.
    superuser
        .execute("UPDATE operation_outputs SET number = 7 WHERE number = 1")
        .await
        .unwrap();

    let mut connection = TcpStream::connect(server.url.trim_start_matches("http://"))
        .await
        .unwrap();
    let head = format!(
        "HEAD {operation}/result HTTP/1.1\r\nhost: fairlead\r\nx-tenant-key: {key}\r\nconnection: close\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // It is closed when the server is through with the body.
    connection.read_to_string(&mut answer).await.unwrap();

    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(
        answer.contains(&format!("content-length: {length}\r\n")),
        "{answer}"
    );
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    let read = server.log().into_iter().find(|line| line.contains("broke off"));
    assert_eq!(read, None);
}

#[tokio::test]
async fn the_same_key_is_the_same_export_and_another_query_under_it_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let begin = async |query: &str| {
        let request = acme
            .owner
            .request(Method::POST, &format!("/api/v1/leads/export{query}"));
        acme.owner
            .send(request.header("idempotency-key", "november"))
            .await
    };

    let (first, again) = (begin("").await, begin("").await);
    let other = begin("?status=NEW").await;

    assert_eq!(location(&first), location(&again));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(
        (other.status.as_u16(), other.problem().as_str()),
        (422, "idempotency-key-reused")
    );
}

/// Lines of the file, without its head, in some order that does not depend on theirs.
fn sorted(file: &str) -> Vec<&str> {
    let mut lines: Vec<_> = file.lines().skip(1).collect();
    lines.sort_unstable();
    lines
}
