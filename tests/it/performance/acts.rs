//! What is done to the database, held against the catalog: what stays, what is taken back, and what is left when whoever
//! was at it is killed.

use fairlead_telemetry::spawn;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::pair::operator;
use support::process::{Program, Serving};
use support::{Client, TestDatabase, TestTenant, wait_until};

use super::indexing::{ask_for_sources, many_leads};

const OPTIMIZE: &str = "/api/v1/performance/database/optimize-table";
const INDEXES: &str = "/api/v1/performance/database/indexes";
pub(super) const ACTS: &str = "/api/v1/performance/acts";

struct Installed {
    database: TestDatabase,
    program: Program,
    serving: Serving,
    operator: Client,
    acme: TestTenant,
    superuser: PgConnection,
}

impl Installed {
    /// Judges indexes after so long.
    async fn with_watch(milliseconds: &str) -> Self {
        let database = TestDatabase::create().await;
        let program = Program::on(&database)
            .with("FAIRLEAD__CACHE__RESPONSES__ENABLED", "false")
            .with("FAIRLEAD__PERFORMANCE__ACTS__WATCH_MS", milliseconds)
            .with("FAIRLEAD__JOBS__LEASE_MS", "5000")
            .with("FAIRLEAD__JOBS__SWEEP_MS", "100");
        let serving = program.serve().await.unwrap();
        let operator = operator(&program, &serving).await;
        let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
        let superuser = database.connect(DatabaseRole::Superuser).await;
        Self {
            database,
            program,
            serving,
            operator,
            acme,
            superuser,
        }
    }

    /// Many leads, and no index by which their source is found.
    async fn with_leads(&mut self) {
        let leads = many_leads(&self.acme.id);
        self.superuser.execute(AssertSqlSafe(leads)).await.unwrap();
        self.superuser
            .execute("DROP INDEX idx_leads_source_status")
            .await
            .unwrap();
    }

    async fn build(&self, columns: &[&str]) -> Value {
        let body = json!({ "table": "leads", "columns": columns });
        self.operator.post(INDEXES, body).await.expect(202)
    }
}

async fn state_of(operator: &Client, act: &Value) -> Value {
    let id = act["id"].as_str().unwrap();
    operator.get(&format!("{ACTS}/{id}")).await.expect(200)
}

async fn wait_until_over(operator: &Client, act: &Value) -> Value {
    wait_until("the act is over", async || {
        state_of(operator, act).await["endedAt"].is_string()
    })
    .await;
    state_of(operator, act).await
}

async fn indexes(database: &mut PgConnection) -> Vec<String> {
    let all = "SELECT i.relname::text FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
               WHERE x.indrelid = 'leads'::regclass ORDER BY 1";
    sqlx::query_scalar(all).fetch_all(database).await.unwrap()
}

async fn maintainers(database: &mut PgConnection) -> i64 {
    let all = "SELECT count(*) FROM pg_stat_activity
               WHERE application_name = 'fairlead-maintenance' AND datname = current_database()";
    sqlx::query_scalar(all).fetch_one(database).await.unwrap()
}

pub(super) fn figure(act: &Value, when: &str, name: &str) -> f64 {
    act[when][name]
        .as_f64()
        .unwrap_or_else(|| panic!("no {name} {when} in {act:#}"))
}

