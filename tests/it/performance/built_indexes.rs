//! Indexes that are built, judged, and taken back where they do not pay, held against the catalog.

use fairlead_telemetry::spawn;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::wait_until;

use super::acts::{ACTS, Installed, figure, maintainers, state_of, wait_until_over};
use super::indexing::{ask_for_sources, many_leads};

const INDEXES: &str = "/api/v1/performance/database/indexes";

impl Installed {
    /// Many leads, and no index by which their source is found.
    async fn with_leads(&mut self) {
        let leads = many_leads(&self.acme.id);
        self.superuser.execute(AssertSqlSafe(leads)).await.unwrap();
        self.superuser
            .execute("DROP INDEX idx_leads_source_status")
            .await
            .unwrap();
    }

    async fn build(&self, columns: &[&str]) -> Value {
        let body = json!({ "table": "leads", "columns": columns });
        self.operator.post(INDEXES, body).await.expect(202)
    }
}

async fn indexes(database: &mut PgConnection) -> Vec<String> {
    let all = "SELECT i.relname::text FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
               WHERE x.indrelid = 'leads'::regclass ORDER BY 1";
    sqlx::query_scalar(all).fetch_all(database).await.unwrap()
}

#[tokio::test]
async fn an_index_that_pays_is_built_and_kept() {
    let mut at = Installed::with_watch("3000").await;
    at.with_leads().await;
    ask_for_sources(&at.acme.owner, 600).await;
    let before = indexes(&mut at.superuser).await;
    let suggested = at
        .operator
        .get("/api/v1/performance/database/index-suggestions")
        .await
        .expect(200);
    let name = suggested["items"][0]["name"].as_str().unwrap();

    let act = at
        .operator
        .post(INDEXES, json!({ "name": name }))
        .await
        .expect(202);
    let client = at.acme.owner.clone();
    let asking =
        spawn(async move { while client.get("/api/v1/leads?source=source%207").await.status == 200 {} });
    let end = wait_until_over(&at.operator, &act).await;
    asking.abort();

    assert_eq!(
        (&end["state"], &end["subject"]),
        (&json!("done"), &json!(name)),
        "{end:#}"
    );
    let (slow, fast) = (
        figure(&end, "before", "readMeanMs"),
        figure(&end, "after", "readMeanMs"),
    );
    assert!(
        fast < slow / 2.0 && figure(&end, "after", "readCalls") >= 20.0,
        "{end:#}"
    );
    assert!(
        figure(&end, "after", "plannedCost") < figure(&end, "before", "plannedCost"),
        "{end:#}"
    );
    assert!(figure(&end, "after", "indexScans") > 0.0 && figure(&end, "after", "indexBytes") > 0.0);
    let told = format!("its statements took {fast:.2} ms instead of {slow:.2} ms");
    assert_eq!(end["outcome"], json!(told));
    println!("{end:#}");
    let added: Vec<String> = indexes(&mut at.superuser)
        .await
        .into_iter()
        .filter(|of| !before.contains(of))
        .collect();
    assert_eq!(added, [name]);
    let gone = at.operator.post(INDEXES, json!({ "name": name })).await;
    assert_eq!(gone.status, 422, "it is not suggested any more: {gone:?}");
}

