//! Lists of jobs that few of many are wanted of.

use serde_json::{Value, json};
use sqlx::{Executor as _, PgConnection};
use support::TestApp;
use support::database::DatabaseRole;

const JOBS: &str = "/api/v1/performance/jobs";

/// So many jobs of a queue that nobody works on here, with ids that are newer than any that begins with zeros.
async fn fill(database: &mut PgConnection, state: &str, kind: &str, id: &str, count: u32) {
    sqlx::query(
        "INSERT INTO jobs (tenant_id, id, queue, kind, payload, priority, state, attempts, fault, finished_at)
         SELECT gen_random_uuid(), ($1 || right(gen_random_uuid()::text, -8))::uuid, 'lead-processing', $2, 'null', 1, $3, 3,
                'lead ' || n || ' is locked', now() - n * interval '1 second'
         FROM generate_series(1, $4) AS n",
    )
    .bind(id)
    .bind(kind)
    .bind(state)
    .bind(i32::try_from(count).unwrap())
    .execute(database)
    .await
    .unwrap();
}

#[tokio::test]
async fn few_of_many_jobs_are_found_by_pages_that_look_at_a_bounded_number_each() {
    let app = TestApp::start().await;
    let operator = app.operator("olga").await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    fill(&mut superuser, "completed", "rare", "00000000", 1).await;
    fill(&mut superuser, "dead", "old", "00000000", 3).await;
    fill(&mut superuser, "completed", "usual", "99999999", 20_010).await;
    superuser.execute("ANALYZE jobs").await.unwrap();

    let path = format!("{JOBS}?queue=lead-processing&kind=rare");
    let first = operator.get(&path).await.expect(200);
    assert_eq!(
        (&first["items"], &first["hasMore"]),
        (&json!([]), &json!(true)),
        "not all of them were looked at"
    );
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = operator.get(&format!("{path}&cursor={cursor}")).await.expect(200);
    assert_eq!(second["items"][0]["kind"], "rare");
    assert_eq!(
        (&second["hasMore"], &second["nextCursor"]),
        (&json!(false), &Value::Null)
    );

    let dead = operator
        .get(&format!("{JOBS}?queue=lead-processing&state=dead&limit=2"))
        .await
        .expect(200);
    assert_eq!(dead["items"].as_array().unwrap().len(), 2, "however old they are");
    assert_eq!(dead["hasMore"], true);
}

#[tokio::test]
async fn the_last_ten_thousand_dead_letters_are_grouped_on_the_first_page() {
    let app = TestApp::start().await;
    let operator = app.operator("olga").await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    fill(&mut superuser, "dead", "usual", "99999999", 10_000).await;
    let path = format!("{JOBS}/lead-processing/dead-letter?limit=1");

    let all = operator.get(&path).await.expect(200);
    fill(&mut superuser, "dead", "usual", "99999999", 1).await;
    let most = operator.get(&path).await.expect(200);
    let cursor = most["nextCursor"].as_str().unwrap();
    let second = operator.get(&format!("{path}&cursor={cursor}")).await.expect(200);

    assert_eq!(all["groupsTruncated"], false);
    assert_eq!(
        (&most["groupsTruncated"], &most["groups"][0]["jobs"]),
        (&json!(true), &json!(10_000))
    );
    assert_eq!(most["groups"][0]["fault"], "lead # is locked");
    assert_eq!(second["groups"], Value::Null);
    assert_eq!(second["items"].as_array().unwrap().len(), 1);
}
