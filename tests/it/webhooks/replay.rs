//! What was sent, or was not, is sent once more.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sqlx::{Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::{Client, Receiver, Reply, TestApp, TestTenant, wait_until};

use super::bench::{Made, deliveries, events, make, start, until_received};

/// Waits until no replay is under way.
async fn until_replayed(app: &TestApp) -> Vec<(String, i64)> {
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    wait_until("the replay has ended", async || {
        let running = "SELECT count(*) FROM webhook_replays WHERE state = 'RUNNING'";
        sqlx::query_scalar::<_, i64>(running)
            .fetch_one(&mut superuser)
            .await
            .unwrap()
            == 0
    })
    .await;
    let all = "SELECT state, deliveries FROM webhook_replays ORDER BY id";
    sqlx::query_as(all).fetch_all(&mut superuser).await.unwrap()
}

async fn replay(owner: &Client, webhook: &Made, body: Value) -> Value {
    owner
        .post(&format!("{}/replay", webhook.path), body)
        .await
        .expect(202)
}

fn names(receiver: &Receiver) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    for came in receiver.received() {
        let event: Value = serde_json::from_str(&came.body).unwrap();
        *names
            .entry(event["data"]["name"].as_str().unwrap().to_owned())
            .or_default() += 1;
    }
    names
}

#[tokio::test]
async fn all_behind_a_cursor_is_sent_once_by_each_replay() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let bulk = |from: usize, to: usize| {
        let leads: Vec<Value> = (from..to)
            .map(|number| json!({"name": format!("Lead {number:03}")}))
            .collect();
        json!({ "leads": leads })
    };
    acme.owner
        .post("/api/v1/leads/bulk", bulk(0, 10))
        .await
        .expect(200);
    let mut cursor = String::new();
    wait_until("the first ten can be read", async || {
        let page = acme
            .owner
            .get("/api/v1/events?type=lead_created")
            .await
            .expect(200);
        cursor = page["nextCursor"].as_str().unwrap().to_owned();
        page["items"].as_array().unwrap().len() == 10
    })
    .await;
    // More than a step reads, and others among them.
    for from in [10, 160, 310] {
        acme.owner
            .post("/api/v1/leads/bulk", bulk(from, from + 150))
            .await
            .expect(200);
        acme.owner
            .post("/api/v1/carriers", json!({"name": format!("Carrier {from}")}))
            .await
            .expect(201);
    }
    let webhook = make(
        &acme.owner,
        &receiver.url("/"),
        json!({"events": ["lead_created"]}),
    )
    .await;

    let first = replay(&acme.owner, &webhook, json!({"cursor": cursor})).await;
    until_received(&receiver, 450).await;
    let ended = until_replayed(&app).await;

    assert_eq!(ended, [("COMPLETED".to_owned(), 450)]);
    let expected: BTreeMap<String, usize> =
        (10..460).map(|number| (format!("Lead {number:03}"), 1)).collect();
    assert_eq!(names(&receiver), expected);
    assert!(
        deliveries(&acme.owner, &webhook)
            .await
            .iter()
            .all(|delivery| delivery["replayId"] == first["id"])
    );

    replay(&acme.owner, &webhook, json!({"cursor": null, "until": cursor})).await;
    until_received(&receiver, 460).await;
    let ended = until_replayed(&app).await;
    assert_eq!(ended[1], ("COMPLETED".to_owned(), 10));
    // The end of the log, and what lies before it.
    let mut last = cursor.clone();
    wait_until("all can be read", async || {
        let page = acme
            .owner
            .get(&format!("/api/v1/events?limit=200&cursor={last}"))
            .await
            .expect(200);
        last = page["nextCursor"].as_str().unwrap().to_owned();
        page["items"].as_array().unwrap().is_empty()
    })
    .await;
    for until in [&cursor, &last] {
        let path = format!("{}/replay", webhook.path);
        let body = json!({"cursor": last, "until": until});
        let refused = acme.owner.post(&path, body).await.expect(422);
        assert_eq!(refused["errors"][0]["pointer"], "/until", "{refused}");
    }
    replay(&acme.owner, &webhook, json!({"cursor": cursor})).await;
    until_received(&receiver, 910).await;
    until_replayed(&app).await;
    let twice: BTreeMap<String, usize> = (0..460)
        .map(|number| (format!("Lead {number:03}"), if number < 10 { 1 } else { 2 }))
        .collect();
    assert_eq!(names(&receiver), twice);
    println!("910 deliveries by three replays, each event once in each");
}

