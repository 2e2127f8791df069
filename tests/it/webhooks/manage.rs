//! Webhooks are made, changed and deleted, and what was done about them is told.

use serde_json::{Value, json};
use support::database::DatabaseRole;
use support::{Receiver, TestApp, wait_until};

use super::bench::{WEBHOOKS, deliveries, events, make, post, start, until_newest, until_received};

#[tokio::test]
async fn a_webhook_is_made_read_changed_and_deleted() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({"url": "https://Example.com/hook?key=of-theirs", "description": "Our CRM", "events": ["lead_created"]});
    let made = acme.owner.post(WEBHOOKS, body).await;
    let webhook = made.expect(201);
    let path = format!("{WEBHOOKS}/{}", webhook["id"].as_str().unwrap());

    assert_eq!(made.header("location"), Some(path.as_str()));
    let tag = made.header("etag").unwrap();
    assert!(tag.starts_with("\"1.@"), "{tag}");
    assert_eq!(made.header("cache-control"), Some("no-store"));
    assert_eq!(webhook["url"], "https://example.com/hook?key=of-theirs");
    let read = acme.owner.get(&path).await;
    let mut expected = webhook.clone();
    expected.as_object_mut().unwrap().remove("secret").unwrap();
    assert_eq!(read.expect(200), expected);
    assert_eq!(read.header("etag"), Some(tag));
    assert_eq!(
        acme.owner.get(WEBHOOKS).await.expect(200)["items"],
        json!([expected])
    );

    let request = acme
        .owner
        .request(reqwest::Method::PATCH, &path)
        .header("if-match", "\"7\"");
    let stale = acme.owner.send(request.json(&json!({"enabled": false}))).await;
    assert_eq!(stale.problem(), "stale-version");
    let wanted = json!({"events": null, "description": null, "url": "https://example.org/"});
    let changed = acme.owner.patch(&path, wanted).await;
    let second = changed.header("etag").unwrap().to_owned();
    assert!(second.starts_with("\"2.@"), "{second}");
    let changed = changed.expect(200);
    assert_eq!(
        (&changed["events"], &changed["description"]),
        (&Value::Null, &Value::Null)
    );
    let same = acme.owner.patch(&path, json!({"enabled": true})).await;
    assert_eq!(same.header("etag"), Some(second.as_str()), "nothing has changed");
    for refused in [
        json!({"events": []}),
        json!({"events": ["lead_invented"]}),
        json!({"description": ""}),
    ] {
        assert_eq!(acme.owner.patch(&path, refused).await.problem(), "invalid-input");
    }
    acme.owner.delete(&path).await.expect(204);
    assert_eq!(acme.owner.get(&path).await.status, 404);

    let mut told = Vec::new();
    wait_until("all can be read", async || {
        told = events(&acme.owner, "&aggregateType=webhook").await;
        told.len() >= 3
    })
    .await;
    let types: Vec<&str> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["webhook_created", "webhook_updated", "webhook_deleted"]);
    assert_eq!(
        told[0]["data"]["origin"], "https://example.com",
        "what stands behind the host may be a secret"
    );
    assert_eq!(
        told[1]["data"]["changed"],
        json!(["description", "events", "origin", "version"])
    );
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let audited: Vec<String> =
        sqlx::query_scalar("SELECT action FROM audit_log WHERE entity_type = 'webhook' ORDER BY id")
            .fetch_all(&mut superuser)
            .await
            .unwrap();
    assert_eq!(audited, types);
}

#[tokio::test]
async fn a_tenant_has_as_many_webhooks_as_it_may() {
    let app = TestApp::start_with(|config| config.webhooks.max_per_tenant = 2).await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    let body = json!({"url": "https://example.com/"});
    make(&acme.owner, "https://example.com/", json!({})).await;
    make(&acme.owner, "https://example.com/", json!({"enabled": false})).await;

    let refused = acme.owner.post(WEBHOOKS, body.clone()).await;

    assert_eq!(refused.problem(), "limit-reached");
    umbrella.owner.post(WEBHOOKS, body).await.expect(201);
    let limits = acme.owner.get("/api/v1/limits").await.expect(200);
    let limit = limits["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|limit| limit["name"] == "webhooks");
    let limit = limit.unwrap();
    assert_eq!((&limit["maximum"], &limit["current"]), (&json!(2), &json!(2)));
}

#[tokio::test]
async fn deliveries_are_listed_by_state_page_by_page_and_cleared_away_by_age() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let webhook = make(
        &acme.owner,
        &receiver.url("/"),
        json!({"events": ["lead_created"]}),
    )
    .await;
    for name in ["Ann", "Bob", "Cid"] {
        acme.lead(name).await;
        until_newest(&acme.owner, &webhook, "SUCCEEDED").await;
    }
    until_received(&receiver, 3).await;
    receiver.reply(support::Reply::Status(400));
    post(&acme.owner, &format!("{}/ping", webhook.path))
        .await
        .expect(202);
    until_newest(&acme.owner, &webhook, "FAILED").await;

    let path = format!("{}/deliveries", webhook.path);
    let list = async |query: &str| acme.owner.get(&format!("{path}{query}")).await.expect(200);
    let kinds = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items
            .map(|item| item["eventType"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(kinds(&list("?state=FAILED").await), ["webhook_pinged"]);
    assert_eq!(kinds(&list("?state=PENDING").await), Vec::<String>::new());
    let first = list("?limit=2").await;
    assert_eq!(kinds(&first), ["webhook_pinged", "lead_created"]);
    let cursor = first["nextCursor"].as_str().unwrap();
    assert_eq!(
        kinds(&list(&format!("?limit=2&cursor={cursor}")).await),
        ["lead_created", "lead_created"]
    );
    assert_eq!(
        acme.owner.get(&format!("{path}?state=LOST")).await.problem(),
        "invalid-input"
    );

    let operator = app.operator("olga").await;
    let often = json!({
        "name": "clear-webhook-deliveries", "queue": "maintenance", "kind": "clear-webhook-deliveries",
        "cron": "* * * * * *",
    });
    operator
        .post("/api/v1/performance/jobs/schedule", often)
        .await
        .expect(200);
    app.clock.advance(time::Duration::days(31));
    let owner = acme.log_in().await;
    wait_until("old deliveries are cleared away", async || {
        deliveries(&owner, &webhook).await.is_empty()
    })
    .await;
}

#[tokio::test]
async fn metrics_tell_of_deliveries() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let webhook = make(
        &acme.owner,
        &receiver.url("/"),
        json!({"events": ["lead_created"]}),
    )
    .await;
    receiver.reply_next([support::Reply::Status(500)]);
    acme.lead("Ann").await;
    until_newest(&acme.owner, &webhook, "SUCCEEDED").await;

    let page = async || {
        reqwest::get(app.metrics_url())
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
    };
    wait_until("it is counted", async || {
        page()
            .await
            .contains("webhook_deliveries_total{outcome=\"succeeded\"} 1")
    })
    .await;

    let page = page().await;
    for line in [
        "webhook_deliveries_total{outcome=\"retried\"} 1",
        "webhook_deliveries_total{outcome=\"failed\"} 0",
        "webhooks_disabled_total 0",
        "webhook_attempt_seconds_count 2",
        "webhook_wait_seconds_count 1",
    ] {
        assert!(page.lines().any(|told| told == line), "{line}");
    }
    let labels = page
        .lines()
        .filter(|line| line.starts_with("webhook"))
        .all(|line| !line.contains(&webhook.id));
    assert!(labels);
}
