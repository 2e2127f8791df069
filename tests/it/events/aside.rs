//! Events that were put aside, and how they are handled after all.

use std::time::Duration;

use serde_json::json;
use sqlx::Executor as _;
use support::database::DatabaseRole;
use support::{TestApp, wait_until};

use super::consumers::{COUNTED, EVENTS, one};

const JOBS: &str = "/api/v1/performance/jobs/maintenance";
const ASIDE: &str = "SELECT count(*) FROM inbox WHERE fault IS NOT NULL";

#[tokio::test]
async fn what_was_put_aside_is_a_dead_letter_and_is_handled_once_when_it_is_retried() {
    let app = TestApp::start_with(|config| {
        config.jobs.maintenance.attempts = 2;
        config.jobs.maintenance.backoff = Duration::from_millis(20);
    })
    .await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    superuser
        .execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN IF NEW.type = 'lead_created' THEN RAISE 'a fault of ours'; END IF; RETURN NEW; END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON usage_by_day FOR EACH ROW EXECUTE FUNCTION refuse()",
        )
        .await
        .unwrap();

    acme.lead("Ann").await;
    wait_until("it is a dead letter", async || {
        let letters = operator.get(&format!("{JOBS}/dead-letter")).await.expect(200);
        letters["items"].as_array().unwrap().len() == 1
    })
    .await;
    let letters = operator.get(&format!("{JOBS}/dead-letter")).await.expect(200);
    assert_eq!(letters["items"][0]["kind"], "handle-event", "{letters}");
    assert_eq!(one::<i64>(&mut superuser, ASIDE).await, 1);

    superuser
        .execute("DROP TRIGGER refuse ON usage_by_day")
        .await
        .unwrap();
    let retry = format!("{JOBS}/retry-failed?kind=handle-event");
    for retried in [1, 0] {
        let answer = operator.post(&retry, json!({})).await.expect(200);
        assert_eq!(answer["retried"], retried, "{answer}");
    }

    wait_until("all are counted", async || {
        one::<i64>(&mut superuser, COUNTED).await == one::<i64>(&mut superuser, EVENTS).await
    })
    .await;
    assert_eq!(one::<i64>(&mut superuser, ASIDE).await, 0);
}