#[tokio::test]
async fn a_webhook_has_one_replay_at_a_time_and_none_while_it_is_disabled() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let path = |webhook: &Made| format!("{}/replay", webhook.path);
    let webhook = make(
        &acme.owner,
        &receiver.url("/"),
        json!({"events": ["lead_created"]}),
    )
    .await;
    // So that it does not get on.
    let operator = app.operator("olga").await;
    let stop = json!({"reason": "a test", "kind": "replay-webhook"});
    operator
        .post("/api/v1/performance/jobs/webhooks/pause", stop)
        .await
        .expect(200);
    replay(&acme.owner, &webhook, json!({"cursor": null})).await;

    let second = acme.owner.post(&path(&webhook), json!({"cursor": null})).await;
    assert_eq!(second.problem(), "conflict");
    let other = make(&acme.owner, &receiver.url("/"), json!({"enabled": false})).await;
    let disabled = acme.owner.post(&path(&other), json!({"cursor": null})).await;
    assert_eq!(disabled.problem(), "conflict");
    acme.owner
        .patch(&webhook.path, json!({"enabled": false}))
        .await
        .expect(200);
    let resume = "/api/v1/performance/jobs/webhooks/resume?kind=replay-webhook";
    operator
        .send(operator.request(reqwest::Method::POST, resume))
        .await
        .expect(200);

    assert_eq!(until_replayed(&app).await, [("STOPPED".to_owned(), 0)]);
    for (body, problem) in [
        (json!({}), "invalid-input"),
        (json!({"cursor": "A".repeat(44)}), "invalid-cursor"),
        (json!({"cursor": null, "until": "nonsense"}), "invalid-cursor"),
    ] {
        assert_eq!(
            acme.owner.post(&path(&other), body.clone()).await.problem(),
            problem,
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_replay_does_not_fill_the_queue() {
    let app = TestApp::start_with(|config| {
        super::bench::local(config);
        config.jobs.webhooks.backoff = std::time::Duration::from_mins(10);
        config.jobs.webhooks.max_backoff = std::time::Duration::from_mins(10);
    })
    .await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    receiver.reply(Reply::Status(500));
    for from in 0..6 {
        let leads: Vec<Value> = (0..250)
            .map(|number| json!({"name": format!("Lead {from}-{number}")}))
            .collect();
        acme.owner
            .post("/api/v1/leads/bulk", json!({ "leads": leads }))
            .await
            .expect(200);
    }
    let webhook = make(
        &acme.owner,
        &receiver.url("/"),
        json!({"events": ["lead_created"]}),
    )
    .await;

    replay(&acme.owner, &webhook, json!({"cursor": null})).await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    wait_until("it waits for room", async || {
        // It waits, too, while nothing can be read yet because somebody else still writes.
        let waits =
            "SELECT count(*) FROM jobs WHERE kind = 'replay-webhook' AND state = 'delayed' AND attempts = 0
                     AND EXISTS (SELECT FROM webhook_deliveries)";
        sqlx::query_scalar::<_, i64>(waits)
            .fetch_one(&mut superuser)
            .await
            .unwrap()
            == 1
    })
    .await;

    let pending = "SELECT count(*) FROM webhook_deliveries";
    let pending: i64 = sqlx::query_scalar(pending)
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    assert!((1_000..=1_200).contains(&pending), "{pending}");
}

/// As when the month is dropped whose last event is the first lead that there was.
const DROP: &str = "
    WITH last AS (
        SELECT tenant_id, xid, position FROM events WHERE type = 'lead_created' ORDER BY xid, position LIMIT 1),
    noted AS (INSERT INTO events_dropped SELECT tenant_id, xid, position FROM last)
    DELETE FROM events AS e USING last
    WHERE e.tenant_id = last.tenant_id AND (e.xid, e.position) <= (last.xid, last.position)";

/// Two leads, a webhook that wants such, and a cursor from before.
async fn two_leads(acme: &TestTenant, receiver: &Receiver) -> (Made, String) {
    for name in ["Ann", "Bob"] {
        acme.lead(name).await;
    }
    let mut cursor = String::new();
    wait_until("the leads can be read", async || {
        let page = acme.owner.get("/api/v1/events?limit=1").await.expect(200);
        page["nextCursor"].as_str().unwrap().clone_into(&mut cursor);
        events(&acme.owner, "&type=lead_created").await.len() == 2
    })
    .await;
    let wanted = json!({"events": ["lead_created"]});
    (make(&acme.owner, &receiver.url("/"), wanted).await, cursor)
}

#[tokio::test]
async fn a_replay_from_before_what_is_kept_is_refused_and_one_from_the_beginning_sends_what_is() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let (webhook, cursor) = two_leads(&acme, &receiver).await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    sqlx::query(DROP).execute(&mut superuser).await.unwrap();

    let path = format!("{}/replay", webhook.path);
    let refused = acme.owner.post(&path, json!({ "cursor": cursor })).await;
    replay(&acme.owner, &webhook, json!({"cursor": null})).await;
    let ended = until_replayed(&app).await;

    assert_eq!(
        (refused.status.as_u16(), refused.problem()),
        (410, "events-dropped".to_owned())
    );
    assert_eq!(ended, [("COMPLETED".to_owned(), 1)]);
    until_received(&receiver, 1).await;
    assert_eq!(names(&receiver), BTreeMap::from([("Bob".to_owned(), 1)]));
}

#[tokio::test]
async fn a_replay_whose_events_are_dropped_before_they_are_sent_ends_and_says_so() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    let receiver = Receiver::start().await;
    let (webhook, cursor) = two_leads(&acme, &receiver).await;
    let stop = json!({"reason": "a test", "kind": "replay-webhook"});
    operator
        .post("/api/v1/performance/jobs/webhooks/pause", stop)
        .await
        .expect(200);
    let begun = replay(&acme.owner, &webhook, json!({ "cursor": cursor })).await;

    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    sqlx::query(DROP).execute(&mut superuser).await.unwrap();
    let resume = "/api/v1/performance/jobs/webhooks/resume?kind=replay-webhook";
    operator
        .send(operator.request(reqwest::Method::POST, resume))
        .await
        .expect(200);

    assert_eq!(until_replayed(&app).await, [("EXPIRED".to_owned(), 0)]);
    let path = format!("{}/replays/{}", webhook.path, begun["id"].as_str().unwrap());
    let shown = acme.owner.get(&path).await.expect(200);
    assert_eq!(shown["state"], "EXPIRED", "{shown}");
    assert!(shown["endedAt"].is_string(), "{shown}");
    assert_eq!(receiver.received().len(), 0);
}

