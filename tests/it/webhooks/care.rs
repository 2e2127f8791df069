//! What is not the receiver's doing, and what else is easily forgotten.

use fairlead::config::Secret;
use fairlead_auth::SealedSigningSecrets;
use fairlead_domain::identity::Secret as SigningSecret;
use fairlead_domain::webhooks::SigningSecrets as _;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::Executor as _;
use support::database::DatabaseRole;
use support::{Client, Receiver, Reply, TestApp, wait_until};

use super::bench::{deliveries, local, make, post, start, until_newest, until_received};

fn leads() -> Value {
    json!({"events": ["lead_created"]})
}

/// Makes all that was tried so far a day older.
const AGE: &str = "
    WITH deliveries AS (
        UPDATE webhook_deliveries SET tried_since = tried_since - interval '25 h',
               failing_since = failing_since - interval '25 h')
    UPDATE webhooks SET failing_since = failing_since - interval '25 h'";

async fn is_enabled(owner: &Client, path: &str) -> bool {
    owner.get(path).await.expect(200)["enabled"] == true
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_disables_nothing_and_what_waits_is_sent_once_it_can() {
    let mut app = start().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let webhook = make(&acme.owner, &receiver.url("/"), leads()).await;
    app.restart_with(|config| {
        config.security.secret = Some(Secret::new("another secret of more than thirty-two bytes"));
    })
    .await;
    let owner = acme.log_in().await;
    owner
        .post("/api/v1/leads", json!({"name": "Ann"}))
        .await
        .expect(201);
    let attempts = async |least: u64| {
        wait_until("it was tried", async || {
            let newest = deliveries(&owner, &webhook).await;
            newest
                .first()
                .is_some_and(|newest| newest["attempts"].as_u64() >= Some(least))
        })
        .await;
    };
    attempts(2).await;

    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    superuser.execute(AGE).await.unwrap();
    attempts(5).await;

    assert_eq!(deliveries(&owner, &webhook).await[0]["state"], "PENDING");
    assert!(is_enabled(&owner, &webhook.path).await);
    let failing: i64 = sqlx::query_scalar("SELECT count(*) FROM webhooks WHERE failing_since IS NOT NULL")
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    assert_eq!(failing, 0, "the receiver was never asked");
    let rotate = format!("{}/rotate-secret", webhook.path);
    owner.post(&rotate, json!({})).await.expect(200);
    until_newest(&owner, &webhook, "SUCCEEDED").await;
}

#[tokio::test]
async fn a_day_in_which_nobody_tried_disables_nothing() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    let receiver = Receiver::start().await;
    let webhook = make(&acme.owner, &receiver.url("/"), leads()).await;
    receiver.reply(Reply::Status(500));
    acme.lead("Ann").await;
    until_received(&receiver, 2).await;

    let stop = json!({"reason": "a test", "kind": "deliver-webhook"});
    operator
        .post("/api/v1/performance/jobs/webhooks/pause", stop)
        .await
        .expect(200);
    app.clock.advance(time::Duration::hours(25));
    let operator = app.operator("oleg").await;
    resume(&operator).await;
    let owner = acme.log_in().await;

    until_newest(&owner, &webhook, "FAILED").await;
    assert!(is_enabled(&owner, &webhook.path).await);
}

async fn resume(operator: &Client) {
    let resume = "/api/v1/performance/jobs/webhooks/resume?kind=deliver-webhook";
    operator
        .send(operator.request(Method::POST, resume))
        .await
        .expect(200);
}

#[tokio::test]
async fn a_retry_that_is_asked_for_during_the_last_attempt_is_made() {
    let app = TestApp::start_with(|config| {
        local(config);
        config.webhooks.timeout = std::time::Duration::from_secs(10);
    })
    .await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let webhook = make(&acme.owner, &receiver.url("/"), leads()).await;
    receiver.reply_next([Reply::Silence]);

    // A ping is tried once.
    post(&acme.owner, &format!("{}/ping", webhook.path))
        .await
        .expect(202);
    until_received(&receiver, 1).await;
    let ping = deliveries(&acme.owner, &webhook).await.remove(0);
    assert_eq!(
        (&ping["state"], &ping["attempts"]),
        (&json!("PENDING"), &json!(0))
    );
    let retry = format!(
        "{}/deliveries/{}/retry",
        webhook.path,
        ping["id"].as_str().unwrap()
    );
    post(&acme.owner, &retry).await.expect(202);

    let taken = until_newest(&acme.owner, &webhook, "SUCCEEDED").await;
    assert_eq!(taken["attempts"], 2);
    assert_eq!(receiver.received().len(), 2);
}

