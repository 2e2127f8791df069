//! What is told of an operation while it runs and when it has ended, and how it is stopped.

use reqwest::Method;
use serde_json::{Value, json};
use support::database::DatabaseRole;
use support::{TestApp, wait_until};

use super::{
    agent_of, counted, events_of, file_with_a_stop, hold, id, import, location, log, rows, wait_for,
    wait_for_end, wait_until_held_up, wait_until_midway,
};

#[tokio::test]
async fn an_import_in_the_background_tells_how_far_it_has_come_and_what_has_come_of_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let agent = agent_of(&acme).await;
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    let mut holder = app.database.connect(DatabaseRole::Superuser).await;
    let held = hold(&mut holder, &agent).await;
    let file = format!("{}Bob,nobody,\n", file_with_a_stop(&agent));

    let accepted = import(&acme.owner, "", file).await;
    let operation = location(&accepted);
    let midway = wait_for(&acme.owner, &operation, |operation| {
        operation["progress"]["done"] == 1_000
    })
    .await;
    held.rollback().await.unwrap();
    let end = wait_for_end(&acme.owner, &operation).await;

    assert_eq!(accepted.header("preference-applied"), Some("respond-async"));
    let first = accepted.json();
    assert_eq!(
        operation,
        format!("/api/v1/operations/{}", first["id"].as_str().unwrap())
    );
    assert_eq!(
        (&first["kind"], &first["progress"]),
        (
            &json!("import-leads"),
            &json!({ "done": 0, "total": 2_501, "percent": 0.0 })
        )
    );
    assert_eq!(midway["state"], "running");
    assert_eq!(midway["progress"]["percent"], 39.9);
    assert_eq!(midway["result"]["successful"], 1_000);
    assert!(midway["ratePerSecond"].as_f64().unwrap() > 0.0, "{midway}");
    assert!(midway["etaSeconds"].is_number(), "{midway}");
    assert_eq!(end["state"], "completed");
    assert_eq!(
        end["progress"],
        json!({ "done": 2_501, "total": 2_501, "percent": 100.0 })
    );
    assert_eq!(end["etaSeconds"], Value::Null);
    assert_eq!(end["createdBy"], format!("user:{}", acme.owner_id));
    let result = &end["result"];
    assert_eq!(
        (
            &result["successful"],
            &result["skipped"],
            &result["failed"],
            &end["errorsTruncated"]
        ),
        (&json!(2_500), &json!(0), &json!(1), &json!(false))
    );
    assert_eq!(
        (&end["errors"][0]["line"], &end["errors"][0]["field"]),
        (&json!(2_502), &json!("email"))
    );
    assert_eq!(counted(&mut database).await, (2_500, 2_500, 0));
    // What was done in somebody's name is told of it.
    let actors: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT actor FROM events WHERE type = 'lead_created'")
            .fetch_all(&mut database)
            .await
            .unwrap();
    assert_eq!(actors, [format!("user:{}", acme.owner_id)]);
    // The list is short, and what ended has the same tag each time.
    let listed = acme.owner.get("/api/v1/operations").await.expect(200);
    let item = &listed["items"][0];
    assert_eq!(
        (&item["result"], item.get("errors"), item.get("log")),
        (&end["result"], None, None)
    );
    assert_eq!(
        events_of(&mut database, &operation).await,
        ["operation_queued", "operation_started", "operation_ended"]
    );
    let audited: i64 = sqlx::query_scalar("SELECT count(*) FROM audit_log WHERE entity_type = 'operation'")
        .fetch_one(&mut database)
        .await
        .unwrap();
    assert_eq!(audited, 3);
}

