//! Carriers.

use serde_json::json;
use support::TestApp;

#[tokio::test]
async fn a_carrier_is_created_listed_changed_and_deleted() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;

    let created = acme
        .owner
        .post("/api/v1/carriers", json!({ "name": "Acme Mutual" }))
        .await
        .expect(201);
    let path = format!("/api/v1/carriers/{}", created["id"].as_str().unwrap());
    let changed = acme
        .owner
        .patch(&path, json!({ "partnershipTier": "GOLD", "active": false }))
        .await
        .expect(200);

    assert_eq!(
        (&created["partnershipStatus"], &created["active"]),
        (&json!("PROSPECT"), &json!(true))
    );
    assert_eq!(
        (&changed["partnershipTier"], &changed["version"]),
        (&json!("GOLD"), &json!(2))
    );
    let active = acme.owner.get("/api/v1/carriers?active=true").await.expect(200);
    let gold = acme
        .owner
        .get("/api/v1/carriers?partnershipTier=GOLD")
        .await
        .expect(200);
    assert_eq!(active["items"], json!([]));
    assert_eq!(gold["items"], json!([changed]));
    assert_eq!(acme.owner.delete(&path).await.status.as_u16(), 204);
    assert_eq!(acme.owner.get(&path).await.problem(), "not-found");
}

#[tokio::test]
async fn a_name_is_unique_in_its_tenant_alone() {
    let app = TestApp::start().await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    let body = json!({ "name": "Acme Mutual" });

    acme.owner
        .post("/api/v1/carriers", body.clone())
        .await
        .expect(201);
    let other = acme
        .owner
        .post("/api/v1/carriers", json!({ "name": "Other" }))
        .await
        .expect(201);

    assert_eq!(
        acme.owner.post("/api/v1/carriers", body.clone()).await.problem(),
        "name-taken"
    );
    let path = format!("/api/v1/carriers/{}", other["id"].as_str().unwrap());
    assert_eq!(
        acme.owner.patch(&path, body.clone()).await.problem(),
        "name-taken"
    );
    umbrella.owner.post("/api/v1/carriers", body).await.expect(201);
}
