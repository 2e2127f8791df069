use fairlead_domain::clock::Clock as _;
use serde_json::{Value, json};
use support::TestApp;
use support::database::DatabaseRole;
use time::Duration;

use super::is_alive;

#[tokio::test]
async fn a_key_is_shown_once_and_recognised_by_its_prefix_later() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({ "name": "Website", "scopes": ["leads:write", "leads:read"], "expiresInDays": 30 });

    let response = acme.owner.post("/api/v1/tenant/api-keys", body).await;

    let created = response.expect(201);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    let key = created["key"].as_str().unwrap();
    assert!(key.starts_with("tk_"), "{key}");
    assert_eq!(created["prefix"], key[..12]);
    assert_eq!(created["scopes"], json!(["leads:read", "leads:write"]));
    let listed = acme.owner.get("/api/v1/tenant/api-keys").await;
    assert!(!String::from_utf8_lossy(&listed.body).contains(key));
    let item = &listed.expect(200)["items"][0];
    for field in ["id", "name", "prefix", "scopes", "createdAt", "expiresAt"] {
        assert_eq!(item[field], created[field], "{field}");
    }
    assert_eq!(item["createdBy"], acme.owner_id.as_str());
}

#[tokio::test]
async fn a_key_is_kept_as_a_hash_alone() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let key = acme.key(&["leads:read"]).await;

    let row: Value = sqlx::query_scalar("SELECT to_jsonb(k) FROM api_keys k")
        .fetch_one(&mut app.database.connect(DatabaseRole::System).await)
        .await
        .unwrap();

    assert_eq!(
        row["secret_hash"].as_str().unwrap().len(),
        "\\x".len() + 64,
        "SHA-256: {row}"
    );
    assert!(!row.to_string().contains(&key[12..]));
}

#[tokio::test]
async fn a_key_may_what_its_scopes_say() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let reader = acme.machine(&["leads:read"]).await;

    let read = reader.get("/api/v1/leads").await;
    let write = reader.post("/api/v1/leads", json!({ "name": "Ann" })).await;

    read.expect(200);
    assert_eq!(
        (write.status.as_u16(), write.problem()),
        (403, "not-permitted".to_owned())
    );
}

#[tokio::test]
async fn a_key_is_of_one_tenant() {
    let app = TestApp::start().await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    let lead = acme.lead("Ann").await;
    let machine = umbrella.machine(&["leads:read"]).await;

    let listed = machine.get("/api/v1/leads").await.expect(200);

    assert_eq!(listed["items"], json!([]));
    assert_eq!(machine.get(&format!("/api/v1/leads/{lead}")).await.status, 404);
}

#[tokio::test]
async fn a_key_expires() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({ "name": "Website", "scopes": ["leads:read"], "expiresInDays": 1 });
    let created = acme.owner.post("/api/v1/tenant/api-keys", body).await.expect(201);
    let machine = app.anonymous().with_key(created["key"].as_str().unwrap());

    app.clock.advance(Duration::hours(23));
    let within = is_alive(&machine).await;
    app.clock.advance(Duration::hours(1));
    let behind = is_alive(&machine).await;

    assert!(within && !behind);
}

#[tokio::test]
async fn a_revoked_key_is_refused_at_once_and_listed_as_revoked() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let machine = acme.machine(&["leads:read"]).await;
    assert!(is_alive(&machine).await);
    let id = acme.owner.get("/api/v1/tenant/api-keys").await.expect(200)["items"][0]["id"].clone();
    let path = format!("/api/v1/tenant/api-keys/{}", id.as_str().unwrap());

    acme.owner.delete(&path).await.expect(204);

    assert!(!is_alive(&machine).await);
    acme.owner.delete(&path).await.expect(204);
    let listed = acme.owner.get("/api/v1/tenant/api-keys").await.expect(200);
    assert!(listed["items"][0]["revokedAt"].is_string(), "{listed}");
}

#[tokio::test]
async fn it_is_noted_to_the_minute_when_a_key_was_used() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let machine = acme.machine(&["leads:read"]).await;
    let last_used = async || {
        acme.owner.get("/api/v1/tenant/api-keys").await.expect(200)["items"][0]["lastUsedAt"].clone()
    };
    assert_eq!(last_used().await, Value::Null);
    let into_the_minute = app.clock.now().second();
    app.clock
        .advance(Duration::seconds(60 - i64::from(into_the_minute)));

    machine.get("/api/v1/leads").await.expect(200);
    let first = last_used().await;
    app.clock.advance(Duration::seconds(20));
    machine.get("/api/v1/leads").await.expect(200);
    let soon_after = last_used().await;
    app.clock.advance(Duration::seconds(60));
    machine.get("/api/v1/leads").await.expect(200);
    let later = last_used().await;

    assert!(first.is_string());
    assert_eq!(soon_after, first);
    assert!(later.as_str() > first.as_str(), "{later} after {first}");
}

#[tokio::test]
async fn two_credentials_at_once_are_one_too_many() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let key = acme.key(&["leads:read"]).await;

    let request = acme
        .owner
        .request(reqwest::Method::GET, "/api/v1/leads")
        .header("x-tenant-key", key);
    let response = acme.owner.send(request).await;

    assert_eq!(
        (response.status.as_u16(), response.problem()),
        (400, "malformed-request".to_owned())
    );
}

#[tokio::test]
async fn a_key_that_makes_no_sense_is_not_made() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;

    for (body, pointer) in [
        (json!({ "name": "", "scopes": ["leads:read"] }), "/name"),
        (json!({ "name": "a key", "scopes": [] }), "/scopes"),
        (
            json!({ "name": "a key", "scopes": ["leads:read"], "expiresInDays": 0 }),
            "/expiresInDays",
        ),
    ] {
        let response = acme.owner.post("/api/v1/tenant/api-keys", body).await;

        assert_eq!(response.expect(422)["errors"][0]["pointer"], pointer);
    }
}
