//! How much a tenant may have done at once, and have waiting.

use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgConnection};
use support::database::DatabaseRole;
use support::{Client, TestApp, wait_until};

use super::exports::{export, leave_room};
use super::{counted, import, location, rows};

async fn limit(client: &Client, name: &str) -> Value {
    let limits = client.get("/api/v1/limits").await.expect(200);
    let mut items = limits["items"].as_array().unwrap().iter();
    items.find(|limit| limit["name"] == name).unwrap().clone()
}

#[tokio::test]
async fn a_tenant_has_ten_operations_at_the_most_that_have_not_ended_however_many_are_sent_at_once() {
    let app = TestApp::start_with(|config| config.jobs.imports.concurrency = 0).await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);

    let sent = join_all((0..14).map(|_| import(&acme.owner, "", "name\nAnn\n"))).await;
    let accepted: Vec<String> = sent
        .iter()
        .filter(|response| response.status == 202)
        .map(location)
        .collect();
    let full = limit(&acme.owner, "openImports").await;
    // Nobody else's.
    location(&import(&umbrella.owner, "", "name\nAnn\n").await);
    acme.owner.delete(&accepted[0]).await.expect(200);
    location(&import(&acme.owner, "", "name\nAnn\n").await);

    assert_eq!(accepted.len(), 10);
    let refused = sent.iter().filter(|response| response.status != 202);
    for refused in refused {
        assert_eq!(
            (refused.status.as_u16(), refused.problem().as_str()),
            (409, "limit-reached")
        );
    }
    assert_eq!((&full["current"], &full["maximum"]), (&json!(10), &json!(10)));
}

#[tokio::test]
async fn who_may_export_alone_keeps_nobody_from_importing() {
    let app = TestApp::start_with(|config| config.jobs.imports.concurrency = 0).await;
    let acme = app.tenant("acme").await;
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    let reader = acme.machine(&["leads:read"]).await;
    for _ in 0..10 {
        export(&reader, "").await.expect(202);
    }
    leave_room(&mut database, &acme, 0).await;

    let one_more = export(&reader, "").await;
    let imported = import(&acme.owner, "", "name\nAnn\n").await;
    let bytes = limit(&acme.owner, "exportBytes").await;

    assert_eq!(
        (one_more.status.as_u16(), one_more.problem().as_str()),
        (409, "limit-reached")
    );
    assert_eq!(imported.status, 202, "{imported:?}");
    assert_eq!(limit(&acme.owner, "openExports").await["current"], 10);
    assert_eq!(limit(&acme.owner, "openImports").await["current"], 1);
    assert_eq!(bytes["current"], bytes["maximum"]);
}

#[tokio::test]
async fn the_files_of_a_tenant_that_wait_have_a_bound_together() {
    let app = TestApp::start_with(|config| config.jobs.imports.concurrency = 0).await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    let mut database = app.database.connect(DatabaseRole::Superuser).await;
    let most = limit(&acme.owner, "importBytes").await["maximum"]
        .as_i64()
        .unwrap();
    let fill = async |database: &mut PgConnection, free: i64| {
        let halves = format!(
            "DELETE FROM operation_inputs;
             INSERT INTO operation_inputs (tenant_id, id, operation_id, number, size_bytes, content)
             SELECT '{}', gen_random_uuid(), gen_random_uuid(), 0, {} / 2, '' FROM generate_series(1, 2)",
            acme.id,
            most - free
        );
        sqlx::raw_sql(AssertSqlSafe(halves))
            .execute(database)
            .await
            .unwrap();
    };

    // Nothing is read where there is no room at all.
    fill(&mut database, 0).await;
    let at_once = import(&acme.owner, "", "name\nAnn\n").await;
    // A first part fits, and no second.
    fill(&mut database, 150_000).await;
    let while_reading = import(
        &acme.owner,
        "",
        format!("name,email,company\n{}", rows(0..2_500, "")),
    )
    .await;
    let small = import(&acme.owner, "", "name\nAnn\n").await;
    let other = import(&umbrella.owner, "", "name\nAnn\n").await;

    for refused in [at_once, while_reading] {
        assert_eq!(
            (refused.status.as_u16(), refused.problem().as_str()),
            (409, "limit-reached")
        );
    }
    assert_eq!((small.status.as_u16(), other.status.as_u16()), (202, 202));
    wait_until("the first part is dropped again", async || {
        counted(&mut database).await.2 == 4
    })
    .await;
}
