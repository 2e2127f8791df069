//! From what is bad to what operators are told of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fairlead::SystemClock;
use fairlead_domain::clock::Clock as _;
use fairlead_telemetry::spawn;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Executor as _;
use support::database::DatabaseRole;
use support::pair::operator;
use support::process::{Program, Serving};

use support::{Client, Receiver, Reply, TestApp, TestDatabase, TestTenant, wait_until};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::task::JoinHandle;

use crate::webhooks::bench::is_signed;

const ALERTS: &str = "/api/v1/performance/alerts";
const RULES: &str = "/api/v1/performance/alerts/rules";

/// Whoever reads carriers waits in the database, if there is one.
const SLOW: &str = "
    CREATE POLICY slow ON carriers AS RESTRICTIVE FOR SELECT USING ((SELECT true FROM pg_sleep(0.3)))";

/// What alerts are signed with: 32 bytes, which here are the same.
const SECRET: &str = "whsec_YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=";

fn program(database: &TestDatabase) -> Program {
    Program::on(database)
        .with("FAIRLEAD__PERFORMANCE__INTERVAL_MS", "1000")
        .with("FAIRLEAD__CACHE__RESPONSES__ENABLED", "false")
}

/// Asks for carriers again and again, until it is dropped.
struct Load {
    is_over: Arc<AtomicBool>,
    asking: Vec<JoinHandle<()>>,
}

impl Load {
    fn of(clients: [&Client; 2]) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let ask = |client: &Client| {
            let (client, is_over) = (client.clone(), Arc::clone(&is_over));
            spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    client.get("/api/v1/carriers?limit=1").await.expect(200);
                }
            })
        };
        let asking = clients
            .into_iter()
            .flat_map(|client| [client; 4])
            .map(ask)
            .collect();
        Self { is_over, asking }
    }

    async fn end(self) {
        self.is_over.store(true, Ordering::Relaxed);
        for asking in self.asking {
            asking.await.unwrap();
        }
    }
}

async fn put(operator: &Client, path: &str, body: Value) -> support::Response {
    operator
        .send(operator.request(Method::PUT, path).json(&body))
        .await
}

/// The only alert of a rule so far, once there is one.
async fn alert(operator: &Client, rule: &str) -> Value {
    let path = format!("{ALERTS}?rule={rule}");
    let mut found = Value::Null;
    wait_until("there is an alert", async || {
        let alerts = operator.get(&path).await.expect(200);
        assert!(alerts["items"].as_array().unwrap().len() <= 1, "{alerts:#}");
        found.clone_from(&alerts["items"][0]);
        !found.is_null()
    })
    .await;
    found
}

/// The alert, once it is so.
async fn when(operator: &Client, id: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let path = format!("{ALERTS}/{id}");
    let mut found = Value::Null;
    wait_until(what, async || {
        found = operator.get(&path).await.expect(200);
        is_so(&found)
    })
    .await;
    found
}

/// What rules are made with that are not to be waited for.
fn at_once() -> Value {
    json!({ "holdSeconds": 0, "calmSeconds": 0, "cooldownSeconds": 0, "escalateAfterSeconds": 600_000 })
}

/// All that these processes have said of an alert.
fn logged(id: &str, processes: &[&Serving]) -> Vec<String> {
    let events = processes.iter().flat_map(|process| process.events());
    let of = events.filter(|event| event["alert"] == id && !event["notice"].is_null());
    of.map(|event| event["notice"].as_str().unwrap().to_owned())
        .collect()
}

/// What was posted of an alert, each with its id.
fn posted(receiver: &Receiver, id: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for received in receiver.received() {
        let event: Value = serde_json::from_str(&received.body).unwrap();
        assert_eq!(event["id"], received.header("webhook-id"), "{event:#}");
        if event["data"]["alertId"] == id {
            assert_eq!(event["subject"], "response-time", "{event:#}");
            let kind = event["type"].as_str().unwrap().to_owned();
            all.push((kind, received.header("webhook-id").to_owned()));
        }
    }
    all
}

