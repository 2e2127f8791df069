//! Long work as operations: watched and cancelled (`progress`), taken over and failed (`crashes`), in turns with that of
//! others (`slices`), what becomes of files (`uploads`), limits (`limits`) and leftovers (`housekeeping`), files that are
//! written (`exports`), workers that come late (`late`), progress that is streamed (`streams`), and a process that stops with
//! all that under way (`draining`).

mod crashes;
mod draining;
mod exports;
mod housekeeping;
mod late;
mod limits;
mod progress;
mod slices;
mod streams;
mod uploads;

use std::fmt::Write as _;

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use support::{Client, Response, TestTenant, wait_until};

async fn import(client: &Client, query: &str, file: impl Into<reqwest::Body>) -> Response {
    let request = client.request(Method::POST, &format!("/api/v1/leads/import{query}"));
    let request = request
        .header("content-type", "text/csv")
        .header("prefer", "respond-async");
    client.send(request.body(file)).await
}

/// The address of an operation that was accepted.
fn location(accepted: &Response) -> String {
    accepted.expect(202);
    accepted.header("location").expect("it says where").to_owned()
}

/// Waits until an operation is as wanted, and returns it.
async fn wait_for(client: &Client, operation: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    wait_until("the operation is as wanted", async || {
        last = client.get(operation).await.expect(200);
        wanted(&last)
    })
    .await;
    last
}

async fn wait_for_end(client: &Client, operation: &str) -> Value {
    wait_for(client, operation, |operation| !operation["finishedAt"].is_null()).await
}

/// Rows of leads with the numbers of `range`; those that `agent` takes are for it.
fn rows(range: std::ops::Range<usize>, agent: &str) -> String {
    range.fold(String::new(), |mut file, number| {
        writeln!(file, "Lead {number},lead-{number}@a.example,{agent}").unwrap();
        file
    })
}

/// A file of 2,500 rows. The second thousand is for an agent, so whoever holds that agent holds the import up behind the
/// first thousand.
fn file_with_a_stop(agent: &str) -> String {
    let (before, held, after) = (
        rows(0..1_000, ""),
        rows(1_000..2_000, agent),
        rows(2_000..2_500, ""),
    );
    format!("name,email,assignedTo\n{before}{held}{after}")
}

async fn agent_of(tenant: &TestTenant) -> String {
    tenant
        .agent("agent@acme.test", json!({ "maxOpenLeads": 10_000 }))
        .await
        .0
}

/// Holds an agent until the transaction is rolled back.
async fn hold<'c>(database: &'c mut PgConnection, agent: &str) -> sqlx::Transaction<'c, sqlx::Postgres> {
    let mut held = database.begin().await.unwrap();
    let lock = format!("SELECT FROM users WHERE id = '{agent}' FOR UPDATE");
    held.execute(AssertSqlSafe(lock)).await.unwrap();
    held
}

/// Waits until so many wait for a lock.
async fn wait_until_held_up(database: &mut PgConnection, sessions: i64) {
    wait_until("imports wait for each other or for the agent", async || {
        let waiting = "SELECT count(*) FROM pg_stat_activity
                       WHERE wait_event_type = 'Lock' AND datname = current_database()";
        let waiting: i64 = sqlx::query_scalar(waiting)
            .fetch_one(&mut *database)
            .await
            .unwrap();
        waiting == sessions
    })
    .await;
}

/// Leads, different e-mail addresses of leads, and parts of files that are kept.
async fn counted(database: &mut PgConnection) -> (i64, i64, i64) {
    sqlx::query_as(
        "SELECT (SELECT count(*) FROM leads), (SELECT count(DISTINCT email) FROM leads),
                (SELECT count(*) FROM operation_inputs)",
    )
    .fetch_one(database)
    .await
    .unwrap()
}

/// A file of so many rows, none of which is good: what costs least.
fn bad_file(rows: usize) -> String {
    let mut file = String::from("name,email\n");
    file.push_str(&"A,x\n".repeat(rows));
    file
}

/// The log of an operation.
fn log(operation: &Value) -> Vec<&str> {
    let lines = operation["log"].as_array().unwrap().iter();
    lines.map(|line| line["text"].as_str().unwrap()).collect()
}

async fn wait_until_midway(client: &Client, operation: &str) -> Value {
    wait_for(client, operation, |operation| {
        operation["progress"]["done"] == 1_000
    })
    .await
}

/// The types of the events of an operation, in their order.
async fn events_of(database: &mut PgConnection, operation: &str) -> Vec<String> {
    let of = "SELECT type FROM events WHERE aggregate_type = 'operation' AND aggregate_id = $1::text::uuid
              ORDER BY xid, position";
    sqlx::query_scalar(of)
        .bind(id(operation))
        .fetch_all(database)
        .await
        .unwrap()
}

fn id(location: &str) -> &str {
    location.rsplit('/').next().unwrap()
}

/// Has whatever moves an operation on do something else besides; `body` is PL/pgSQL.
async fn meddle(database: &mut PgConnection, body: &str) {
    let trigger = format!(
        "CREATE SEQUENCE parts; GRANT ALL ON SEQUENCE parts TO PUBLIC;
         CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN NEW; END $$;
         CREATE TRIGGER meddle BEFORE UPDATE OF done ON operations FOR EACH ROW EXECUTE FUNCTION meddle()"
    );
    sqlx::raw_sql(AssertSqlSafe(trigger))
        .execute(database)
        .await
        .unwrap();
}