/// So that no delivery can be made.
const REFUSE: &str = "
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''not now''; END';
    CREATE TRIGGER refuse BEFORE INSERT ON webhook_deliveries FOR EACH ROW EXECUTE FUNCTION refuse()";
const REFUSE_NO_MORE: &str = "DROP TRIGGER refuse ON webhook_deliveries";
const TRIED_FOR_DAYS: &str = "
    UPDATE jobs SET attempts = 99, run_at = now()
    WHERE kind = 'replay-webhook' AND state IN ('waiting', 'delayed')";

#[tokio::test]
async fn a_replay_that_was_given_up_goes_on_when_an_operator_has_it_tried_again() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    let receiver = Receiver::start().await;
    let (webhook, cursor) = two_leads(&acme, &receiver).await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    superuser.execute(REFUSE).await.unwrap();
    let given_up = async |database: &mut PgConnection, begun: &Value| {
        let path = format!("{}/replays/{}", webhook.path, begun["id"].as_str().unwrap());
        wait_until("its job is given up", async || {
            database.execute(TRIED_FOR_DAYS).await.unwrap();
            acme.owner.get(&path).await.expect(200)["state"] == "STOPPED"
        })
        .await;
    };
    let retry = async || {
        let path = "/api/v1/performance/jobs/webhooks/retry-failed?kind=replay-webhook";
        operator.post(path, json!({})).await.expect(200)["retried"].clone()
    };
    let begun = replay(&acme.owner, &webhook, json!({ "cursor": cursor })).await;
    given_up(&mut superuser, &begun).await;

    superuser.execute(REFUSE_NO_MORE).await.unwrap();
    assert_eq!(retry().await, 1);
    // It is stopped until its job is begun again.
    wait_until("it goes on to its end", async || {
        until_replayed(&app).await == [("COMPLETED".to_owned(), 2)]
    })
    .await;
    until_received(&receiver, 2).await;
    assert_eq!(
        names(&receiver),
        BTreeMap::from([("Ann".to_owned(), 1), ("Bob".to_owned(), 1)])
    );

    // One whose webhook was disabled since is over.
    superuser.execute("CREATE TRIGGER refuse BEFORE INSERT ON webhook_deliveries FOR EACH ROW EXECUTE FUNCTION refuse()")
        .await
        .unwrap();
    let begun = replay(&acme.owner, &webhook, json!({ "cursor": cursor })).await;
    given_up(&mut superuser, &begun).await;
    superuser.execute(REFUSE_NO_MORE).await.unwrap();
    for enabled in [false, true] {
        let change = json!({ "enabled": enabled });
        acme.owner.patch(&webhook.path, change).await.expect(200);
    }
    assert_eq!(retry().await, 1);
    let done = "SELECT count(*) FROM jobs WHERE kind = 'replay-webhook' AND state NOT IN ('completed')";
    wait_until("its job is done", async || {
        let left: i64 = sqlx::query_scalar(done).fetch_one(&mut superuser).await.unwrap();
        left == 0
    })
    .await;
    assert_eq!(until_replayed(&app).await[1], ("STOPPED".to_owned(), 0));
    assert_eq!(receiver.received().len(), 2);
}