fn kinds(alert: &Value) -> Vec<&str> {
    let notices = alert["notices"].as_array().unwrap();
    notices
        .iter()
        .map(|notice| notice["kind"].as_str().unwrap())
        .collect()
}

/// Waits until so many rounds more have been gone.
async fn rounds(operator: &Client, rule: &str, count: usize) {
    let path = format!("{RULES}/{rule}");
    let mut last = String::new();
    for _ in 0..count {
        let before = std::mem::take(&mut last);
        wait_until("another round was gone", async || {
            let read_at = &operator.get(&path).await.expect(200)["readAt"];
            last = String::from(read_at.as_str().unwrap_or_default());
            last > before
        })
        .await;
    }
}

fn later(seconds: i64) -> String {
    let moment: OffsetDateTime = SystemClock.now() + Duration::from_secs(seconds.unsigned_abs());
    moment.format(&Rfc3339).unwrap()
}

/// Rules are written down once the server serves.
async fn has_rules(operator: &Client) -> Vec<Value> {
    let mut rules = Vec::new();
    wait_until("the rules are there", async || {
        let listed = operator.get(RULES).await.expect(200);
        rules.clone_from(listed["items"].as_array().unwrap());
        !rules.is_empty()
    })
    .await;
    rules
}

#[tokio::test]
async fn what_is_slow_at_two_processes_is_one_alert_that_is_told_escalated_and_over_once() {
    let database = TestDatabase::create().await;
    let receiver = Receiver::start().await;
    // It is told again what it has not taken.
    receiver.reply_next([Reply::Status(503)]);
    let program = program(&database)
        .with(
            "FAIRLEAD__PERFORMANCE__ALERTS__WEBHOOK_URL",
            &receiver.url("/alerts"),
        )
        .with("FAIRLEAD__PERFORMANCE__ALERTS__WEBHOOK_SECRET", SECRET)
        .with("FAIRLEAD__PERFORMANCE__ALERTS__WEBHOOK_NETWORKS", "127.0.0.0/8")
        .with("FAIRLEAD__JOBS__WEBHOOKS__BACKOFF_MS", "200");
    let (first, second) = (program.serve().await.unwrap(), program.serve().await.unwrap());
    let both = [&first, &second];
    let one = operator(&program, &first).await;
    let other = one.at(&second.url);
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    has_rules(&one).await;
    let rule = json!({
        "warning": 200.0, "critical": 60_000.0,
        "timing": { "holdSeconds": 1, "calmSeconds": 2, "cooldownSeconds": 0, "escalateAfterSeconds": 3 },
    });
    let changed = put(&one, &format!("{RULES}/response-time"), rule)
        .await
        .expect(200);
    assert_eq!(
        (&changed["changedBy"], &changed["warning"]),
        (&json!("test"), &json!(200.0))
    );
    acme.owner
        .post("/api/v1/carriers", json!({ "name": "Acme Mutual" }))
        .await
        .expect(201);
    let mut superuser = database.connect(DatabaseRole::Superuser).await;

    superuser.execute(SLOW).await.unwrap();
    let load = Load::of([&acme.owner, &acme.owner.at(&second.url)]);
    let opened = alert(&other, "response-time").await;
    let id = opened["id"].as_str().unwrap();
    assert_eq!(opened["state"], "active", "{opened:#}");
    assert_eq!(opened["metric"], "responseP95Ms");
    for operator in [&one, &other] {
        wait_until("the dashboard has it", async || {
            let dashboard = operator.get("/api/v1/performance/dashboard").await.expect(200);
            let active = dashboard["alerts"]["active"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            active.iter().any(|alert| alert["id"] == id)
        })
        .await;
    }
    // Nobody takes care of it.
    let lasting = when(&other, id, "it escalates", |alert| {
        alert["severity"] == "critical"
    })
    .await;
    assert_eq!(kinds(&lasting), ["opened", "escalated"], "{lasting:#}");
    assert_eq!(lasting["notices"][1]["why"], "lasting");
    let value = lasting["worst"].as_f64().unwrap();
    assert!(value >= 280.0, "{lasting:#}");
    superuser.execute("DROP POLICY slow ON carriers").await.unwrap();
    let over = when(&one, id, "it is over", |alert| alert["state"] == "resolved").await;
    load.end().await;

    assert_eq!(kinds(&over), ["opened", "escalated", "resolved"], "{over:#}");
    assert!(over["value"].as_f64().unwrap() < 200.0, "{over:#}");
    wait_until("all is in the logs", async || logged(id, &both).len() >= 3).await;
    let mut told = logged(id, &both);
    told.sort_unstable();
    assert_eq!(told, ["escalated", "opened", "resolved"]);
    wait_until("the receiver is told it is over", async || {
        posted(&receiver, id)
            .iter()
            .any(|(kind, _)| kind == "alert_resolved")
    })
    .await;
    let mut posted = posted(&receiver, id);
    posted.sort_unstable();
    posted.dedup();
    // What was sent twice was sent under one id.
    let posted: Vec<&str> = posted.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(posted, ["alert_escalated", "alert_opened", "alert_resolved"]);
    assert!(
        receiver
            .received()
            .iter()
            .all(|received| is_signed(received, SECRET))
    );
    let listed = one.get(&format!("{ALERTS}?state=active")).await.expect(200);
    let active = listed["items"].as_array().unwrap();
    assert!(
        active.iter().all(|alert| alert["rule"] != "response-time"),
        "{listed:#}"
    );
}

#[tokio::test]
async fn a_silence_keeps_quiet_and_what_is_so_behind_it_is_told() {
    let database = TestDatabase::create().await;
    let program = program(&database);
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    has_rules(&operator).await;
    let silence = json!({ "reason": "a load test", "until": later(3_600) });
    // Any memory at all is too much; it is not watched before it is silenced.
    let rule = json!({
        "key": "any-memory", "metric": "memoryShare", "warning": 0.0, "timing": at_once(), "enabled": false,
    });
    operator.post(RULES, rule).await.expect(201);
    let path = format!("{RULES}/any-memory");
    let kept = operator
        .post(&format!("{path}/silence"), silence)
        .await
        .expect(200);
    assert_eq!(
        (&kept["by"], &kept["reason"]),
        (&json!("test"), &json!("a load test"))
    );
    put(&operator, &path, json!({ "warning": 0.0, "timing": at_once() }))
        .await
        .expect(200);
    let found = alert(&operator, "any-memory").await;
    let id = found["id"].as_str().unwrap();
    rounds(&operator, "any-memory", 3).await;
    let silent = operator.get(&format!("{ALERTS}/{id}")).await.expect(200);
    assert_eq!(
        (kinds(&silent), &silent["told"]),
        (vec![], &Value::Null),
        "{silent:#}"
    );
    assert_eq!(silent["silencedUntil"], kept["until"]);
    assert_eq!(logged(id, &[&serving]), Vec::<String>::new());

    assert_eq!(operator.delete(&format!("{path}/silence")).await.status, 204);
    when(&operator, id, "it is told", |alert| kinds(alert) == ["opened"]).await;

    // By its id it is silenced as well, and that it is over is told all the same.
    let again = json!({ "reason": "it is known", "until": later(60) });
    operator
        .post(&format!("{ALERTS}/{id}/silence"), again.clone())
        .await
        .expect(200);
    put(&operator, &path, json!({ "warning": 1e9, "timing": at_once() }))
        .await
        .expect(200);
    let over = when(&operator, id, "it is over", |alert| alert["state"] == "resolved").await;
    assert_eq!(
        (kinds(&over), &over["silencedUntil"]),
        (vec!["opened", "resolved"], &Value::Null)
    );
    let late = operator.post(&format!("{ALERTS}/{id}/silence"), again).await;
    assert_eq!(
        (late.status.as_u16(), late.problem()),
        (409, "conflict".to_owned())
    );
}

#[tokio::test]
async fn who_takes_care_is_told_no_more_that_it_lasts_and_a_restart_tells_nothing_anew() {
    let database = TestDatabase::create().await;
    let program = program(&database);
    let serving = program.serve().await.unwrap();
    let client = operator(&program, &serving).await;
    let timing =
        json!({ "holdSeconds": 0, "calmSeconds": 0, "cooldownSeconds": 0, "escalateAfterSeconds": 4 });
    let rule = json!({ "key": "any-memory", "metric": "memoryShare", "warning": 0.0, "timing": timing });
    client.post(RULES, rule).await.expect(201);
    let found = alert(&client, "any-memory").await;
    let id = found["id"].as_str().unwrap();
    let path = format!("{ALERTS}/{id}/acknowledge");
    let kept = client.send(client.request(Method::POST, &path)).await.expect(200);
    assert_eq!(kept["acknowledgedBy"], "test");
    wait_until("it is told", async || logged(id, &[&serving]) == ["opened"]).await;
    drop(serving);

    let serving = program.serve().await.unwrap();
    let client = client.at(&serving.url);
    rounds(&client, "any-memory", 7).await;

    let after = client.get(&format!("{ALERTS}/{id}")).await.expect(200);
    assert_eq!(
        (kinds(&after), &after["severity"], &after["acknowledgedBy"]),
        (vec!["opened"], &json!("warning"), &json!("test")),
        "{after:#}"
    );
    assert_eq!(logged(id, &[&serving]), Vec::<String>::new());
    // What is watched no more is over.
    assert_eq!(client.delete(&format!("{RULES}/any-memory")).await.status, 204);
    let over = when(&client, id, "it is over", |alert| alert["state"] == "resolved").await;
    assert_eq!(kinds(&over), ["opened", "resolved"], "{over:#}");
}

/// Changes what is kept between two rounds.
async fn between_rounds(superuser: &mut sqlx::PgConnection, change: &'static str) {
    superuser
        .execute("BEGIN; SELECT FROM perf.alert_turn FOR UPDATE")
        .await
        .unwrap();
    superuser.execute(change).await.unwrap();
    superuser.execute("COMMIT").await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_read_keeps_no_other_rule_from_being_judged_and_tells_nothing_anew() {
    let database = TestDatabase::create().await;
    let program = program(&database);
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    has_rules(&operator).await;
    for key in ["any-memory", "more-memory", "much-memory"] {
        let rule = json!({ "key": key, "metric": "memoryShare", "warning": 0.0, "timing": at_once() });
        operator.post(RULES, rule).await.expect(201);
    }
    let mut ids = Vec::new();
    for key in ["any-memory", "more-memory", "much-memory"] {
        let found = alert(&operator, key).await;
        let id = found["id"].as_str().unwrap().to_owned();
        when(&operator, &id, "it is told", |alert| kinds(alert) == ["opened"]).await;
        ids.push(id);
    }
    let mut superuser = database.connect(DatabaseRole::Superuser).await;

    // What stands of the first is none of ours, the second is watched by what another version measures, and the third is
    // another incident than the one that its watch knows.
    between_rounds(
        &mut superuser,
        r#"UPDATE perf.alert_watches SET watch = '{"state": 7}' WHERE key = 'any-memory';
           UPDATE perf.alert_rules SET metric = 'luckShare' WHERE key = 'more-memory';
           UPDATE perf.alerts SET incident = jsonb_set(incident, '{opened}', '"2020-01-01T00:00:00Z"')
           WHERE rule = 'much-memory'"#,
    )
    .await;
    rounds(&operator, "any-memory", 3).await;

    for id in &ids[..2] {
        let active = operator.get(&format!("{ALERTS}/{id}")).await.expect(200);
        assert_eq!(
            (&active["state"], kinds(&active)),
            (&json!("active"), vec!["opened"]),
            "{active:#}"
        );
        assert_eq!(logged(id, &[&serving]), ["opened"]);
    }
    let listed = operator
        .get(&format!("{ALERTS}?rule=much-memory"))
        .await
        .expect(200);
    let states: Vec<&str> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|alert| alert["state"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["active", "resolved"], "{listed:#}");
    // The version that can read it goes on.
    between_rounds(
        &mut superuser,
        "UPDATE perf.alert_rules SET metric = 'memoryShare', warning = 1e9 WHERE key = 'more-memory'",
    )
    .await;
    let over = when(&operator, &ids[1], "it is over", |alert| {
        alert["state"] == "resolved"
    })
    .await;
    assert_eq!(kinds(&over), ["opened", "resolved"], "{over:#}");
}

#[tokio::test]
async fn a_rule_that_is_gone_leaves_no_silence_to_the_next_one() {
    let database = TestDatabase::create().await;
    let program = program(&database);
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    has_rules(&operator).await;
    let rule = json!({ "key": "any-memory", "metric": "memoryShare", "warning": 1e9, "timing": at_once() });
    operator.post(RULES, rule.clone()).await.expect(201);
    let path = format!("{RULES}/any-memory");
    let silence = json!({ "reason": "a load test", "until": later(3_600) });
    operator
        .post(&format!("{path}/silence"), silence)
        .await
        .expect(200);
    assert_eq!(operator.delete(&path).await.status, 204);

    let made = operator.post(RULES, rule).await.expect(201);

    assert_eq!(made["silence"], Value::Null, "{made:#}");
    let odd = operator.delete(&format!("{RULES}/%00")).await;
    assert_eq!(
        (odd.status.as_u16(), odd.problem()),
        (404, "not-found".to_owned())
    );
}

#[tokio::test]
async fn what_signs_alerts_is_nothing_without_a_receiver() {
    let database = TestDatabase::create().await;
    let program = program(&database);
    for (name, value) in [
        ("FAIRLEAD__PERFORMANCE__ALERTS__WEBHOOK_SECRET", SECRET),
        ("FAIRLEAD__PERFORMANCE__ALERTS__WEBHOOK_NETWORKS", "127.0.0.0/8"),
    ] {
        let refused = program.clone().with(name, value).serve().await.unwrap_err();
        assert!(
            refused
                .stderr
                .contains("but not `performance.alerts.webhook_url`, so no alert is posted"),
            "{}",
            refused.stderr
        );
    }
}

#[tokio::test]
async fn failures_spend_what_an_objective_allows() {
    let database = TestDatabase::create().await;
    let program = program(&database);
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    superuser
        .execute("ALTER TABLE carriers RENAME TO away")
        .await
        .unwrap();

    for _ in 0..15 {
        assert_eq!(acme.owner.get("/api/v1/carriers?limit=1").await.status, 500);
    }

    let found = alert(&operator, "burn-availability").await;
    assert_eq!(
        (&found["severity"], &found["metric"]),
        (&json!("critical"), &Value::Null)
    );
    assert!(found["value"].as_f64().unwrap() >= 14.4, "{found:#}");
    let objectives = operator.get(&format!("{ALERTS}/objectives")).await.expect(200);
    let all = objectives["items"].as_array().unwrap();
    let of = |name: &str| all.iter().find(|objective| objective["name"] == name).unwrap();
    assert_eq!(of("availability")["state"], "alert", "{objectives:#}");
    assert!(of("availability")["budgetLeft"].as_f64().unwrap() < 0.0);
    assert_eq!(of("latency-500ms")["goodWithinMs"], 500.0);
    let path = format!("{ALERTS}/objectives/availability");
    let changed = put(&operator, &path, json!({ "target": 0.5, "enabled": false }))
        .await
        .expect(200);
    assert_eq!(
        (&changed["target"], &changed["enabled"]),
        (&json!(0.5), &json!(false))
    );
    let id = found["id"].as_str().unwrap();
    when(&operator, id, "it is over", |alert| alert["state"] == "resolved").await;
}

#[tokio::test]
async fn rules_are_what_operators_say_and_what_makes_no_sense_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    let rules = has_rules(&operator).await;
    assert_eq!(rules.len(), 16, "{rules:#?}");
    let faults = |response: support::Response| -> Vec<String> {
        let problem = response.expect(422);
        let errors = problem["errors"].as_array().unwrap().iter();
        errors
            .map(|error| error["pointer"].as_str().unwrap().to_owned())
            .collect()
    };
    let new = |key: &str, metric: &str| json!({ "key": key, "metric": metric, "warning": 5.0 });

    assert_eq!(
        faults(operator.post(RULES, new("burn-x", "sockets")).await),
        ["/key"]
    );
    assert_eq!(faults(operator.post(RULES, new("x", "luck")).await), ["/metric"]);
    let response_time = format!("{RULES}/response-time");
    let twisted = json!({ "warning": 500.0, "critical": 200.0 });
    assert_eq!(
        faults(put(&operator, &response_time, twisted).await),
        ["/critical"]
    );
    let long = json!({ "warning": 5.0, "timing": { "holdSeconds": 604_801 } });
    assert_eq!(
        faults(put(&operator, &response_time, long).await),
        ["/timing/holdSeconds"]
    );
    let past = json!({ "reason": "a test", "until": "2020-01-01T00:00:00Z" });
    assert_eq!(
        faults(operator.post(&format!("{response_time}/silence"), past).await),
        ["/until"]
    );
    let target = json!({ "target": 1.0 });
    let availability = format!("{ALERTS}/objectives/availability");
    assert_eq!(faults(put(&operator, &availability, target).await), ["/target"]);

    let made = operator.post(RULES, new("many-sockets", "sockets")).await;
    assert_eq!(
        made.header("location"),
        Some("/api/v1/performance/alerts/rules/many-sockets")
    );
    let made = made.expect(201);
    assert_eq!(
        (&made["bad"], &made["isOfPlatform"]),
        (&json!("above"), &json!(false))
    );
    let taken = operator.post(RULES, new("many-sockets", "sockets")).await;
    assert_eq!(
        (taken.status.as_u16(), taken.problem()),
        (409, "name-taken".to_owned())
    );
    let missing = put(&operator, &format!("{RULES}/none"), json!({ "warning": 5.0 })).await;
    assert_eq!(
        (missing.status.as_u16(), missing.problem()),
        (404, "not-found".to_owned())
    );
    let refused = put(&acme.owner, &response_time, json!({ "warning": 5.0 })).await;
    assert_eq!(refused.status, 403);

    // One that comes with the platform is as it came when it is deleted; another one is gone.
    let changed = put(&operator, &response_time, json!({ "warning": 7.0 }))
        .await
        .expect(200);
    assert_eq!(
        (&changed["warning"], &changed["critical"]),
        (&json!(7.0), &Value::Null)
    );
    for key in ["response-time", "many-sockets"] {
        assert_eq!(operator.delete(&format!("{RULES}/{key}")).await.status, 204);
    }
    let original = operator.get(&response_time).await.expect(200);
    assert_eq!(
        (&original["warning"], &original["changedBy"]),
        (&json!(200.0), &Value::Null)
    );
    assert_eq!(operator.get(&format!("{RULES}/many-sockets")).await.status, 404);
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let acts: Vec<String> = sqlx::query_scalar(
        "SELECT action FROM audit_log WHERE entity_type = 'alert_rule' AND actor = 'operator:olga' ORDER BY id",
    )
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    assert_eq!(
        acts,
        [
            "alert_rule_created",
            "alert_rule_changed",
            "alert_rule_deleted",
            "alert_rule_deleted"
        ]
    );
}
