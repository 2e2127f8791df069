//! What operators see of the services that are called, and do about them.

use serde_json::{Value, json};
use support::database::DatabaseRole;
use support::provider::Provider;
use support::{TestApp, wait_until};

use super::bench::{BREAKERS, breaker, calls};

/// What operators have done, as the audit log has it.
async fn audited(app: &TestApp) -> Vec<String> {
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    sqlx::query_scalar(
        "SELECT concat_ws(' ', action, actor, after ->> 'name', after ->> 'reason')
         FROM audit_log WHERE entity_type = 'circuit_breaker' AND tenant_id = entity_id ORDER BY id",
    )
    .fetch_all(&mut superuser)
    .await
    .unwrap()
}

#[tokio::test]
async fn what_is_not_configured_has_no_breaker() {
    let app = TestApp::start().await;
    let operator = app.operator("olga").await;

    assert_eq!(operator.get(BREAKERS).await.expect(200), json!({ "items": [] }));
    let reason = json!({ "reason": "a test" });
    let opened = operator.post(&format!("{BREAKERS}/ai/open"), reason).await;
    assert_eq!(opened.problem(), "not-found");
}

#[tokio::test]
async fn an_operator_opens_a_breaker_with_a_reason_and_closes_it() {
    let provider = Provider::start().await;
    let app = TestApp::start_with(calls(&provider)).await;
    let operator = app.operator("olga").await;
    let (open, close) = (format!("{BREAKERS}/ai/open"), format!("{BREAKERS}/ai/close"));
    assert_eq!(breaker(&operator).await["state"], "closed");

    let opened = operator
        .post(&open, json!({ "reason": "it bills twice" }))
        .await
        .expect(200);
    assert_eq!(opened, breaker(&operator).await);
    wait_until("the health of the process tells of it", async || {
        let health = app.anonymous().get("/health/ready").await.expect(200);
        health["reduced"]
            .to_string()
            .contains("the service ai is not called")
    })
    .await;
    assert_eq!(
        (&opened["name"], &opened["state"], &opened["nextProbeAt"]),
        (&json!("ai"), &json!("open"), &Value::Null)
    );
    assert_eq!(
        (&opened["held"]["operator"], &opened["held"]["reason"]),
        (&json!("olga"), &json!("it bills twice"))
    );
    let closed = operator
        .post(&close, json!({ "reason": "it does not" }))
        .await
        .expect(200);
    assert_eq!(
        (&closed["state"], &closed["held"]),
        (&json!("closed"), &Value::Null)
    );

    assert_eq!(
        audited(&app).await,
        [
            "circuit_breaker_opened operator:olga ai it bills twice",
            "circuit_breaker_closed operator:olga ai it does not"
        ]
    );

    let until = json!({ "reason": "it is repaired", "until": "2999-01-01T00:00:00Z" });
    let opened = operator.post(&open, until).await.expect(200);
    assert_eq!(opened["nextProbeAt"], "2999-01-01T00:00:00Z");
    let past = json!({ "reason": "too late", "until": "2020-01-01T00:00:00Z" });
    let refused = operator.post(&open, past).await;
    assert_eq!(refused.problem(), "invalid-input");
    let silent = operator.post(&close, json!({ "reason": " " })).await;
    assert_eq!(silent.problem(), "invalid-input");
}

#[tokio::test]
async fn prometheus_is_told_how_services_fare() {
    let provider = Provider::start().await;
    let app = TestApp::start_with(calls(&provider)).await;
    let operator = app.operator("olga").await;
    let reason = json!({ "reason": "a test" });
    operator
        .post(&format!("{BREAKERS}/ai/open"), reason)
        .await
        .expect(200);

    let page = reqwest::get(app.metrics_url())
        .await
        .unwrap()
        .text()
        .await
        .unwrap();

    for line in [
        "circuit_breaker_state{upstream=\"ai\",state=\"open\"} 1",
        "circuit_breaker_state{upstream=\"ai\",state=\"closed\"} 0",
        "circuit_breaker_opened_total{upstream=\"ai\"} 0",
        "upstream_calls_total{upstream=\"ai\",outcome=\"timed-out\"} 0",
    ] {
        assert!(page.contains(line), "{line}: {page}");
    }
}