/// A replay whose job is gone does not keep others from being begun for ever.
#[tokio::test]
async fn a_replay_stops_with_its_webhook() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let webhook = make(
        &acme.owner,
        &receiver.url("/"),
        json!({"events": ["lead_created"]}),
    )
    .await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let lost = "
        INSERT INTO webhook_replays (tenant_id, id, webhook_id, place_xid, place_position, until_xid, until_position,
                                     state, deliveries, created_at)
        SELECT tenant_id, gen_random_uuid(), id, '0', 0, '3', 1, 'RUNNING', 0, now() FROM webhooks";
    sqlx::query(lost).execute(&mut superuser).await.unwrap();
    let path = format!("{}/replay", webhook.path);
    let all = json!({"cursor": null});
    assert_eq!(acme.owner.post(&path, all.clone()).await.status, 409);

    for enabled in [false, true] {
        let change = json!({ "enabled": enabled });
        acme.owner.patch(&webhook.path, change).await.expect(200);
    }

    acme.owner.post(&path, all).await.expect(202);
    let states: Vec<String> = until_replayed(&app)
        .await
        .into_iter()
        .map(|(state, _)| state)
        .collect();
    assert_eq!(states.len(), 2);
    assert!(
        states.contains(&"STOPPED".to_owned()) && states.contains(&"COMPLETED".to_owned()),
        "{states:?}"
    );
}