#[tokio::test]
async fn a_table_is_vacuumed_and_the_ledger_tells_what_came_of_it() {
    let mut at = Installed::with_watch("0").await;
    let make = format!(
        "ALTER TABLE leads SET (autovacuum_enabled = false);
         INSERT INTO leads (tenant_id, id, name, status, created_at, updated_at)
         SELECT '{}', gen_random_uuid(), 'Lead ' || n, 'NEW', now(), now() FROM generate_series(1, 20000) AS n;
         DELETE FROM leads WHERE name ~ '[02468]$';
         SELECT pg_stat_force_next_flush()",
        at.acme.id
    );
    at.superuser.execute(AssertSqlSafe(make)).await.unwrap();
    let dry = at
        .operator
        .post("/api/v1/performance/optimize", json!({}))
        .await
        .expect(200);
    let found = &dry["proposals"][0];
    assert_eq!(
        (
            &found["kind"],
            &found["subject"],
            &found["guard"],
            &found["actId"]
        ),
        (&json!("vacuum"), &json!("leads"), &Value::Null, &Value::Null),
        "{dry:#}"
    );
    assert_eq!(found["why"], "50 % of its rows are dead, it was never analyzed");
    assert_eq!(
        at.operator.get(ACTS).await.expect(200)["items"],
        json!([]),
        "nothing was asked for"
    );

    let told = at.operator.post(&format!("{OPTIMIZE}/leads"), json!({})).await;
    let act = told.expect(202);
    assert_eq!(
        told.header("location"),
        Some(&*format!("{ACTS}/{}", act["id"].as_str().unwrap()))
    );
    let end = wait_until_over(&at.operator, &act).await;

    assert_eq!(
        (&end["state"], &end["askedBy"], &end["why"], &end["progress"]),
        (&json!("done"), &json!("test"), &found["why"], &Value::Null),
        "{end:#}"
    );
    let dead = (
        figure(&end, "before", "deadRows"),
        figure(&end, "after", "deadRows"),
    );
    assert_eq!(dead, (10_000.0, 0.0), "{end:#}");
    assert!(
        end["outcome"]
            .as_str()
            .unwrap()
            .starts_with("10000 rows were dead, and 0 are")
    );
    let listed = at
        .operator
        .get(&format!("{ACTS}?isOver=true&kind=vacuum"))
        .await
        .expect(200);
    assert_eq!(listed["items"], json!([end]));
    let vacuumed =
        "SELECT vacuum_count, analyze_count, n_dead_tup FROM pg_stat_user_tables WHERE relname = 'leads'";
    let counted: (i64, i64, i64) = sqlx::query_as(vacuumed)
        .fetch_one(&mut at.superuser)
        .await
        .unwrap();
    assert_eq!(counted, (1, 1, 0));
    let audited = "SELECT count(*) FROM audit_log WHERE action = 'act_asked' AND actor = 'operator:test'";
    let audited: i64 = sqlx::query_scalar(audited)
        .fetch_one(&mut at.superuser)
        .await
        .unwrap();
    assert_eq!(audited, 1);
    let again = at
        .operator
        .post("/api/v1/performance/optimize", json!({ "apply": true }))
        .await
        .expect(200);
    let subjects: Vec<&Value> = again["proposals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| &of["subject"])
        .collect();
    assert!(!subjects.contains(&&json!("leads")), "{again:#}");
}

#[tokio::test]
async fn operators_alone_ask_for_acts_and_for_what_there_is() {
    let at = Installed::with_watch("0").await;
    let act = at
        .operator
        .post(&format!("{OPTIMIZE}/users"), json!({}))
        .await
        .expect(202);
    wait_until_over(&at.operator, &act).await;
    for name in ["pg_class", "nothing", "leads;--", "events_default"] {
        let refused = at.operator.post(&format!("{OPTIMIZE}/{name}"), json!({})).await;
        assert_eq!(refused.status, 404, "{name}");
    }
    for (refused, status) in [
        (
            at.acme.owner.post(&format!("{OPTIMIZE}/leads"), json!({})).await,
            403,
        ),
        (at.acme.owner.get(ACTS).await, 403),
        (
            at.operator
                .delete(&format!("{ACTS}/{}", act["id"].as_str().unwrap()))
                .await,
            409,
        ),
        (at.operator.delete(&format!("{ACTS}/{}", at.acme.id)).await, 404),
    ] {
        assert_eq!(refused.status.as_u16(), status, "{refused:?}");
    }
}

#[tokio::test]
async fn of_one_table_one_vacuum_is_under_way_and_it_can_be_cancelled() {
    let mut at = Installed::with_watch("0").await;
    let mut blocker = at.database.connect(DatabaseRole::Superuser).await;
    let lock = "BEGIN; LOCK TABLE leads IN SHARE UPDATE EXCLUSIVE MODE";
    blocker.execute(lock).await.unwrap();

    let first = at
        .operator
        .post(&format!("{OPTIMIZE}/leads"), json!({}))
        .await
        .expect(202);
    wait_until("it waits for the table", async || {
        state_of(&at.operator, &first).await["state"] == "running"
    })
    .await;
    let second = at
        .operator
        .post(&format!("{OPTIMIZE}/leads"), json!({}))
        .await
        .expect(202);
    // Others wait for their turn.
    let other = at
        .operator
        .post(&format!("{OPTIMIZE}/users"), json!({}))
        .await
        .expect(202);
    let id = first["id"].as_str().unwrap();
    let cancelled = at.operator.delete(&format!("{ACTS}/{id}")).await.expect(200);
    let end = wait_until_over(&at.operator, &other).await;

    assert_eq!(second["id"], first["id"]);
    assert_eq!(
        (&cancelled["state"], &cancelled["outcome"]),
        (&json!("cancelled"), &json!("test has cancelled it"))
    );
    assert_eq!(end["state"], "done", "{end:#}");
    blocker.close().await.unwrap();
    wait_until("nobody is at it any more", async || {
        maintainers(&mut at.superuser).await == 0
    })
    .await;
    let vacuumed = "SELECT vacuum_count FROM pg_stat_user_tables WHERE relname = 'leads'";
    let vacuumed: i64 = sqlx::query_scalar(vacuumed)
        .fetch_one(&mut at.superuser)
        .await
        .unwrap();
    assert_eq!(vacuumed, 0);
    assert_eq!(state_of(&at.operator, &first).await["state"], "cancelled");
}

#[tokio::test]
async fn an_index_that_pays_is_built_and_kept() {
    let mut at = Installed::with_watch("3000").await;
    at.with_leads().await;
    ask_for_sources(&at.acme.owner, 600).await;
    let before = indexes(&mut at.superuser).await;
    let suggested = at
        .operator
        .get("/api/v1/performance/database/index-suggestions")
        .await
        .expect(200);
    let name = suggested["items"][0]["name"].as_str().unwrap();

    let act = at
        .operator
        .post(INDEXES, json!({ "name": name }))
        .await
        .expect(202);
    let client = at.acme.owner.clone();
    let asking =
        spawn(async move { while client.get("/api/v1/leads?source=source%207").await.status == 200 {} });
    let end = wait_until_over(&at.operator, &act).await;
    asking.abort();

    assert_eq!(
        (&end["state"], &end["subject"]),
        (&json!("done"), &json!(name)),
        "{end:#}"
    );
    let (slow, fast) = (
        figure(&end, "before", "readMeanMs"),
        figure(&end, "after", "readMeanMs"),
    );
    assert!(
        fast < slow / 2.0 && figure(&end, "after", "readCalls") >= 20.0,
        "{end:#}"
    );
    assert!(
        figure(&end, "after", "plannedCost") < figure(&end, "before", "plannedCost"),
        "{end:#}"
    );
    assert!(figure(&end, "after", "indexScans") > 0.0 && figure(&end, "after", "indexBytes") > 0.0);
    let told = format!("its statements took {fast:.2} ms instead of {slow:.2} ms");
    assert_eq!(end["outcome"], json!(told));
    println!("{end:#}");
    let added: Vec<String> = indexes(&mut at.superuser)
        .await
        .into_iter()
        .filter(|of| !before.contains(of))
        .collect();
    assert_eq!(added, [name]);
    let gone = at.operator.post(INDEXES, json!({ "name": name })).await;
    assert_eq!(gone.status, 422, "it is not suggested any more: {gone:?}");
}

#[tokio::test]
async fn ten_indexes_that_do_not_pay_are_taken_back() {
    let mut at = Installed::with_watch("0").await;
    at.with_leads().await;
    ask_for_sources(&at.acme.owner, 30).await;
    let before = indexes(&mut at.superuser).await;

    for columns in [
        vec!["company"],
        vec!["tenant_id", "company"],
        vec!["updated_at"],
        vec!["name", "tenant_id"],
        vec!["tenant_id", "name"],
        vec!["tenant_id", "-updated_at", "name"],
        vec!["id", "name"],
        vec!["status", "tenant_id"],
        vec!["tenant_id", "email"],
        vec!["tenant_id", "version"],
    ] {
        let act = at.build(&columns).await;
        let end = wait_until_over(&at.operator, &act).await;
        assert_eq!(end["state"], "reverted", "{columns:?}: {end:#}");
        println!("{columns:?}: {}", end["outcome"]);
        assert!(figure(&end, "after", "plannedCost") > 0.7 * figure(&end, "before", "plannedCost"));
    }
    assert_eq!(indexes(&mut at.superuser).await, before);

    for (body, pointer) in [
        (json!({}), "/name"),
        (json!({ "name": "idx_nothing" }), "/name"),
        (
            json!({ "name": "x", "table": "leads", "columns": ["id"] }),
            "/name",
        ),
        (json!({ "table": "nothing", "columns": ["id"] }), "/table"),
        (json!({ "table": "leads", "columns": [] }), "/columns"),
        (json!({ "table": "leads", "columns": ["nothing"] }), "/columns"),
        (
            json!({ "table": "leads", "columns": ["id); DROP TABLE leads; --"] }),
            "/columns",
        ),
        (json!({ "table": "leads", "columns": ["id", "-id"] }), "/columns"),
    ] {
        let refused = at.operator.post(INDEXES, body.clone()).await;
        assert_eq!(refused.status, 422, "{body}: {refused:?}");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    let unread = json!({ "table": "webhooks", "columns": ["id"] });
    let refused = at.operator.post(INDEXES, unread).await;
    assert_eq!(
        (refused.status.as_u16(), refused.problem().as_str()),
        (409, "not-measured")
    );
}

/// Begins to build an index, and holds it up behind a transaction that stays open.
async fn held_up(at: &mut Installed) -> (Value, PgConnection) {
    at.with_leads().await;
    ask_for_sources(&at.acme.owner, 30).await;
    let mut blocker = at.database.connect(DatabaseRole::Superuser).await;
    let open = "BEGIN; UPDATE leads SET company = 'x' WHERE id = (SELECT id FROM leads LIMIT 1)";
    blocker.execute(open).await.unwrap();
    let act = at.build(&["tenant_id", "source"]).await;
    wait_until("it waits for the transaction", async || {
        let phase = state_of(&at.operator, &act).await["progress"]["phase"].clone();
        phase
            .as_str()
            .is_some_and(|phase| phase.starts_with("waiting for"))
    })
    .await;
    (act, blocker)
}

#[tokio::test]
async fn while_an_index_is_built_others_write_and_what_is_cancelled_leaves_nothing() {
    let mut at = Installed::with_watch("0").await;
    let before = {
        let mut all = indexes(&mut at.superuser).await;
        all.retain(|name| name != "idx_leads_source_status");
        all
    };
    let (act, blocker) = held_up(&mut at).await;

    // The transaction that holds it up holds up nobody else.
    let lead = at.acme.lead("Ann").await;
    at.acme
        .owner
        .patch(&format!("/api/v1/leads/{lead}"), json!({ "company": "Acme" }))
        .await
        .expect(200);
    let id = act["id"].as_str().unwrap();
    at.operator.delete(&format!("{ACTS}/{id}")).await.expect(200);
    // The same again is another act, which has an index of its own.
    let again = at.build(&["tenant_id", "source"]).await;
    assert_ne!(again["id"], act["id"]);
    // To drop what is half built waits for it as well.
    blocker.close().await.unwrap();
    let end = wait_until_over(&at.operator, &again).await;
    assert_eq!(
        (&end["state"], &end["subject"]),
        (&json!("done"), &act["subject"]),
        "{end:#}"
    );
    let name = end["subject"].as_str().unwrap();
    wait_until("nothing else is left", async || {
        let mut left = indexes(&mut at.superuser).await;
        left.retain(|left| !before.contains(left));
        left == [name] && maintainers(&mut at.superuser).await == 0
    })
    .await;
    assert_eq!(state_of(&at.operator, &act).await["state"], "cancelled");
    // What is said of it makes it elsewhere.
    let mut owner = at.database.connect(DatabaseRole::Owner).await;
    let run = |text: &Value| AssertSqlSafe(text.as_str().unwrap().to_owned());
    owner.execute(run(&end["migration"]["down"])).await.unwrap();
    assert_eq!(indexes(&mut at.superuser).await, before);
    owner.execute(run(&end["migration"]["up"])).await.unwrap();
    assert!(indexes(&mut at.superuser).await.iter().any(|there| there == name));
}

#[tokio::test]
async fn an_index_that_was_there_stays_whatever_becomes_of_the_act() {
    let mut at = Installed::with_watch("0").await;
    at.with_leads().await;
    ask_for_sources(&at.acme.owner, 30).await;
    let act = at.build(&["tenant_id", "company"]).await;
    let name = act["subject"].as_str().unwrap().to_owned();
    assert_eq!(wait_until_over(&at.operator, &act).await["state"], "reverted");
    let make = format!("CREATE INDEX {name} ON leads (tenant_id, company)");
    at.superuser.execute(AssertSqlSafe(make)).await.unwrap();

    let there = at.build(&["tenant_id", "company"]).await;
    let there = wait_until_over(&at.operator, &there).await;
    let spoil = format!("UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass");
    at.superuser.execute(AssertSqlSafe(spoil)).await.unwrap();
    let invalid = at.build(&["tenant_id", "company"]).await;
    let invalid = wait_until_over(&at.operator, &invalid).await;

    assert_eq!(
        (&there["state"], &there["outcome"], &there["migration"]),
        (
            &json!("done"),
            &json!("there is an index of this name"),
            &Value::Null
        )
    );
    assert_eq!(invalid["state"], "failed", "{invalid:#}");
    assert!(
        invalid["outcome"]
            .as_str()
            .unwrap()
            .contains("is not valid: drop it"),
        "{invalid:#}"
    );
    assert!(indexes(&mut at.superuser).await.contains(&name));
}

#[tokio::test]
async fn what_others_lock_is_not_waited_for_without_end() {
    let at = Installed::with_watch("0").await;
    let program = at.program.with("FAIRLEAD__JOBS__MAINTENANCE__ATTEMPTS", "1");
    at.serving.signal("TERM");
    at.serving.ended().await;
    let serving = program.serve().await.unwrap();
    let operator = at.operator.at(&serving.url);
    let mut blocker = at.database.connect(DatabaseRole::Superuser).await;
    let lock = "BEGIN; LOCK TABLE leads IN SHARE UPDATE EXCLUSIVE MODE";
    blocker.execute(lock).await.unwrap();

    let act = operator
        .post(&format!("{OPTIMIZE}/leads"), json!({}))
        .await
        .expect(202);
    let end = wait_until_over(&operator, &act).await;

    assert_eq!(end["state"], "failed", "{end:#}");
    assert!(
        end["outcome"]
            .as_str()
            .unwrap()
            .starts_with("somebody has the table locked"),
        "{end:#}"
    );
    blocker.close().await.unwrap();
}

#[tokio::test]
async fn what_a_killed_process_has_left_half_built_another_builds_and_judges() {
    let mut at = Installed::with_watch("0").await;
    let (act, blocker) = held_up(&mut at).await;

    at.serving.signal("KILL");
    at.serving.ended().await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE application_name = 'fairlead-maintenance' AND datname = current_database()";
    at.superuser.execute(end).await.unwrap();
    let invalid = "SELECT count(*) FROM pg_index WHERE indrelid = 'leads'::regclass AND NOT indisvalid";
    let left: i64 = sqlx::query_scalar(invalid)
        .fetch_one(&mut at.superuser)
        .await
        .unwrap();
    assert_eq!(left, 1, "it is half built");
    blocker.close().await.unwrap();
    let second = at.program.serve().await.unwrap();
    let operator = at.operator.at(&second.url);
    let end = wait_until_over(&operator, &act).await;

    assert_eq!(end["state"], "done", "{end:#}");
    let left: i64 = sqlx::query_scalar(invalid)
        .fetch_one(&mut at.superuser)
        .await
        .unwrap();
    assert_eq!(left, 0);
    let name = end["subject"].as_str().unwrap().to_owned();
    assert!(indexes(&mut at.superuser).await.contains(&name));
}

#[tokio::test]
async fn what_is_paused_waits_and_what_is_scheduled_is_asked_for() {
    let mut at = Installed::with_watch("0").await;
    let make = format!(
        "ALTER TABLE leads SET (autovacuum_enabled = false);
         INSERT INTO leads (tenant_id, id, name, status, created_at, updated_at)
         SELECT '{}', gen_random_uuid(), 'Lead ' || n, 'NEW', now(), now() FROM generate_series(1, 2000) AS n;
         SELECT pg_stat_force_next_flush()",
        at.acme.id
    );
    at.superuser.execute(AssertSqlSafe(make)).await.unwrap();
    let pause = json!({ "reason": "not today", "kind": "act" });
    at.operator
        .post("/api/v1/performance/jobs/maintenance/pause", pause)
        .await
        .expect(200);
    let schedule =
        json!({ "name": "upkeep", "queue": "maintenance", "kind": "upkeep", "cron": "* * * * * *" });
    at.operator
        .post("/api/v1/performance/jobs/schedule", schedule)
        .await
        .expect(200);
    let mut act = Value::Null;
    wait_until("it is asked for", async || {
        let listed = at.operator.get(&format!("{ACTS}?isOver=false")).await.expect(200);
        act = listed["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|act| act["subject"] == "leads")
            .cloned()
            .unwrap_or_default();
        !act.is_null()
    })
    .await;
    assert_eq!(
        (&act["askedBy"], &act["why"]),
        (&json!("the schedule upkeep"), &json!("it was never analyzed"))
    );
    // The schedule asks each second, and for the same thing once.
    let asked = "SELECT count(*) FROM jobs WHERE kind = 'upkeep' AND state = 'completed'";
    wait_until("it is asked for again", async || {
        let asked: i64 = sqlx::query_scalar(asked)
            .fetch_one(&mut at.superuser)
            .await
            .unwrap();
        asked >= 3
    })
    .await;
    assert_eq!(state_of(&at.operator, &act).await["state"], "waiting");
    let listed = at.operator.get(&format!("{ACTS}?isOver=false")).await.expect(200);
    let same = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|act| act["subject"] == "leads")
        .count();
    assert_eq!(same, 1, "{listed:#}");

    at.operator
        .post("/api/v1/performance/jobs/maintenance/resume?kind=act", json!({}))
        .await
        .expect(200);
    let end = wait_until_over(&at.operator, &act).await;
    assert_eq!(end["state"], "done", "{end:#}");
}
