//! Answers that a schedule has loaded ahead of need.

use serde_json::{Value, json};
use sqlx::Executor as _;
use support::database::DatabaseRole;
use support::{TestApp, wait_until};

use super::bench::count;

const SCHEDULE: &str = "/api/v1/performance/jobs/schedule";

fn schedule(payload: &Value) -> Value {
    json!({
        "name": "before-work", "queue": "warming", "kind": "warm-cache", "payload": payload, "cron": "30 6 * * MON-FRI",
        "timeZone": "Europe/Berlin",
    })
}

#[tokio::test]
async fn a_schedule_warms_what_its_payload_says() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let warmed = async || {
        let earnings = operator.get("/api/v1/performance/cache/warm").await.expect(200);
        let mut keys: Vec<String> = earnings["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| {
                format!(
                    "{} {}",
                    item["tenantId"].as_str().unwrap(),
                    item["key"].as_str().unwrap()
                )
            })
            .collect();
        keys.sort_unstable();
        keys
    };

    let payload = json!({ "tenantId": acme.id, "datasets": ["statistics"] });
    let kept = operator.post(SCHEDULE, schedule(&payload)).await.expect(200);
    assert_eq!(kept["payload"], payload);
    assert!(warmed().await.is_empty());
    let due = "UPDATE job_schedules SET next_at = now() WHERE name = 'before-work'";
    superuser.execute(due).await.unwrap();

    wait_until("the job is done", async || {
        count(&mut superuser, "kind = 'warm-cache' AND state = 'completed'").await == 1
    })
    .await;
    assert_eq!(warmed().await, [format!("{} leads.statistics?", acme.id)]);
    let read = acme.owner.get("/api/v1/leads/statistics").await;
    assert_eq!(read.header("fairlead-read-source"), Some("l1"));
}

#[tokio::test]
async fn a_payload_that_cannot_be_warmed_is_refused_when_it_is_scheduled() {
    let app = TestApp::start().await;
    let operator = app.operator("olga").await;

    for (payload, pointer) in [
        (
            json!({ "datasets": ["statistics", "weather"] }),
            "/payload/datasets/1",
        ),
        (json!({ "keys": ["no such thing"] }), "/payload/keys/0"),
        (json!({ "dataset": ["statistics"] }), "/payload"),
        (json!({ "learned": true, "datasets": ["statistics"] }), "/payload"),
    ] {
        let refused = operator.post(SCHEDULE, schedule(&payload)).await;
        assert_eq!(refused.expect(422)["errors"][0]["pointer"], pointer, "{payload}");
    }
    operator.post(SCHEDULE, schedule(&Value::Null)).await.expect(200);
}