#[tokio::test]
async fn ten_indexes_that_do_not_pay_are_taken_back() {
    let mut at = Installed::with_watch("0").await;
    at.with_leads().await;
    ask_for_sources(&at.acme.owner, 30).await;
    let before = indexes(&mut at.superuser).await;

    for columns in [
        vec!["company"],
        vec!["tenant_id", "company"],
        vec!["updated_at"],
        vec!["name", "tenant_id"],
        vec!["tenant_id", "name"],
        vec!["tenant_id", "-updated_at", "name"],
        vec!["id", "name"],
        vec!["status", "tenant_id"],
        vec!["tenant_id", "email"],
        vec!["tenant_id", "version"],
    ] {
        let act = at.build(&columns).await;
        let end = wait_until_over(&at.operator, &act).await;
        assert_eq!(end["state"], "reverted", "{columns:?}: {end:#}");
        println!("{columns:?}: {}", end["outcome"]);
        assert!(figure(&end, "after", "plannedCost") > 0.7 * figure(&end, "before", "plannedCost"));
    }
    assert_eq!(indexes(&mut at.superuser).await, before);

    for (body, pointer) in [
        (json!({}), "/name"),
        (json!({ "name": "idx_nothing" }), "/name"),
        (
            json!({ "name": "x", "table": "leads", "columns": ["id"] }),
            "/name",
        ),
        (json!({ "table": "nothing", "columns": ["id"] }), "/table"),
        (json!({ "table": "leads", "columns": [] }), "/columns"),
        (json!({ "table": "leads", "columns": ["nothing"] }), "/columns"),
        (
            json!({ "table": "leads", "columns": ["id); DROP TABLE leads; --"] }),
            "/columns",
        ),
        (json!({ "table": "leads", "columns": ["id", "-id"] }), "/columns"),
    ] {
        let refused = at.operator.post(INDEXES, body.clone()).await;
        assert_eq!(refused.status, 422, "{body}: {refused:?}");
        assert_eq!(refused.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    let unread = json!({ "table": "webhooks", "columns": ["id"] });
    let refused = at.operator.post(INDEXES, unread).await;
    assert_eq!(
        (refused.status.as_u16(), refused.problem().as_str()),
        (409, "not-measured")
    );
}

/// Begins to build an index, and holds it up behind a transaction that stays open.
async fn held_up(at: &mut Installed) -> (Value, PgConnection) {
    at.with_leads().await;
    ask_for_sources(&at.acme.owner, 30).await;
    let mut blocker = at.database.connect(DatabaseRole::Superuser).await;
    let open = "BEGIN; UPDATE leads SET company = 'x' WHERE id = (SELECT id FROM leads LIMIT 1)";
    blocker.execute(open).await.unwrap();
    let act = at.build(&["tenant_id", "source"]).await;
    wait_until("it waits for the transaction", async || {
        let phase = state_of(&at.operator, &act).await["progress"]["phase"].clone();
        phase
            .as_str()
            .is_some_and(|phase| phase.starts_with("waiting for"))
    })
    .await;
    (act, blocker)
}

#[tokio::test]
async fn while_an_index_is_built_others_write_and_what_is_cancelled_leaves_nothing() {
    let mut at = Installed::with_watch("0").await;
    let before = {
        let mut all = indexes(&mut at.superuser).await;
        all.retain(|name| name != "idx_leads_source_status");
        all
    };
    let (act, blocker) = held_up(&mut at).await;

    // The transaction that holds it up holds up nobody else.
    let lead = at.acme.lead("Ann").await;
    at.acme
        .owner
        .patch(&format!("/api/v1/leads/{lead}"), json!({ "company": "Acme" }))
        .await
        .expect(200);
    let id = act["id"].as_str().unwrap();
    at.operator.delete(&format!("{ACTS}/{id}")).await.expect(200);
    // The same again is another act, which has an index of its own.
    let again = at.build(&["tenant_id", "source"]).await;
    assert_ne!(again["id"], act["id"]);
    // To drop what is half built waits for it as well.
    blocker.close().await.unwrap();
    let end = wait_until_over(&at.operator, &again).await;
    assert_eq!(
        (&end["state"], &end["subject"]),
        (&json!("done"), &act["subject"]),
        "{end:#}"
    );
    let name = end["subject"].as_str().unwrap();
    wait_until("nothing else is left", async || {
        let mut left = indexes(&mut at.superuser).await;
        left.retain(|left| !before.contains(left));
        left == [name] && maintainers(&mut at.superuser).await == 0
    })
    .await;
    assert_eq!(state_of(&at.operator, &act).await["state"], "cancelled");
    // What is said of it makes it elsewhere.
    let mut owner = at.database.connect(DatabaseRole::Owner).await;
    let run = |text: &Value| AssertSqlSafe(text.as_str().unwrap().to_owned());
    owner.execute(run(&end["migration"]["down"])).await.unwrap();
    assert_eq!(indexes(&mut at.superuser).await, before);
    owner.execute(run(&end["migration"]["up"])).await.unwrap();
    assert!(indexes(&mut at.superuser).await.iter().any(|there| there == name));
}

#[tokio::test]
async fn an_index_that_was_there_stays_whatever_becomes_of_the_act() {
    let mut at = Installed::with_watch("0").await;
    at.with_leads().await;
    ask_for_sources(&at.acme.owner, 30).await;
    let act = at.build(&["tenant_id", "company"]).await;
    let name = act["subject"].as_str().unwrap().to_owned();
    assert_eq!(wait_until_over(&at.operator, &act).await["state"], "reverted");
    let make = format!("CREATE INDEX {name} ON leads (tenant_id, company)");
    at.superuser.execute(AssertSqlSafe(make)).await.unwrap();

    let there = at.build(&["tenant_id", "company"]).await;
    let there = wait_until_over(&at.operator, &there).await;
    let spoil = format!("UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass");
    at.superuser.execute(AssertSqlSafe(spoil)).await.unwrap();
    let invalid = at.build(&["tenant_id", "company"]).await;
    let invalid = wait_until_over(&at.operator, &invalid).await;

    assert_eq!(
        (&there["state"], &there["outcome"], &there["migration"]),
        (
            &json!("done"),
            &json!("there is an index of this name"),
            &Value::Null
        )
    );
    assert_eq!(invalid["state"], "failed", "{invalid:#}");
    assert!(
        invalid["outcome"]
            .as_str()
            .unwrap()
            .contains("is not valid: drop it"),
        "{invalid:#}"
    );
    assert!(indexes(&mut at.superuser).await.contains(&name));
}

#[tokio::test]
async fn what_a_killed_process_has_left_half_built_another_builds_and_judges() {
    let mut at = Installed::with_watch("0").await;
    let (act, blocker) = held_up(&mut at).await;

    at.serving.signal("KILL");
    at.serving.ended().await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE application_name = 'fairlead-maintenance' AND datname = current_database()";
    at.superuser.execute(end).await.unwrap();
    let invalid = "SELECT count(*) FROM pg_index WHERE indrelid = 'leads'::regclass AND NOT indisvalid";
    let left: i64 = sqlx::query_scalar(invalid)
        .fetch_one(&mut at.superuser)
        .await
        .unwrap();
    assert_eq!(left, 1, "it is half built");
    blocker.close().await.unwrap();
    let second = at.program.serve().await.unwrap();
    let operator = at.operator.at(&second.url);
    let end = wait_until_over(&operator, &act).await;

    assert_eq!(end["state"], "done", "{end:#}");
    let left: i64 = sqlx::query_scalar(invalid)
        .fetch_one(&mut at.superuser)
        .await
        .unwrap();
    assert_eq!(left, 0);
    let name = end["subject"].as_str().unwrap().to_owned();
    assert!(indexes(&mut at.superuser).await.contains(&name));
}
