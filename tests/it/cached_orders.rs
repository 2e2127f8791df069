//! What operators may order of the cache is bounded, and who orders something else is told which field it is and what
//! would be right.

use serde_json::{Value, json};
use support::{Client, TestApp};

use super::cached_reads::source;

const WARM: &str = "/api/v1/performance/cache/warm";
const INVALIDATE: &str = "/api/v1/performance/cache/invalidate";

/// The only fault of an order that is refused: where it is, and what would be right.
async fn refusal(operator: &Client, path: &str, order: &Value) -> (String, String) {
    let answer = operator.post(path, order.clone()).await;
    assert_eq!(answer.problem(), "invalid-input", "{answer:?}");
    let problem = answer.expect(422);
    let faults = problem["errors"].as_array().unwrap();
    assert_eq!(faults.len(), 1, "{problem}");
    let text = |name: &str| faults[0][name].as_str().unwrap().to_owned();
    (text("pointer"), text("detail"))
}

fn many(text: &str, count: usize) -> Vec<&str> {
    vec![text; count]
}

/// A key of so many characters, of which most take two bytes.
fn key(length: usize) -> String {
    let begin = "leads.list?q=";
    format!("{begin}{}", "ä".repeat(length - begin.len()))
}

#[tokio::test]
async fn an_order_to_warm_is_as_large_as_the_specification_says_and_no_larger() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    for most in [
        json!({ "tenantId": acme.id, "datasets": many("statistics", 20) }),
        json!({ "tenantId": acme.id, "keys": many("leads.statistics?", 1_000) }),
        json!({ "tenantId": acme.id, "keys": [key(10_000)] }),
    ] {
        operator.post(WARM, most).await.expect(200);
    }

    for (more, pointer, detail) in [
        (
            json!({ "datasets": many("statistics", 21) }),
            "/datasets",
            "must have at most 20 items, unlike 21",
        ),
        (
            json!({ "keys": many("leads.statistics?", 1_001) }),
            "/keys",
            "must have at most 1000 items, unlike 1001",
        ),
        (
            json!({ "keys": ["leads.statistics?", key(10_001)] }),
            "/keys/1",
            "must have at most 10000 characters",
        ),
        (
            json!({ "keys": ["leads.statistics?", "leads"] }),
            "/keys/1",
            "must be of the form leads.list?status=NEW",
        ),
        (
            json!({ "datasets": ["statistics", "weather"] }),
            "/datasets/1",
            "must be one of recent-leads, statistics, agents, carriers, metadata",
        ),
        (
            json!({ "datasets": ["statistics"], "keys": ["leads.statistics?"] }),
            "",
            "must have at most one of datasets, keys and learned",
        ),
    ] {
        let told = refusal(&operator, WARM, &more).await;
        assert_eq!(told, (pointer.to_owned(), detail.to_owned()));
    }
}

/// Answers are loaded: one that an operator brings along would be believed though it may be old.
#[tokio::test]
async fn keys_are_warmed_and_values_refused() {
    let app = TestApp::start().await;
    let operator = app.operator("olga").await;
    let entries = json!({ "entries": [{ "key": "leads.statistics?", "value": { "total": 7 }, "ttl": 60 }] });

    let (pointer, detail) = refusal(&operator, WARM, &entries).await;

    assert_eq!(pointer, "/entries");
    assert!(detail.contains("`keys`"), "{detail}");
}

#[tokio::test]
async fn an_order_to_invalidate_is_as_long_as_the_specification_says_and_no_longer() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    let longest = json!({ "tenantId": acme.id, "key": key(10_000) });
    operator.post(INVALIDATE, longest).await.expect(200);

    for (field, most) in [
        ("tag", 100),
        ("namespace", 100),
        ("key", 10_000),
        ("pattern", 200),
    ] {
        let too_long = json!({ "tenantId": acme.id, field: key(most + 1) });
        let told = refusal(&operator, INVALIDATE, &too_long).await;
        let detail = format!("must have at most {most} characters");
        assert_eq!(told, (format!("/{field}"), detail));
        let empty = json!({ "tenantId": acme.id, field: "" });
        let (pointer, detail) = refusal(&operator, INVALIDATE, &empty).await;
        assert_eq!(pointer, format!("/{field}"));
        assert!(detail.starts_with("must be "), "{detail}");
    }
}

#[tokio::test]
async fn a_key_to_explain_is_as_long_as_the_specification_says_and_no_longer() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    let explain = |length: usize| {
        let key = format!("leads.list?q={}", "a".repeat(length - 13));
        let path = format!(
            "/api/v1/performance/cache/explain?tenantId={}&key={}",
            acme.id,
            key.replace('?', "%3F").replace('=', "%3D")
        );
        let operator = operator.clone();
        async move { operator.get(&path).await }
    };
    explain(8_000).await.expect(200);

    let refused = explain(8_001).await;

    assert_eq!(refused.problem(), "invalid-input");
    let fault = &refused.expect(422)["errors"][0];
    assert_eq!(fault["detail"], "must have at most 8000 characters", "{fault}");
}

/// Recent leads, agents and who of them is available, how carriers perform, and what else everybody asks for.
#[tokio::test]
async fn what_is_critical_is_there_before_it_is_asked_for() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    acme.lead("Ann").await;
    acme.agent("agent@acme.test", json!({ "maxOpenLeads": 9 })).await;
    let carrier = json!({ "name": "Mutual", "performanceScore": 87 });
    acme.owner.post("/api/v1/carriers", carrier).await.expect(201);

    let warmed = operator
        .post(WARM, json!({ "tenantId": acme.id }))
        .await
        .expect(200);

    let names = warmed["datasets"].as_array().unwrap().iter();
    let names: Vec<_> = names.map(|dataset| dataset["name"].as_str().unwrap()).collect();
    let by_priority = ["recent-leads", "statistics", "agents", "carriers", "metadata"];
    assert_eq!(names, by_priority);
    for path in [
        "/api/v1/leads",
        "/api/v1/leads?status=NEW",
        "/api/v1/leads?status=NEW&limit=50",
        "/api/v1/leads/statistics",
        "/api/v1/agents",
        "/api/v1/agents?available=true",
        "/api/v1/carriers",
        "/api/v1/carriers?active=true",
        "/api/v1/tenant",
        "/api/v1/users",
    ] {
        assert_eq!(source(&acme.owner.get(path).await), "l1", "{path}");
    }
    let carriers = acme.owner.get("/api/v1/carriers?active=true").await.expect(200);
    assert_eq!(carriers["items"][0]["performanceScore"], 87);
}