#[tokio::test]
async fn a_tag_is_good_for_as_long_as_nothing_has_changed() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let agent = agent_of(&acme).await;
    let mut holder = app.database.connect(DatabaseRole::Superuser).await;
    let held = hold(&mut holder, &agent).await;
    let operation = location(&import(&acme.owner, "", file_with_a_stop(&agent)).await);
    wait_until_midway(&acme.owner, &operation).await;
    let tag = acme
        .owner
        .get(&operation)
        .await
        .header("etag")
        .unwrap()
        .to_owned();

    let ask = || {
        let request = acme.owner.request(Method::GET, &operation);
        acme.owner.send(request.header("if-none-match", &tag))
    };
    let midway = ask().await;
    held.rollback().await.unwrap();
    wait_for_end(&acme.owner, &operation).await;
    let ended = ask().await;

    assert_eq!((midway.status.as_u16(), ended.status.as_u16()), (304, 200));
}

#[tokio::test]
async fn an_import_that_is_cancelled_midway_keeps_what_it_has_done_and_says_so() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let agent = agent_of(&acme).await;
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    let mut holder = app.database.connect(DatabaseRole::Superuser).await;
    let held = hold(&mut holder, &agent).await;
    let operation = location(&import(&acme.owner, "", file_with_a_stop(&agent)).await);
    wait_until_midway(&acme.owner, &operation).await;

    wait_until_held_up(&mut database, 1).await;

    // The rows under way do not hold up who wants it to stop.
    let asked = acme.owner.delete(&operation).await.expect(202);
    let again = acme.owner.delete(&operation).await.expect(202);
    held.rollback().await.unwrap();
    let end = wait_for_end(&acme.owner, &operation).await;
    let late = acme.owner.delete(&operation).await.expect(200);
    wait_until("what is left of the file is gone", async || {
        counted(&mut database).await.2 == 0
    })
    .await;

    assert_eq!(
        (&asked["state"], &asked["cancelRequested"]),
        (&json!("running"), &json!(true))
    );
    assert_eq!(again["updatedAt"], asked["updatedAt"]);
    assert_eq!(end["state"], "cancelled");
    assert_eq!(
        (&end["progress"]["done"], &end["result"]["successful"]),
        (&json!(2_000), &json!(2_000))
    );
    assert_eq!(log(&end), ["begun", "asked to stop", "stopped behind row 2000"]);
    assert_eq!(counted(&mut database).await, (2_000, 2_000, 0));
    assert_eq!(
        (&late["state"], &late["updatedAt"]),
        (&end["state"], &end["updatedAt"])
    );
    assert_eq!(
        events_of(&mut database, &operation).await,
        [
            "operation_queued",
            "operation_started",
            "operation_cancel_requested",
            "operation_ended"
        ]
    );
}

#[tokio::test]
async fn an_import_that_nobody_has_begun_is_cancelled_at_once() {
    let mut app = TestApp::start_with(|config| config.jobs.imports.concurrency = 0).await;
    let acme = app.tenant("acme").await;
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    let operation = location(&import(&acme.owner, "", "name,email\nAnn,ann@a.example\n").await);

    let cancelled = acme.owner.delete(&operation).await.expect(200);
    let again = acme.owner.delete(&operation).await.expect(200);
    app.restart_with(|config| config.jobs.imports.concurrency = 2)
        .await;
    wait_until("its job is done", async || {
        let done = "SELECT count(*) FROM jobs WHERE queue = 'imports' AND state = 'completed'";
        sqlx::query_scalar::<_, i64>(done)
            .fetch_one(&mut database)
            .await
            .unwrap()
            == 1
    })
    .await;

    assert_eq!(
        (&cancelled["state"], &cancelled["startedAt"]),
        (&json!("cancelled"), &Value::Null)
    );
    assert_eq!(again["updatedAt"], cancelled["updatedAt"]);
    assert_eq!(counted(&mut database).await, (0, 0, 0));
}