#[tokio::test]
async fn what_is_made_once_more_did_not_wait_since_it_happened() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let webhook = make(&acme.owner, &receiver.url("/"), leads()).await;
    acme.lead("Ann").await;
    let taken = until_newest(&acme.owner, &webhook, "SUCCEEDED").await;
    let waits = async || {
        let metrics = reqwest::get(app.metrics_url())
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let count = metrics
            .lines()
            .find_map(|line| line.strip_prefix("webhook_wait_seconds_count "))
            .unwrap_or_else(|| panic!("{metrics}"));
        count.parse::<f64>().unwrap()
    };
    assert!((waits().await - 1.0).abs() < 0.5);

    let retry = format!(
        "{}/deliveries/{}/retry",
        webhook.path,
        taken["id"].as_str().unwrap()
    );
    post(&acme.owner, &retry).await.expect(202);
    until_received(&receiver, 2).await;
    until_newest(&acme.owner, &webhook, "SUCCEEDED").await;

    assert!((waits().await - 1.0).abs() < 0.5);
}

#[tokio::test]
async fn an_old_secret_is_forgotten_when_its_time_is_over() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start().await;
    let [ended, counting] = [
        make(&acme.owner, &receiver.url("/ended"), leads()).await,
        make(&acme.owner, &receiver.url("/counting"), leads()).await,
    ];
    for (webhook, seconds) in [(&ended, 60), (&counting, 600)] {
        let rotate = format!("{}/rotate-secret", webhook.path);
        let body = json!({ "oldSecretSeconds": seconds });
        acme.owner.post(&rotate, body).await.expect(200);
    }
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let before = acme.owner.get(&ended.path).await.expect(200);

    app.clock.advance(time::Duration::minutes(2));

    wait_until("it is forgotten", async || {
        // Each time: a moment that comes while the job of the one before is under way is passed over.
        superuser
            .execute("UPDATE job_schedules SET next_at = now() WHERE name = 'clear-expired'")
            .await
            .unwrap();
        let kept: Vec<String> =
            sqlx::query_scalar("SELECT id::text FROM webhooks WHERE old_secret IS NOT NULL")
                .fetch_all(&mut superuser)
                .await
                .unwrap();
        kept == [counting.id.as_str()]
    })
    .await;
    let after = acme.owner.get(&ended.path).await.expect(200);
    assert_eq!(after, before, "nothing that anybody sees has changed");
}

/// Their last attempts were cut off, and whoever noticed ended before that could be noted.
const DIE: &str = "
    UPDATE jobs SET state = 'dead', lease_until = NULL, finished_at = now()
    WHERE kind IN ('deliver-webhook', 'replay-webhook')";

#[tokio::test]
async fn what_nobody_sends_any_more_is_given_up() {
    let app = start().await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    let receiver = Receiver::start().await;
    let webhook = make(&acme.owner, &receiver.url("/"), leads()).await;
    for kind in ["deliver-webhook", "replay-webhook"] {
        let stop = json!({"reason": "a test", "kind": kind});
        operator
            .post("/api/v1/performance/jobs/webhooks/pause", stop)
            .await
            .expect(200);
    }
    acme.lead("Ann").await;
    until_newest(&acme.owner, &webhook, "PENDING").await;
    let replay = format!("{}/replay", webhook.path);
    let all = json!({"cursor": null});
    let begun = acme.owner.post(&replay, all.clone()).await.expect(202);
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    superuser.execute(DIE).await.unwrap();
    acme.lead("Bob").await;
    wait_until("there is a second delivery", async || {
        deliveries(&acme.owner, &webhook).await.len() == 2
    })
    .await;

    app.clock.advance(time::Duration::hours(2));
    let owner = acme.log_in().await;

    let begun = format!("{}/replays/{}", webhook.path, begun["id"].as_str().unwrap());
    let mut states = Vec::new();
    wait_until("one is given up, and the replay has ended", async || {
        superuser
            .execute("UPDATE job_schedules SET next_at = now() WHERE name = 'clear-webhook-deliveries'")
            .await
            .unwrap();
        let all = deliveries(&owner, &webhook).await;
        states = all.iter().map(|one| one["state"].clone()).collect();
        states.contains(&json!("FAILED")) && owner.get(&begun).await.expect(200)["state"] != "RUNNING"
    })
    .await;
    assert_eq!(states, ["PENDING", "FAILED"], "the newest has a job");
    assert_eq!(owner.get(&begun).await.expect(200)["state"], "STOPPED");
    owner.post(&replay, all).await.expect(202);
}

/// The cells of the table of the test vector, by the names in its first column.
fn vector() -> impl Fn(&str) -> String {
    const GUIDE: &str = include_str!("../../../docs/webhooks.md");
    |name: &str| {
        let row = GUIDE
            .lines()
            .find_map(|line| line.strip_prefix(&format!("| {name} | `")))
            .unwrap_or_else(|| panic!("the guide has no row {name}"));
        row.strip_suffix("` |").unwrap().to_owned()
    }
}

#[test]
fn the_test_vector_of_the_guide_is_what_is_signed() {
    let of = vector();
    let content = format!(
        "{}.{}.{}",
        of("`webhook-id`"),
        of("`webhook-timestamp`"),
        of("body")
    );
    let secrets = SealedSigningSecrets::new([0; 32]);

    let signature = secrets.sign(&SigningSecret::new(of("secret")), content.as_bytes());

    assert_eq!(signature, of("`webhook-signature`"));
}
