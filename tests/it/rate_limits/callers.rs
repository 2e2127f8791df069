//! Limits of tenants, of API keys, and of operations.

use std::time::Duration;

use serde_json::json;
use support::{TestApp, wait_until};

use super::{LIST, left, limited, passing};
use crate::events::socket_client::Socket;

const SEARCH: &str = "/api/v1/leads/search?q=ann";

#[tokio::test]
async fn a_tenant_that_has_used_its_requests_up_is_told_so_and_when_to_come_back() {
    let app = limited(|limits| limits.tenant = 3).await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);

    let first = acme.owner.get(LIST).await;
    assert_eq!(first.status, 200);
    assert_eq!(first.header("ratelimit-policy"), Some("\"tenant\";q=3;w=3600"));
    assert_eq!(first.header("ratelimit"), Some("\"tenant\";r=2;t=1200"));
    assert_eq!(passing(&acme.owner, LIST, 5).await, 2);
    let refused = acme.owner.get(LIST).await;

    assert_eq!(
        (refused.status.as_u16(), &*refused.problem()),
        (429, "rate-limited")
    );
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1_190..=1_200).contains(&wait), "{refused:?}");
    assert_eq!(left(&refused), ("tenant".to_owned(), 0));
    let detail = refused.json()["detail"].to_string();
    assert!(
        detail.contains("`tenant`") && detail.contains("3 requests of one tenant within 3600 s"),
        "{detail}"
    );
    // Others go on, and so does whoever looks after it all.
    umbrella.owner.get(LIST).await.expect(200);
    let operator = app.operator("ops").await;
    assert_eq!(
        passing(&operator, "/api/v1/performance/circuit-breakers", 10).await,
        10
    );
    assert_eq!(passing(&acme.owner, "/api/v1/health", 10).await, 10);
}

#[tokio::test]
async fn what_is_said_by_a_web_socket_counts_as_well() {
    let app = limited(|limits| limits.tenant = 4).await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    let mut socket = Socket::open(&acme.owner).await;
    let mut answers = Vec::new();
    let say = json!({ "type": "subscribe", "events": ["lead_created"] });

    for message in [&say, &say, &say, &say, &json!({ "type": "ping" })] {
        socket.say(message).await;
        let told = socket.told().await;
        let problem = told["data"]["type"].as_str().unwrap_or_default().to_owned();
        answers.push((told["type"].as_str().unwrap().to_owned(), problem));
    }

    let told: Vec<&str> = answers.iter().map(|(kind, _)| &**kind).collect();
    assert_eq!(told, ["subscribed", "subscribed", "subscribed", "error", "pong"]);
    assert!(answers[3].1.ends_with("rate-limited"), "{answers:?}");
    assert_eq!(acme.owner.get(LIST).await.status, 429);
    Socket::follow(&umbrella.owner, &[], None).await;
}

#[tokio::test]
async fn requests_come_back_with_time() {
    let app = limited(|limits| {
        limits.tenant = 2;
        limits.window = Duration::from_secs(2);
    })
    .await;
    let acme = app.tenant("acme").await;
    wait_until("the quota is used up", async || {
        acme.owner.get(LIST).await.status == 429
    })
    .await;

    wait_until("one comes back", async || {
        acme.owner.get(LIST).await.status == 200
    })
    .await;
}

#[tokio::test]
async fn a_key_that_asks_too_often_uses_up_its_own_and_no_more_of_its_tenants() {
    let app = limited(|limits| {
        limits.tenant = 20;
        limits.api_key = 2;
    })
    .await;
    let acme = app.tenant("acme").await;
    let machine = acme.machine(&["leads:read", "tenant:read"]).await;
    let other = acme.machine(&["leads:read"]).await;

    let first = machine.get(LIST).await;
    assert_eq!(
        first.header("ratelimit-policy"),
        Some("\"tenant\";q=20;w=3600, \"apiKey\";q=2;w=3600")
    );
    assert_eq!(left(&first), ("apiKey".to_owned(), 1));
    assert_eq!(passing(&machine, LIST, 10).await, 1);

    assert_eq!(passing(&other, LIST, 1).await, 1);
    // Two keys were made, and three requests came by them.
    assert_eq!(left(&acme.owner.get(LIST).await), ("tenant".to_owned(), 14));
}

#[tokio::test]
async fn an_operation_that_costs_much_has_a_limit_of_its_own_however_its_path_is_written() {
    let app = limited(|limits| {
        limits.operations.insert("search_leads".to_owned(), 1);
        limits.operations.insert("score_lead".to_owned(), 1);
    })
    .await;
    let acme = app.tenant("acme").await;
    let lead = acme.lead("Ann").await;

    let first = acme.owner.get(SEARCH).await;
    assert_eq!(first.status, 200);
    assert_eq!(first.header("ratelimit"), Some("\"searchLeads\";r=0;t=3600"));
    assert_eq!(passing(&acme.owner, SEARCH, 3).await, 0);
    assert_eq!(passing(&acme.owner, "/api/v1/leads/%73earch?q=ann", 3).await, 0);
    assert_eq!(passing(&acme.owner, LIST, 3).await, 3);
    let score = format!("/api/v1/leads/{lead}/score");
    acme.owner.post(&score, json!({})).await.expect(200);
    let second = acme.owner.post(&score, json!({})).await;
    assert_eq!(
        (second.status.as_u16(), left(&second).0),
        (429, "scoreLead".to_owned())
    );
}

