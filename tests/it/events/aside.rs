//! Events that were put aside, and how they are handled after all.

use std::time::Duration;

use fairlead::config::Config;
use serde_json::{Value, json};
use sqlx::Executor as _;
use support::database::DatabaseRole;
use support::{Client, TestApp, wait_until};

use super::consumers::{COUNTED, EVENTS, one};

const JOBS: &str = "/api/v1/performance/jobs/maintenance";
pub(super) const ASIDE: &str = "SELECT count(*) FROM inbox WHERE fault IS NOT NULL";
/// Has the consumer that counts fail for new leads.
pub(super) const REFUSE: &str = "
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.type = 'lead_created' THEN RAISE 'a fault of ours'; END IF; RETURN NEW; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON usage_by_day FOR EACH ROW EXECUTE FUNCTION refuse()";
pub(super) const REFUSE_NO_MORE: &str = "DROP TRIGGER refuse ON usage_by_day";

/// What is put aside is a dead letter soon.
pub(super) fn soon_dead(config: &mut Config) {
    config.jobs.maintenance.attempts = 2;
    config.jobs.maintenance.backoff = Duration::from_millis(20);
}

/// Waits until one event that was put aside is a dead letter, and returns why.
pub(super) async fn until_dead_letter(operator: &Client) -> String {
    let mut fault = String::new();
    wait_until("it is a dead letter", async || {
        let letters = operator.get(&format!("{JOBS}/dead-letter")).await.expect(200);
        let Some(letter) = letters["items"].as_array().unwrap().first() else {
            return false;
        };
        assert_eq!(letter["kind"], "handle-event", "{letters}");
        letter["fault"].as_str().unwrap().clone_into(&mut fault);
        true
    })
    .await;
    fault
}

/// Has dead letters tried again; returns how many.
pub(super) async fn retry_dead(operator: &Client) -> Value {
    let retry = format!("{JOBS}/retry-failed?kind=handle-event");
    operator.post(&retry, json!({})).await.expect(200)["retried"].clone()
}

#[tokio::test]
async fn what_was_put_aside_is_a_dead_letter_and_is_handled_once_when_it_is_retried() {
    let app = TestApp::start_with(soon_dead).await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    superuser.execute(REFUSE).await.unwrap();

    acme.lead("Ann").await;
    until_dead_letter(&operator).await;
    assert_eq!(one::<i64>(&mut superuser, ASIDE).await, 1);

    superuser.execute(REFUSE_NO_MORE).await.unwrap();
    assert_eq!(
        [retry_dead(&operator).await, retry_dead(&operator).await],
        [1, 0].map(Value::from)
    );

    wait_until("all are counted", async || {
        one::<i64>(&mut superuser, COUNTED).await == one::<i64>(&mut superuser, EVENTS).await
    })
    .await;
    assert_eq!(one::<i64>(&mut superuser, ASIDE).await, 0);
}

#[tokio::test]
async fn what_was_put_aside_and_is_gone_from_the_log_stays_put_aside() {
    let app = TestApp::start_with(soon_dead).await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    superuser.execute(REFUSE).await.unwrap();
    acme.lead("Ann").await;
    until_dead_letter(&operator).await;

    for change in [REFUSE_NO_MORE, "DELETE FROM events WHERE type = 'lead_created'"] {
        superuser.execute(change).await.unwrap();
    }
    assert_eq!(retry_dead(&operator).await, 1);

    let died = until_dead_letter(&operator).await;
    assert!(died.ends_with("the event is not kept any more"), "{died}");
    let noted: Option<String> = one(
        &mut superuser,
        "SELECT max(fault) FROM inbox WHERE fault IS NOT NULL",
    )
    .await;
    assert!(
        noted
            .as_deref()
            .is_some_and(|fault| fault.contains("a fault of ours")),
        "{noted:?}"
    );
}
