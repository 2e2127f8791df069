//! Kinds of jobs that operators name.

use serde_json::json;
use sqlx::Executor as _;
use support::TestApp;
use support::database::DatabaseRole;

const JOBS: &str = "/api/v1/performance/jobs";

#[tokio::test]
async fn who_misspells_a_kind_is_told_those_that_there_are() {
    let app = TestApp::start().await;
    let operator = app.operator("olga").await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let pause = async |kind: &str| {
        let body = json!({ "reason": "the receiver is down", "kind": kind });
        operator.post(&format!("{JOBS}/webhooks/pause"), body).await
    };
    let retry = async |kind: &str| {
        let path = format!("{JOBS}/webhooks/retry-failed?kind={kind}");
        operator.post(&path, json!({})).await
    };

    let misspelt = [
        ("pointer", "/kind", pause("deliver").await),
        ("parameter", "kind", retry("deliver").await),
    ];
    for (place, name, refused) in misspelt {
        assert_eq!(refused.status, 422, "{refused:?}");
        let fault = &refused.json()["errors"][0];
        assert_eq!(fault[place], name, "{fault}");
        assert!(
            fault["detail"].as_str().unwrap().contains("deliver-webhook"),
            "{fault}"
        );
    }
    pause("deliver-webhook").await.expect(200);
    retry("deliver-webhook").await.expect(200);

    superuser
        .execute(
            "INSERT INTO jobs (tenant_id, id, queue, kind, payload, priority, state, attempts, finished_at)
             VALUES (gen_random_uuid(), gen_random_uuid(), 'webhooks', 'of-another-version', 'null', 1, 'dead', 3, now())",
        )
        .await
        .unwrap();
    pause("of-another-version").await.expect(200);
    assert_eq!(retry("of-another-version").await.expect(200)["retried"], 1);
}

#[tokio::test]
async fn where_not_all_jobs_are_looked_at_no_kind_is_called_misspelt() {
    let app = TestApp::start().await;
    let operator = app.operator("olga").await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    // The only one of its kind is behind all that are looked at.
    superuser
        .execute(
            "INSERT INTO jobs (tenant_id, id, queue, kind, payload, priority, state, attempts, finished_at)
             SELECT gen_random_uuid(), lpad(to_hex(n), 32, '0')::uuid, 'webhooks',
                    CASE n WHEN 1 THEN 'of-another-version' ELSE 'deliver-webhook' END, 'null', 1, 'completed', 1, now()
             FROM generate_series(1, 20001) AS n",
        )
        .await
        .unwrap();

    let body = json!({ "reason": "the receiver is down", "kind": "of-another-version" });
    operator
        .post(&format!("{JOBS}/webhooks/pause"), body)
        .await
        .expect(200);
}