#[tokio::test]
async fn a_request_that_one_limit_refuses_uses_nothing_up_of_the_others() {
    let app = limited(|limits| {
        limits.api_key = 1;
        limits.operations.insert("search_leads".to_owned(), 5);
    })
    .await;
    let acme = app.tenant("acme").await;
    let machine = acme.machine(&["leads:read"]).await;

    assert_eq!(passing(&machine, SEARCH, 4).await, 1);

    let rates = acme.owner.get("/api/v1/limits").await.expect(200)["rates"].clone();
    assert_eq!(
        (&rates[0]["name"], &rates[0]["remaining"]),
        (&json!("searchLeads"), &json!(4))
    );
}

#[tokio::test]
async fn an_answer_that_says_that_nothing_has_changed_costs_nothing() {
    let app = limited(|limits| limits.tenant = 4).await;
    let acme = app.tenant("acme").await;
    let lead = format!("/api/v1/leads/{}", acme.lead("Ann").await);
    let shown = acme.owner.get(&lead).await;
    let tag = shown.header("etag").unwrap();

    for _ in 0..10 {
        let request = acme.owner.request(reqwest::Method::GET, &lead);
        let response = acme.owner.send(request.header("if-none-match", tag)).await;
        assert_eq!(response.status, 304, "{response:?}");
        assert_eq!(left(&response), ("tenant".to_owned(), 2));
    }

    // Both ways to a kept answer: as it is asked first, and by the short way after that.
    assert_eq!(passing(&acme.owner, &lead, 5).await, 2);
}

#[tokio::test]
async fn in_shadow_everybody_passes_and_is_told_nothing_and_operators_see_whom_limits_would_hit() {
    let app = limited(|limits| {
        limits.shadow = true;
        limits.tenant = 1;
    })
    .await;
    let acme = app.tenant("acme").await;

    assert_eq!(passing(&acme.owner, LIST, 5).await, 5);

    let shown = acme.owner.get(LIST).await;
    assert_eq!(
        (shown.header("ratelimit"), shown.header("ratelimit-policy")),
        (None, None)
    );
    assert_eq!(refused(&app, "tenant", "shadow").await, 5);
}

#[tokio::test]
async fn what_is_refused_is_counted() {
    let app = limited(|limits| limits.tenant = 1).await;
    let acme = app.tenant("acme").await;

    passing(&acme.owner, LIST, 4).await;

    assert_eq!(refused(&app, "tenant", "refuse").await, 3);
    assert_eq!(refused(&app, "address", "refuse").await, 0);
}

async fn refused(app: &TestApp, scope: &str, enforcement: &str) -> u64 {
    let page = reqwest::get(app.metrics_url())
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let series = format!("rate_limited_total{{scope=\"{scope}\",enforcement=\"{enforcement}\"}} ");
    let line = page.lines().find_map(|line| line.strip_prefix(&series));
    line.unwrap_or_else(|| panic!("no {series} in {page}"))
        .parse()
        .unwrap()
}

#[tokio::test]
async fn a_caller_can_see_how_often_it_may_ask_and_what_is_left() {
    let app = limited(|limits| {
        limits.tenant = 100;
        limits.api_key = 10;
        limits.operations.insert("search_leads".to_owned(), 5);
    })
    .await;
    let acme = app.tenant("acme").await;
    let machine = acme.machine(&["leads:read", "tenant:read"]).await;
    machine.get(SEARCH).await.expect(200);

    let rates = machine.get("/api/v1/limits").await.expect(200)["rates"].clone();

    let told = rates.as_array().unwrap().iter().map(|rate| {
        json!([
            rate["name"],
            rate["requests"],
            rate["remaining"],
            rate["windowSeconds"],
            rate["resetSeconds"]
        ])
    });
    // Its key was made, it has searched, and asks this.
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            json!(["tenant", 100, 97, 3600, 108]),
            json!(["apiKey", 10, 8, 3600, 720]),
            json!(["searchLeads", 5, 4, 3600, 720]),
        ]
    );
}

#[tokio::test]
async fn limits_can_be_switched_off() {
    let app = limited(|limits| {
        limits.enabled = false;
        limits.tenant = 1;
    })
    .await;
    let acme = app.tenant("acme").await;

    assert_eq!(passing(&acme.owner, LIST, 5).await, 5);

    let limits = acme.owner.get("/api/v1/limits").await;
    assert_eq!(limits.header("ratelimit"), None);
    assert_eq!(limits.expect(200)["rates"], json!([]));
}

#[tokio::test]
async fn operators_see_who_asks_too_often() {
    let app = limited(|limits| limits.tenant = 2).await;
    let acme = app.tenant("acme").await;
    let id = acme.owner.get("/api/v1/tenant").await.expect(200)["id"].clone();
    assert_eq!(passing(&acme.owner, LIST, 5).await, 1);

    let operator = app.operator("ops").await;
    let view = operator.get("/api/v1/performance/rate-limits").await.expect(200);

    assert_eq!(view["refused"], json!({"tenant": 4}));
    let most = json!([{"limit": "tenant", "tenantId": id, "apiKeyId": null, "network": null, "refused": 4}]);
    assert_eq!(view["mostRefused"], most);
}