#[tokio::test]
async fn what_is_done_is_completed_although_somebody_wanted_it_to_stop() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let agent = agent_of(&acme).await;
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    let mut holder = app.database.connect(DatabaseRole::Superuser).await;
    let held = hold(&mut holder, &agent).await;
    let file = format!("name,email,assignedTo\n{}", rows(0..10, &agent));
    let operation = location(&import(&acme.owner, "", file).await);
    wait_until_held_up(&mut database, 1).await;

    // The last part is under way.
    acme.owner.delete(&operation).await.expect(202);
    held.rollback().await.unwrap();
    let end = wait_for_end(&acme.owner, &operation).await;
    let late = acme.owner.delete(&operation).await;

    assert_eq!(
        (&end["state"], &end["progress"]["percent"]),
        (&json!("completed"), &json!(100.0))
    );
    assert_eq!(
        (late.status.as_u16(), late.problem().as_str()),
        (409, "operation-ended")
    );
}

#[tokio::test]
async fn an_operation_is_seen_and_cancelled_in_its_own_tenant_alone() {
    let app = TestApp::start_with(|config| config.jobs.imports.concurrency = 0).await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    let (_, agent) = acme.user("agent@acme.test", "AGENT").await;
    let mut operations = Vec::new();
    for _ in 0..3 {
        operations.push(location(&import(&acme.owner, "", "name\nAnn\n").await));
    }

    for refused in [
        umbrella.owner.get(&operations[0]).await,
        umbrella.owner.delete(&operations[0]).await,
    ] {
        assert_eq!(
            (refused.status.as_u16(), refused.problem().as_str()),
            (404, "not-found")
        );
    }
    // Who may not begin an import may not follow one, nor stop it.
    assert_eq!(agent.get(&operations[0]).await.status, 403);
    assert_eq!(agent.get("/api/v1/operations").await.status, 403);
    assert_eq!(agent.delete(&operations[0]).await.status, 403);
    // Whoever may begin others finds none of these among them.
    let reader = acme.machine(&["leads:read"]).await;
    assert_eq!(reader.get(&operations[0]).await.status, 404);
    assert_eq!(reader.delete(&operations[0]).await.status, 404);
    let listed = reader.get("/api/v1/operations").await.expect(200);
    assert_eq!(listed["items"], json!([]));
    let theirs = umbrella.owner.get("/api/v1/operations").await.expect(200);
    assert_eq!(theirs["items"], json!([]));
    assert_eq!(
        acme.owner.get(&operations[0]).await.expect(200)["state"],
        "queued"
    );

    // The newest first, page by page.
    let mut listed = Vec::new();
    let mut next = "/api/v1/operations?limit=2".to_owned();
    loop {
        let page = acme.owner.get(&next).await.expect(200);
        let items = page["items"].as_array().unwrap().iter();
        listed.extend(items.map(|item| format!("/api/v1/operations/{}", item["id"].as_str().unwrap())));
        let Some(cursor) = page["nextCursor"].as_str() else {
            break;
        };
        next = format!("/api/v1/operations?limit=2&cursor={cursor}");
    }
    operations.reverse();
    assert_eq!(listed, operations);
    let numbered = acme
        .owner
        .get("/api/v1/operations?page=1&limit=2")
        .await
        .expect(200);
    assert_eq!(
        (&numbered["total"], numbered["items"].as_array().unwrap().len()),
        (&json!(3), 1)
    );
}

#[tokio::test]
async fn operations_of_a_newer_release_do_not_stand_in_the_way() {
    let app = TestApp::start_with(|config| config.jobs.imports.concurrency = 0).await;
    let acme = app.tenant("acme").await;
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    let ours = location(&import(&acme.owner, "", "name\nAnn\n").await);
    let theirs = "INSERT INTO operations (tenant_id, id, kind, created_by)
                  SELECT tenant_id, gen_random_uuid(), 'paint-leads', created_by FROM operations RETURNING id::text";
    let theirs: String = sqlx::query_scalar(theirs).fetch_one(&mut database).await.unwrap();

    let listed = acme.owner.get("/api/v1/operations").await.expect(200);
    let found = acme.owner.get(&format!("/api/v1/operations/{theirs}")).await;

    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    assert_eq!(listed["items"][0]["id"], id(&ours));
    assert_eq!(found.status, 404);
}
