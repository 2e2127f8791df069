//! Every change leaves its event and its audit row, in the same transaction.

use serde_json::{Value, json};
use sqlx::Row as _;
use support::TestApp;
use support::database::DatabaseRole;

#[tokio::test]
async fn every_change_is_recorded_with_who_what_before_and_after() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let id = acme.lead("Ann").await;
    let path = format!("/api/v1/leads/{id}");
    acme.owner
        .patch(&path, json!({ "qualityScore": 50 }))
        .await
        .expect(200);
    acme.owner
        .patch(&path, json!({ "qualityScore": 50 }))
        .await
        .expect(200);
    assert_eq!(acme.owner.delete(&path).await.status.as_u16(), 204);

    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let events = sqlx::query(
        "SELECT type, actor, source, data FROM events WHERE aggregate_id = $1::uuid ORDER BY position",
    )
    .bind(&id)
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    let audit = sqlx::query(
        "SELECT action, actor, before, after FROM audit_log WHERE entity_id = $1::uuid ORDER BY id",
    )
    .bind(&id)
    .fetch_all(&mut superuser)
    .await
    .unwrap();

    let types: Vec<String> = events.iter().map(|event| event.get("type")).collect();
    assert_eq!(
        types,
        ["lead_created", "lead_updated", "lead_deleted"],
        "a change of nothing is no change"
    );
    let actor = format!("user:{}", acme.owner_id);
    assert!(
        events
            .iter()
            .all(|event| event.get::<String, _>("actor") == actor)
    );
    let updated: Value = events[1].get("data");
    assert_eq!(updated["qualityScore"], 50);
    let mut changed: Vec<&str> = updated["changed"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    changed.sort_unstable();
    assert_eq!(changed, ["qualityScore", "updatedAt", "version"]);
    let actions: Vec<String> = audit.iter().map(|row| row.get("action")).collect();
    assert_eq!(actions, ["lead_created", "lead_updated", "lead_deleted"]);
    let states: Vec<(Option<Value>, Option<Value>)> = audit
        .iter()
        .map(|row| (row.get("before"), row.get("after")))
        .collect();
    assert!(states[0].0.is_none() && states[0].1.is_some());
    assert_eq!(states[1].0.as_ref().unwrap()["qualityScore"], 0);
    assert_eq!(states[1].1.as_ref().unwrap()["qualityScore"], 50);
    assert!(states[2].0.is_some() && states[2].1.is_none());
}

#[tokio::test]
async fn a_refused_change_leaves_no_trace() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let path = format!("/api/v1/leads/{}", acme.lead("Ann").await);
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let count = "SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM audit_log) + (SELECT count(*) FROM activities)";
    let before: i64 = sqlx::query_scalar(count).fetch_one(&mut superuser).await.unwrap();

    acme.owner
        .patch(&path, json!({ "status": "QUALIFIED" }))
        .await
        .problem();
    acme.owner.patch(&path, json!({ "name": "" })).await.problem();
    acme.owner
        .post(
            "/api/v1/leads",
            json!({ "name": "x", "assignedTo": acme.owner_id }),
        )
        .await
        .problem();

    let after: i64 = sqlx::query_scalar(count).fetch_one(&mut superuser).await.unwrap();
    assert_eq!(after, before);
}
