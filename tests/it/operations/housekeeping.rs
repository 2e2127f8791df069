//! What is left behind, and when it is cleared away.

use sqlx::{AssertSqlSafe, Executor as _};
use support::database::DatabaseRole;
use support::{TestApp, wait_until};

use super::{events_of, id, import, location};

#[tokio::test]
async fn what_nobody_does_any_more_is_given_up_and_cleared_away() {
    let app = TestApp::start_with(|config| config.jobs.imports.concurrency = 0).await;
    let acme = app.tenant("acme").await;
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    let file = "name\nAnn\n";
    let mut operations = Vec::new();
    for _ in 0..6 {
        operations.push(location(&import(&acme.owner, "", file).await));
    }
    let [dead, asked, old, failed, lately, waits] = operations.try_into().unwrap();
    acme.owner.delete(&old).await.expect(200);
    let failing = |operation: &str, hours: u8| {
        format!(
            "UPDATE operations SET state = 'failed', error = 'why', finished_at = now() - interval '{hours} hours'
             WHERE id = '{}'",
            id(operation)
        )
    };
    for change in [
        // Their last attempts were cut off.
        format!(
            "UPDATE jobs SET state = 'dead', finished_at = now() WHERE unique_key IN ('{}', '{}')",
            id(&dead),
            id(&asked)
        ),
        format!(
            "UPDATE operations SET state = 'running', started_at = now(), cancel_requested = true WHERE id = '{}'",
            id(&asked)
        ),
        failing(&failed, 25),
        failing(&lately, 23),
        format!(
            "UPDATE operations SET finished_at = now() - interval '31 days' WHERE id = '{}'",
            id(&old)
        ),
        "UPDATE operation_inputs SET created_at = now() - interval '2 hours'".to_owned(),
        // An upload whose server is gone, and one that goes on slowly.
        format!(
            "INSERT INTO operation_inputs (tenant_id, id, operation_id, number, size_bytes, content, created_at)
             SELECT '{}', gen_random_uuid(), upload, number, 0, '', now() - age
             FROM (VALUES (gen_random_uuid(), 0, interval '2 hours'),
                          ('{1}'::uuid, 0, interval '2 hours'), ('{1}'::uuid, 1, interval '1 minute'))
                  AS parts (upload, number, age)",
            acme.id, acme.owner_id
        ),
        "UPDATE job_schedules SET next_at = now() WHERE name = 'clear-operations'".to_owned(),
    ] {
        database.execute(AssertSqlSafe(change)).await.unwrap();
    }

    wait_until("the old one is gone", async || {
        acme.owner.get(&old).await.status == 404
    })
    .await;

    let dead = acme.owner.get(&dead).await.expect(200);
    assert_eq!(dead["state"], "failed");
    assert!(dead["error"].as_str().unwrap().contains("interrupted"), "{dead}");
    assert_eq!(acme.owner.get(&waits).await.expect(200)["state"], "queued");
    assert_eq!(acme.owner.get(&asked).await.expect(200)["state"], "cancelled");
    assert_eq!(
        events_of(&mut database, dead["id"].as_str().unwrap()).await,
        ["operation_queued", "operation_ended"]
    );
    let kept: Vec<(i64, String)> = sqlx::query_as(
        "SELECT count(*), COALESCE(min(o.state), 'none') FROM operation_inputs AS i
         LEFT JOIN operations AS o ON o.id = operation_id GROUP BY operation_id ORDER BY 2, 1",
    )
    .fetch_all(&mut database)
    .await
    .unwrap();
    // Those that failed lately can be taken up again.
    let expected = [(1, "failed"), (1, "failed"), (2, "none"), (1, "queued")];
    assert_eq!(kept, expected.map(|(parts, state)| (parts, state.to_owned())));
}
