//! Months of events that operators have archived, or would.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::database::DatabaseRole;
use support::{Client, TempFolder, TestApp, wait_until};

use super::archive::{ids_before_february, months, read, record_in_january};
use super::retention::{make_month, record_in, system, until_done};

const ARCHIVE: &str = "/api/v1/performance/database/archive";

async fn archived(operator: &Client, strategy: &str) -> Value {
    let body = json!({ "strategy": strategy, "before": "2020-03-01", "apply": true });
    let told = operator.post(ARCHIVE, body).await;
    let path = told.header("location").expect("where it is followed").to_owned();
    assert_eq!(told.expect(202)["kind"], "archive-events");
    wait_until("it is over", async || {
        operator.get(&path).await.expect(200)["endedAt"].is_string()
    })
    .await;
    operator.get(&path).await.expect(200)
}

#[tokio::test]
async fn months_are_told_copied_and_moved_as_an_operator_says() {
    let folder = TempFolder::new("archive-acts");
    let directory = folder.path().join("archive");
    let of_server = directory.clone();
    let app = TestApp::start_with(move |config| config.events.archive_dir = Some(of_server)).await;
    let (acme, operator) = (app.tenant("acme").await, app.operator("olga").await);
    let pool = app.database.pool(DatabaseRole::Superuser, 1).await;
    for month in ["2020_01", "2020_02"] {
        make_month(&pool, month).await;
        record_in(&pool, month, &acme.id).await;
    }
    record_in_january(&pool, &acme.id, 2_500).await;
    until_done(&system(&app.database).await).await;
    sqlx::query("ANALYZE events").execute(&pool).await.unwrap();
    let expected = ids_before_february(&pool).await;

    let body = json!({ "strategy": "move", "before": "2020-03-01" });
    let told = operator.post(ARCHIVE, body).await.expect(200);
    let of_month: Vec<_> = told["months"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| (&of["month"], &of["estimatedRows"], &of["neededBy"]))
        .collect();
    assert_eq!(
        of_month,
        [
            (&json!("2020-01"), &json!(2_501), &Value::Null),
            (&json!("2020-02"), &json!(1), &Value::Null)
        ],
        "{told:#}"
    );
    assert!(!directory.exists() && months(&pool).await == 2, "nothing is done");

    let copied = archived(&operator, "copy").await;
    assert_eq!(
        (&copied["state"], &copied["outcome"]),
        (
            &json!("done"),
            &json!("2 of 2 months were written to the archive")
        ),
        "{copied:#}"
    );
    assert_eq!(ids_before_february(&pool).await, expected);
    let (manifest, ids) = read(&directory.join("events-2020-01"));
    assert_eq!(manifest["isWhole"], true);
    assert_eq!(ids.into_iter().collect::<BTreeSet<_>>(), expected);

    let moved = archived(&operator, "move").await;
    assert_eq!(
        (&moved["state"], &moved["outcome"]),
        (
            &json!("done"),
            &json!("2 of 2 months were written to the archive and dropped")
        ),
        "{moved:#}"
    );
    assert_eq!(
        (ids_before_february(&pool).await.len(), months(&pool).await),
        (0, 0)
    );
    // What was copied before is what was dropped, so it was not written twice.
    assert!(!directory.join("events-2020-01.2").exists());
    assert_eq!(moved["after"], moved["before"]);
}

#[tokio::test]
async fn a_month_that_is_needed_stays_and_what_cannot_be_is_refused() {
    let app = TestApp::start().await;
    let (acme, operator) = (app.tenant("acme").await, app.operator("olga").await);
    let pool = app.database.pool(DatabaseRole::Superuser, 1).await;
    make_month(&pool, "2020_01").await;
    record_in(&pool, "2020_01", &acme.id).await;
    until_done(&system(&app.database).await).await;
    let waits = "INSERT INTO event_readers VALUES ('a reader that is away', '0', 0, now())";
    sqlx::query(waits).execute(&pool).await.unwrap();

    let body = json!({ "strategy": "delete", "before": "2020-03-01" });
    let told = operator.post(ARCHIVE, body).await.expect(200);
    let kept = archived(&operator, "delete").await;

    assert_eq!(
        told["months"][0]["neededBy"], "a reader has not done them",
        "{told:#}"
    );
    assert_eq!(
        (&kept["state"], &kept["outcome"]),
        (
            &json!("failed"),
            &json!("0 of 1 months were dropped; 2020-01 stays: a reader has not done them")
        )
    );
    assert_eq!(months(&pool).await, 1);
    sqlx::query("DELETE FROM event_readers WHERE reader = 'a reader that is away'")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(archived(&operator, "delete").await["state"], "done");
    assert_eq!(months(&pool).await, 0);

    for (body, status, told) in [
        (
            json!({ "strategy": "move", "before": "2020-03-01" }),
            409,
            "conflict",
        ),
        (
            json!({ "strategy": "delete", "before": "2999-01-01" }),
            422,
            "invalid-input",
        ),
        (
            json!({ "strategy": "delete", "before": "yesterday" }),
            422,
            "invalid-input",
        ),
        (
            json!({ "strategy": "shred", "before": "2020-03-01" }),
            422,
            "invalid-input",
        ),
        (json!({ "before": "2020-03-01" }), 422, "invalid-input"),
    ] {
        let refused = operator.post(ARCHIVE, body.clone()).await;
        assert_eq!(
            (refused.status.as_u16(), &*refused.problem()),
            (status, told),
            "{body}"
        );
    }
    let body = json!({ "strategy": "delete", "before": "2020-03-01", "apply": true });
    assert_eq!(acme.owner.post(ARCHIVE, body).await.status, 403);
}
