//! What operators see of jobs, and do about them.

use fairlead_telemetry::spawn;
use serde_json::{Value, json};
use sqlx::{Connection as _, Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::{Client, TestApp, wait_until};

use super::bench::{count, fill, tenant};

const JOBS: &str = "/api/v1/performance/jobs";

async fn metrics(operator: &Client, queue: &str) -> Value {
    let answer = operator
        .get(&format!("{JOBS}/metrics?queue={queue}"))
        .await
        .expect(200);
    answer["queues"][0].clone()
}

/// So that nobody works on what a test puts there.
async fn stop_lead_processing(operator: &Client) {
    let stop = json!({ "reason": "a test" });
    operator
        .post(&format!("{JOBS}/lead-processing/pause"), stop)
        .await
        .expect(200);
}

/// A dead job of `lead-processing`.
async fn dead(
    database: &mut PgConnection,
    tenant_number: u128,
    kind: &str,
    fault: &str,
    unique_key: Option<&str>,
) {
    sqlx::query(
        "INSERT INTO jobs (tenant_id, id, queue, kind, payload, unique_key, priority, state, attempts, fault, finished_at)
         VALUES ($1, gen_random_uuid(), 'lead-processing', $2, '{\"lead\": 7}', $3, 1, 'dead', 3, $4, now())",
    )
    .bind(tenant(tenant_number))
    .bind(kind)
    .bind(unique_key)
    .bind(fault)
    .execute(database)
    .await
    .unwrap();
}

#[tokio::test]
async fn a_paused_queue_begins_nothing_until_it_is_resumed_or_its_time_is_over() {
    let app = TestApp::start_with(|config| config.jobs.sweep = std::time::Duration::from_millis(20)).await;
    let operator = app.operator("olga").await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let done = "queue = 'maintenance' AND state = 'completed'";
    let unfinished = "queue = 'maintenance' AND state IN ('waiting', 'active')";
    wait_until("the chores of the start are done", async || {
        count(&mut superuser, done).await >= 3 && count(&mut superuser, unfinished).await == 0
    })
    .await;
    let before = count(&mut superuser, done).await;
    let chores = "UPDATE job_schedules SET next_at = now()";
    let waiting = "queue = 'maintenance' AND state = 'waiting'";

    let stop = json!({ "reason": "a look at the disk" });
    let stopped = operator
        .post(&format!("{JOBS}/maintenance/pause"), stop)
        .await
        .expect(200);
    assert_eq!(stopped["operator"], "olga");
    superuser.execute(chores).await.unwrap();
    // Not the three alone, should their moment come just now.
    wait_until("three wait", async || count(&mut superuser, waiting).await >= 3).await;
    let figures = metrics(&operator, "maintenance").await;
    assert_eq!(figures["stopped"]["reason"], "a look at the disk");
    assert!(figures["waiting"].as_i64().unwrap() >= 3, "{figures}");
    assert_eq!(figures["active"], 0);
    assert!(figures["oldestWaitingMs"].as_f64().unwrap() > 0.0, "{figures}");

    let resume = async || {
        let path = format!("{JOBS}/maintenance/resume");
        operator.post(&path, json!({})).await
    };
    assert_eq!(resume().await.expect(200)["wasStopped"], true);
    wait_until("they are done", async || {
        count(&mut superuser, done).await >= before + 3
    })
    .await;
    assert_eq!(resume().await.expect(200)["wasStopped"], false);

    let some = json!({ "reason": "too many of them", "kind": "clear-jobs", "tenantId": tenant(0) });
    let paused = operator
        .post(&format!("{JOBS}/maintenance/pause"), some)
        .await
        .expect(200);
    assert_eq!(
        (&paused["mode"], &paused["kind"]),
        (&json!("paused"), &json!("clear-jobs"))
    );
    assert_eq!(
        metrics(&operator, "maintenance").await["pausedParts"],
        json!([paused])
    );
    let resume_part = async |query: &str| {
        let path = format!("{JOBS}/maintenance/resume{query}");
        operator.post(&path, json!({})).await.expect(200)["wasStopped"].clone()
    };
    assert_eq!(resume_part("?kind=clear-jobs").await, false, "another part");
    let of_tenant = format!("?kind=clear-jobs&tenantId={}", tenant(0));
    assert_eq!(resume_part(&of_tenant).await, true);
    assert_eq!(metrics(&operator, "maintenance").await["pausedParts"], json!([]));

    let past = json!({ "reason": "too late", "until": "2020-01-01T00:00:00Z" });
    let refused = operator.post(&format!("{JOBS}/maintenance/pause"), past).await;
    assert_eq!(refused.problem(), "invalid-input");
    let unknown = operator.post(&format!("{JOBS}/no-queue/resume"), json!({})).await;
    assert_eq!(unknown.problem(), "not-found");
}

#[tokio::test]
async fn figures_are_those_of_the_jobs() {
    let app = TestApp::start().await;
    let operator = app.operator("olga").await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    stop_lead_processing(&operator).await;
    fill(&mut superuser, tenant(1), 20, "done").await;
    superuser
        .execute(
            "UPDATE jobs SET state = 'completed', run_at = now() - interval '10 seconds',
                    started_at = now() - interval '8 seconds', finished_at = now() - interval '5 seconds'
             WHERE kind = 'done'",
        )
        .await
        .unwrap();
    superuser
        .execute(
            "UPDATE jobs SET finished_at = now() - interval '20 minutes'
             WHERE id IN (SELECT id FROM jobs WHERE kind = 'done' LIMIT 5)",
        )
        .await
        .unwrap();
    fill(&mut superuser, tenant(2), 7, "waits").await;
    dead(&mut superuser, 1, "dies", "no reason", None).await;

    let figures = metrics(&operator, "lead-processing").await;

    assert_eq!(figures["waiting"], 7);
    assert_eq!(figures["completed"], 15);
    assert_eq!(figures["throughputPerMinute"], 3.0);
    assert_eq!(
        (&figures["failed"], &figures["deadLetters"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(figures["waitMs"], json!({ "mean": 2000.0, "p95": 2000.0 }));
    assert_eq!(figures["runMs"], json!({ "mean": 3000.0, "p95": 3000.0 }));
    let all = operator.get(&format!("{JOBS}/metrics")).await.expect(200);
    assert_eq!(all["queues"].as_array().unwrap().len(), 6);
    let page = reqwest::get(app.metrics_url())
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        page.contains("jobs_completed_total{queue=\"maintenance\"}"),
        "{page}"
    );
}

#[tokio::test]
async fn dead_letters_are_grouped_by_what_they_failed_of_and_can_be_retried() {
    let app = TestApp::start().await;
    let operator = app.operator("olga").await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    stop_lead_processing(&operator).await;
    for lead in [7, 8, 9] {
        dead(
            &mut superuser,
            lead,
            "score",
            &format!("lead {lead} is locked"),
            None,
        )
        .await;
    }
    dead(&mut superuser, 1, "score", "the provider is down", None).await;
    for _ in 0..2 {
        dead(&mut superuser, 1, "assign", "nobody is free", Some("lead 7")).await;
    }

    let letters = operator
        .get(&format!("{JOBS}/lead-processing/dead-letter"))
        .await
        .expect(200);
    let groups: Vec<String> = letters["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| {
            format!(
                "{} {} {} {}",
                group["kind"], group["fault"], group["jobs"], group["tenants"]
            )
        })
        .collect();
    assert_eq!(
        groups,
        [
            "\"score\" \"lead # is locked\" 3 3",
            "\"assign\" \"nobody is free\" 2 1",
            "\"score\" \"the provider is down\" 1 1",
        ]
    );
    let example = letters["groups"][0]["exampleId"].as_str().unwrap();
    let job = operator.get(&format!("{JOBS}/{example}")).await.expect(200);
    assert_eq!(
        (&job["state"], &job["payload"]["lead"]),
        (&json!("dead"), &json!(7))
    );
    assert_eq!(letters["items"].as_array().unwrap().len(), 6);
    assert_eq!(letters["items"][0].get("payload"), None, "a list has none");
    let first = operator
        .get(&format!("{JOBS}/lead-processing/dead-letter?limit=4"))
        .await
        .expect(200);
    let cursor = first["nextCursor"].as_str().unwrap();
    let rest = operator
        .get(&format!(
            "{JOBS}/lead-processing/dead-letter?limit=4&cursor={cursor}"
        ))
        .await
        .expect(200);
    assert_eq!(
        (&rest["hasMore"], &rest["nextCursor"]),
        (&json!(false), &Value::Null)
    );
    let both: Vec<&Value> = [&first, &rest]
        .into_iter()
        .flat_map(|page| page["items"].as_array().unwrap())
        .collect();
    assert_eq!(
        both,
        letters["items"].as_array().unwrap().iter().collect::<Vec<_>>()
    );

    let retry = async |query: &str| {
        let path = format!("{JOBS}/lead-processing/retry-failed{query}");
        operator.post(&path, json!({})).await.expect(200)["retried"].clone()
    };
    assert_eq!(retry(&format!("?id={example}")).await, 1);
    assert_eq!(retry(&format!("?kind=score&tenantId={}", tenant(1))).await, 1);
    // Two with one key would be one too many.
    assert_eq!(retry("?kind=assign").await, 1);
    assert_eq!(retry("?kind=assign").await, 0);
    assert_eq!(retry("").await, 2);

    assert_eq!(
        count(
            &mut superuser,
            "queue = 'lead-processing' AND state = 'waiting' AND attempts = 0"
        )
        .await,
        5
    );
    assert_eq!(
        count(&mut superuser, "state = 'dead' AND kind = 'assign'").await,
        1
    );
    let waiting = operator
        .get(&format!("{JOBS}?queue=lead-processing&state=waiting&kind=score"))
        .await;
    assert_eq!(waiting.expect(200)["items"].as_array().unwrap().len(), 4);
}

/// One like it, which a transaction is about to enqueue.
async fn enqueue_like(database: &mut PgConnection, tenant_number: u128, unique_key: &str) -> String {
    sqlx::query_scalar(
        "INSERT INTO jobs (tenant_id, id, queue, kind, payload, unique_key, priority, state)
         VALUES ($1, gen_random_uuid(), 'lead-processing', 'assign', '{}', $2, 1, 'waiting') RETURNING id::text",
    )
    .bind(tenant(tenant_number))
    .bind(unique_key)
    .fetch_one(database)
    .await
    .unwrap()
}

#[tokio::test]
async fn one_that_is_in_the_way_of_a_dead_job_keeps_no_other_from_being_retried_and_is_told() {
    let app = TestApp::start().await;
    let operator = app.operator("olga").await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let mut other = app.database.connect(DatabaseRole::Superuser).await;
    stop_lead_processing(&operator).await;
    for lead in 0..60 {
        let key = format!("lead {lead}");
        dead(&mut superuser, 1, "assign", "nobody is free", Some(&key)).await;
    }
    let retry = async || {
        let path = format!("{JOBS}/lead-processing/retry-failed?kind=assign");
        operator.post(&path, json!({})).await.expect(200)
    };

    // It cannot be seen yet, and whoever writes one like it waits for what becomes of it.
    let mut enqueuing = other.begin().await.unwrap();
    let like_it = enqueue_like(&mut enqueuing, 1, "lead 7").await;
    let first = retry().await;
    enqueuing.commit().await.unwrap();
    let second = retry().await;

    assert_eq!(
        (&first["retried"], &first["hasMore"]),
        (&json!(59), &json!(false)),
        "{first}"
    );
    let left = |answer: &Value| {
        let left = answer["left"].as_array().unwrap();
        assert_eq!(left.len(), 1, "{answer}");
        assert_eq!(
            (&left[0]["kind"], &left[0]["uniqueKey"], &left[0]["tenantId"]),
            (&json!("assign"), &json!("lead 7"), &json!(tenant(1)))
        );
        (left[0]["reason"].clone(), left[0]["likeId"].clone())
    };
    assert_eq!(left(&first), (json!("held"), Value::Null));
    assert_eq!(second["retried"], 0);
    assert_eq!(left(&second), (json!("like-it"), json!(like_it)));
    assert_eq!(
        count(&mut superuser, "state = 'waiting' AND attempts = 0").await,
        60
    );
    assert_eq!(count(&mut superuser, "state = 'dead'").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_jobs_are_retried_while_others_enqueue_the_same() {
    let app = TestApp::start().await;
    let operator = app.operator("olga").await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let mut other = app.database.connect(DatabaseRole::Superuser).await;
    stop_lead_processing(&operator).await;
    let keys: Vec<String> = (0..400).map(|lead| format!("lead {lead}")).collect();
    for key in &keys {
        dead(&mut superuser, 1, "assign", "nobody is free", Some(key)).await;
    }

    let enqueued = keys.clone();
    let enqueuing = spawn(async move {
        let mut own = 0;
        for key in enqueued.iter().rev() {
            let enqueue = "
                INSERT INTO jobs (tenant_id, id, queue, kind, payload, unique_key, priority, state)
                VALUES ($1, gen_random_uuid(), 'lead-processing', 'assign', '{}', $2, 1, 'waiting')
                ON CONFLICT (tenant_id, queue, unique_key)
                    WHERE unique_key IS NOT NULL AND state IN ('delayed', 'waiting', 'active') DO NOTHING";
            let done = sqlx::query(enqueue)
                .bind(tenant(1))
                .bind(key)
                .execute(&mut other)
                .await;
            own += done.unwrap().rows_affected();
        }
        own
    });
    let mut retried = 0;
    wait_until("nothing more is to be retried", async || {
        let path = format!("{JOBS}/lead-processing/retry-failed");
        let answer = operator.post(&path, json!({})).await.expect(200);
        retried += answer["retried"].as_u64().unwrap();
        answer["hasMore"] == false
    })
    .await;
    let own = enqueuing.await.unwrap();
    let path = format!("{JOBS}/lead-processing/retry-failed");
    let last = operator.post(&path, json!({})).await.expect(200);
    retried += last["retried"].as_u64().unwrap();

    println!("{retried} were retried, {own} like them were enqueued meanwhile");
    assert_eq!(retried + own, 400);
    assert_eq!(count(&mut superuser, "state = 'waiting'").await, 400, "each once");
    let left = last["left"].as_array().unwrap().len();
    assert_eq!(
        (left as u64, &last["hasMoreLeft"]),
        (own.min(100), &json!(own > 100))
    );
}

#[tokio::test]
async fn a_dead_job_can_be_changed_before_it_is_retried() {
    let app = TestApp::start().await;
    let operator = app.operator("olga").await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    stop_lead_processing(&operator).await;
    dead(&mut superuser, 1, "score", "there is no lead 7", None).await;
    let letters = operator
        .get(&format!("{JOBS}/lead-processing/dead-letter"))
        .await
        .expect(200);
    let id = letters["items"][0]["id"].as_str().unwrap();
    let path = format!("{JOBS}/{id}");
    let edit = async |path: &str| {
        let body = json!({ "payload": { "lead": 8 } });
        operator.patch(path, body).await
    };

    let edited = edit(&path).await.expect(200);
    assert_eq!(
        (&edited["state"], &edited["payload"]),
        (&json!("dead"), &json!({ "lead": 8 }))
    );
    assert_eq!(operator.get(&path).await.expect(200), edited);

    let retry = format!("{JOBS}/lead-processing/retry-failed?id={id}");
    operator.post(&retry, json!({})).await.expect(200);
    let refused = edit(&path).await;
    assert_eq!(
        (refused.status.as_u16(), refused.problem()),
        (409, "conflict".to_owned())
    );
    let unknown = edit(&format!("{JOBS}/{}", tenant(1))).await;
    assert_eq!(unknown.problem(), "not-found");
}

#[tokio::test]
async fn a_job_names_the_machine_whose_process_did_it() {
    let app = TestApp::start().await;
    let operator = app.operator("olga").await;
    let path = format!("{JOBS}?queue=maintenance&state=completed&limit=1");
    let mut worker = String::new();
    wait_until("a chore of the start is done", async || {
        let done = operator.get(&path).await.expect(200);
        done["items"][0]["worker"]
            .as_str()
            .unwrap_or_default()
            .clone_into(&mut worker);
        !worker.is_empty()
    })
    .await;

    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let (process, host) = (std::process::id(), host.trim());
    assert!(
        worker.starts_with(&format!("process {process} of {host} at 127.0.0.1:")),
        "{worker}"
    );
}

#[tokio::test]
async fn what_a_dead_job_of_the_platform_is_done_with_instead_is_judged() {
    let app = TestApp::start().await;
    let operator = app.operator("olga").await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let platform = "00000000-0000-0000-0000-000000000000";
    let id: uuid::Uuid = sqlx::query_scalar(
        "INSERT INTO jobs (tenant_id, id, queue, kind, payload, priority, state, attempts, fault, finished_at)
         VALUES ($1::uuid, gen_random_uuid(), 'maintenance', 'clear-jobs', 'null', 1, 'dead', 3, 'it took too long', now())
         RETURNING id",
    )
    .bind(platform)
    .fetch_one(&mut superuser)
    .await
    .unwrap();
    let path = format!("{JOBS}/{id}");

    let refused = operator
        .patch(&path, json!({ "payload": { "older": "than a day" } }))
        .await;

    assert_eq!(refused.status, 422, "{refused:?}");
    assert_eq!(refused.json()["errors"][0]["pointer"], "/payload");
    let kept = operator.get(&path).await.expect(200);
    assert_eq!((&kept["payload"], &kept["state"]), (&Value::Null, &json!("dead")));
    operator
        .patch(&path, json!({ "payload": null }))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_schedule_is_made_shown_with_its_next_runs_changed_and_deleted() {
    let app = TestApp::start().await;
    let operator = app.operator("olga").await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let body = json!({
        "name": "tidy-at-night", "queue": "maintenance", "kind": "clear-jobs", "cron": "30 2 * * *",
        "timeZone": "Asia/Tokyo",
    });

    let made = operator
        .post(&format!("{JOBS}/schedule"), body.clone())
        .await
        .expect(200);
    assert_eq!(made["nextRuns"].as_array().unwrap().len(), 5);
    assert_eq!(
        (&made["missed"], &made["overlap"], &made["createdBy"]),
        (&json!("once"), &json!("skip"), &json!("olga"))
    );
    let local = "SELECT count(*) FROM job_schedules
                 WHERE name = 'tidy-at-night' AND to_char(next_at AT TIME ZONE time_zone, 'HH24:MI') = '02:30'";
    let at_half_past_two: i64 = sqlx::query_scalar(local).fetch_one(&mut superuser).await.unwrap();
    assert_eq!(at_half_past_two, 1);

    let mut changed = body.clone();
    changed["cron"] = json!("0 3 * * *");
    operator
        .post(&format!("{JOBS}/schedule"), changed)
        .await
        .expect(200);
    let listed = operator.get(&format!("{JOBS}/schedules")).await.expect(200);
    let names: Vec<&str> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "clear-expired",
            "clear-jobs",
            "clear-operations",
            "clear-webhook-deliveries",
            "make-partitions",
            "thin-samples",
            "tidy-at-night"
        ]
    );
    assert_eq!(listed["items"][6]["cron"], "0 3 * * *");
    assert_eq!(listed["items"][6]["nextRuns"].as_array().unwrap().len(), 5);

    let due = "UPDATE job_schedules SET next_at = now() WHERE name = 'tidy-at-night'";
    superuser.execute(due).await.unwrap();
    let done = "schedule = 'tidy-at-night' AND state = 'completed'";
    wait_until("it was done", async || count(&mut superuser, done).await == 1).await;
    let again = operator
        .post(&format!("{JOBS}/schedule"), body.clone())
        .await
        .expect(200);
    assert!(again["lastAt"].is_string(), "{again}");
    let delete = async || operator.delete(&format!("{JOBS}/schedules/tidy-at-night")).await;
    assert_eq!(delete().await.status.as_u16(), 204);
    assert_eq!(delete().await.problem(), "not-found");
    let odd = operator.delete(&format!("{JOBS}/schedules/a%00b")).await;
    assert_eq!(odd.problem(), "not-found");

    for (field, value, fix) in [
        (
            "cron",
            json!(format!("0 0 * * {}", vec!["1"; 120].join(","))),
            "at most 200",
        ),
        ("cron", json!("every night"), "such as `30 2 * * *`"),
        ("cron", json!("0 25 * * *"), "such as `30 2 * * *`"),
        ("cron", json!("0 0 30 2 *"), "such as `0 0 28 2 *`"),
        ("timeZone", json!("Berlin"), "such as Europe/Berlin"),
        ("kind", json!("rm"), "must be one of"),
        ("queue", json!("none"), "must be one of"),
        ("missed", json!("never"), "must be one of"),
        ("payload", json!({ "older": 7 }), ""),
    ] {
        let mut faulty = body.clone();
        faulty[field] = value;
        let refused = operator.post(&format!("{JOBS}/schedule"), faulty).await;
        assert_eq!(refused.problem(), "invalid-input", "{field}");
        assert!(
            refused.json()["errors"][0]["pointer"]
                .as_str()
                .unwrap()
                .contains(field),
            "{refused:?}"
        );
        let told = refused.json()["errors"][0]["detail"].as_str().unwrap().to_owned();
        assert!(told.contains(fix), "{told}");
    }
}

#[tokio::test]
async fn a_queue_is_stopped_until_a_moment_that_comes_and_who_gives_none_is_shown_one() {
    let app = TestApp::start().await;
    let operator = app.operator("olga").await;

    for (until, fix) in [
        ("tomorrow", "such as 2026-11-20T09:30:00Z"),
        ("2026-11-20", "such as 2026-11-20T09:30:00Z"),
        ("2020-01-01T00:00:00Z", "must lie in the future; it is 20"),
    ] {
        let stop = json!({ "reason": "a test", "until": until });
        let refused = operator.post(&format!("{JOBS}/maintenance/pause"), stop).await;
        let fault = refused.expect(422)["errors"][0].clone();
        assert_eq!(fault["pointer"], "/until");
        let told = fault["detail"].as_str().unwrap();
        assert!(told.contains(fix), "{told}");
    }
}

#[tokio::test]
async fn a_schedule_is_judged_and_its_runs_are_shown_before_it_is_kept() {
    let app = TestApp::start().await;
    let operator = app.operator("olga").await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let kept = async |database: &mut PgConnection| -> Vec<(String, String)> {
        sqlx::query_as("SELECT name, cron FROM job_schedules WHERE created_by <> 'system'")
            .fetch_all(database)
            .await
            .unwrap()
    };
    let body = json!({
        "name": "tidy-at-night", "queue": "maintenance", "kind": "clear-jobs", "cron": "30 2 * * *",
        "timeZone": "Asia/Tokyo",
    });
    let dry = format!("{JOBS}/schedule?dryRun=true");

    let shown = operator.post(&dry, body.clone()).await.expect(200);
    assert_eq!(kept(&mut superuser).await, []);
    let made = operator
        .post(&format!("{JOBS}/schedule"), body.clone())
        .await
        .expect(200);
    assert_eq!(shown, made, "what was shown is what was kept");
    assert_eq!(shown["nextRuns"].as_array().unwrap().len(), 5);

    // Of one that there is, too: nothing of it changes.
    let fired = "UPDATE job_schedules SET last_at = now() WHERE name = 'tidy-at-night'";
    superuser.execute(fired).await.unwrap();
    let mut changed = body.clone();
    changed["cron"] = json!("0 3 * * *");
    let shown = operator.post(&dry, changed.clone()).await.expect(200);
    assert_eq!(shown["cron"], "0 3 * * *");
    assert!(shown["lastAt"].is_string(), "{shown}");
    let unchanged = [("tidy-at-night".to_owned(), "30 2 * * *".to_owned())];
    assert_eq!(kept(&mut superuser).await, unchanged);

    changed["timeZone"] = json!("Berlin");
    changed["cron"] = json!("0 25 * * *");
    let refusals = [
        operator.post(&dry, changed.clone()).await,
        operator.post(&format!("{JOBS}/schedule"), changed).await,
    ];
    let [of_dry, of_kept] = refusals.map(|refused| refused.expect(422)["errors"].clone());
    assert_eq!(of_dry, of_kept);
}
