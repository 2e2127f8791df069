//! Processes that do a part of the work each.

use std::fs;

use serde_json::json;
use sqlx::PgConnection;
use support::database::DatabaseRole;
use support::process::{Program, Serving};
use support::{TestDatabase, TestTenant, wait_until};

async fn serve(program: &Program, roles: &str) -> Serving {
    let program = program.clone().with("FAIRLEAD__ROLES", roles);
    program.serve().await.unwrap_or_else(|ended| panic!("{ended:?}"))
}

async fn one(database: &mut PgConnection, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(database).await.unwrap()
}

async fn roles(serving: &Serving) -> serde_json::Value {
    serving.anonymous().get("/health/ready").await.expect(200)["roles"].clone()
}

/// What jobs say who has done them.
fn worker_name(serving: &Serving) -> String {
    serving.url.replace("http://", " at ")
}

const CLAIMED: &str = "SELECT count(*) FROM jobs WHERE fence > 0";
const SCHEDULES: &str = "SELECT count(*) FROM job_schedules";
const HANDLED: &str = "SELECT count(*) FROM usage_by_day";
const LEADERS: &str = "
    SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND application_name = 'fairlead-events' AND datname = current_database()";

#[tokio::test]
async fn each_part_of_the_work_is_done_by_the_process_that_has_the_role_and_waits_without() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let mut superuser = database.connect(DatabaseRole::Superuser).await;

    // Requests are answered, and all that follows from them waits.
    let api = serve(&program, "api").await;
    assert_eq!(roles(&api).await, json!(["api"]));
    let acme = TestTenant::sign_up(api.anonymous(), "acme").await;
    acme.lead("Ann").await;
    let export = acme
        .owner
        .post("/api/v1/leads/export", json!({}))
        .await
        .expect(202);
    let export = format!("/api/v1/operations/{}", export["id"].as_str().unwrap());
    assert_eq!(acme.owner.get(&export).await.expect(200)["state"], "queued");

    // Its jobs are done by a process that serves nothing but how it fares.
    let worker = serve(&program, "worker").await;
    assert_eq!(roles(&worker).await, json!(["worker"]));
    wait_until("the export is done", async || {
        acme.owner.get(&export).await.expect(200)["state"] == "completed"
    })
    .await;
    let by: Vec<(String, i32)> = sqlx::query_as("SELECT worker, fence FROM jobs WHERE queue = 'imports'")
        .fetch_all(&mut superuser)
        .await
        .unwrap();
    assert!(!by.is_empty());
    for (name, fence) in &by {
        assert!(name.ends_with(&worker_name(&worker)), "{name}");
        assert_eq!(*fence, 1, "somebody had claimed it before");
    }
    let elsewhere = acme.at(&worker.url);
    for path in [
        "/api/v1/leads",
        "/docs",
        "/openapi.json",
        "/.well-known/jwks.json",
    ] {
        assert_eq!(
            elsewhere.owner.get(path).await.problem(),
            "no-such-route",
            "{path}"
        );
    }
    worker.anonymous().get("/api/health").await.expect(200);
    let told = api.log().join("\n");
    assert!(told.contains("/docs)"), "{told}");
    let told = worker.log().join("\n");
    assert!(
        told.contains("doing worker on") && !told.contains("/docs"),
        "{told}"
    );
    let metrics = reqwest::get(worker.metrics_url())
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(metrics.contains("jobs_completed_total"), "{metrics}");

    // Nobody has read the log of events yet, nor fired a schedule.
    assert_eq!(
        (
            one(&mut superuser, LEADERS).await,
            one(&mut superuser, HANDLED).await,
            one(&mut superuser, SCHEDULES).await
        ),
        (0, 0, 0)
    );
    let relay = serve(&program, "relay").await;
    wait_until("events are handled", async || {
        one(&mut superuser, HANDLED).await > 0
    })
    .await;
    assert_eq!(one(&mut superuser, LEADERS).await, 1);
    assert_eq!(one(&mut superuser, SCHEDULES).await, 0);
    let claimed = one(&mut superuser, CLAIMED).await;
    let scheduler = serve(&program, "scheduler").await;
    wait_until("chores are done", async || {
        one(&mut superuser, CLAIMED).await >= claimed + 4
    })
    .await;

    let names: Vec<String> = sqlx::query_scalar("SELECT DISTINCT worker FROM jobs WHERE worker IS NOT NULL")
        .fetch_all(&mut superuser)
        .await
        .unwrap();
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(names[0].ends_with(&worker_name(&worker)), "{names:?}");
    for serving in [api, worker, relay, scheduler] {
        serving.signal("TERM");
        let ended = serving.ended().await;
        assert!(ended.status.success(), "{ended:?}");
    }
}

#[tokio::test]
async fn a_process_is_told_its_roles_by_the_command_line_and_refuses_others() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);

    let refused = program.run(&["serve", "--roles", "api,cook"]).await;
    assert!(!refused.status.success());
    assert!(
        refused.stderr.contains("cook")
            && refused.stderr.contains("--roles")
            && refused.stderr.contains("scheduler"),
        "{}",
        refused.stderr
    );
    fs::write(program.data_dir.path().join("none.toml"), "roles = []\n").unwrap();
    let none = program.run(&["serve", "--config", "none.toml"]).await;
    assert!(!none.status.success());
    assert!(
        none.stderr.contains("`roles`") && none.stderr.contains("is empty; allowed: one or more of api"),
        "{}",
        none.stderr
    );
    let some = program.with("FAIRLEAD__ROLES", "worker,relay");
    let report = some.run(&["doctor", "--json"]).await;
    let report: serde_json::Value = serde_json::from_str(&report.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| check["name"] == "roles").unwrap();
    assert_eq!(
        check["detail"],
        "this process does worker,relay, and leaves api,scheduler to others: see that there are some"
    );
}

#[tokio::test]
async fn each_time_that_others_are_heard_of_no_more_is_told_and_made_up_for() {
    let database = TestDatabase::create().await;
    let serving = serve(&Program::on(&database), "api,worker").await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let told = |what: &str| {
        let lines = serving.log();
        lines
            .iter()
            .filter(|line| line.contains("WARN") && line.contains(what))
            .count()
    };

    for losses in 1..=3 {
        wait_until("both are heard of", async || {
            one(
                &mut superuser,
                "SELECT count(*) FROM pg_stat_activity
                 WHERE query LIKE 'LISTEN %' AND application_name IN ('fairlead-events', 'fairlead-jobs')
                   AND datname = current_database()",
            )
            .await
                == 2
        })
        .await;
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE query LIKE 'LISTEN %' AND datname = current_database()";
        assert_eq!(one(&mut superuser, end).await, 2);
        wait_until("both losses are told", async || {
            told("events of others") == losses && told("jobs of others") == losses
        })
        .await;
    }
}
