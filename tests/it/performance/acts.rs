//! What is done to the database, and the ledger of it, held against the catalog.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::pair::operator;
use support::process::{Program, Serving};
use support::{Client, TestDatabase, TestTenant, wait_until};

const OPTIMIZE: &str = "/api/v1/performance/database/optimize-table";
pub(super) const ACTS: &str = "/api/v1/performance/acts";

pub(super) struct Installed {
    pub(super) database: TestDatabase,
    pub(super) program: Program,
    pub(super) serving: Serving,
    pub(super) operator: Client,
    pub(super) acme: TestTenant,
    pub(super) superuser: PgConnection,
}

impl Installed {
    /// Judges indexes after so long.
    pub(super) async fn with_watch(milliseconds: &str) -> Self {
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
}

pub(super) async fn state_of(operator: &Client, act: &Value) -> Value {
    let id = act["id"].as_str().unwrap();
    operator.get(&format!("{ACTS}/{id}")).await.expect(200)
}

pub(super) async fn wait_until_over(operator: &Client, act: &Value) -> Value {
    wait_until("the act is over", async || {
        state_of(operator, act).await["endedAt"].is_string()
    })
    .await;
    state_of(operator, act).await
}

pub(super) async fn maintainers(database: &mut PgConnection) -> i64 {
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
