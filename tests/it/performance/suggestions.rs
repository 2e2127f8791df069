//! Indexes that are suggested, held against the planner and against the migration that makes them.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::pair::operator;
use support::process::Program;
use support::{Client, TestDatabase, TestTenant};

use super::indexing::{ask_for_sources, many_leads};

const SUGGESTIONS: &str = "/api/v1/performance/database/index-suggestions";
const MIGRATION: &str = "/api/v1/performance/database/index-suggestions/migration";

async fn only(operator: &Client) -> Value {
    let told = operator.get(SUGGESTIONS).await.expect(200);
    let [item] = &told["items"].as_array().unwrap()[..] else {
        panic!("{told:#}");
    };
    item.clone()
}

async fn indexes(database: &mut PgConnection) -> Vec<String> {
    let all = "SELECT indexname::text FROM pg_indexes WHERE tablename = 'leads' ORDER BY 1";
    sqlx::query_scalar(all).fetch_all(database).await.unwrap()
}

#[tokio::test]
async fn what_is_suggested_is_verified_and_becomes_a_migration() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database).with("FAIRLEAD__CACHE__RESPONSES__ENABLED", "false");
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    superuser
        .execute(AssertSqlSafe(many_leads(&acme.id)))
        .await
        .unwrap();
    superuser
        .execute("DROP INDEX idx_leads_source_status")
        .await
        .unwrap();
    let nothing = operator.post(MIGRATION, json!({})).await.expect(200);
    assert_eq!(nothing["indexes"], json!([]), "{nothing:#}");
    ask_for_sources(&acme.owner, 600).await;

    // The private server of tests has the extension, where the machine has it.
    let has_hypopg: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'hypopg')")
            .fetch_one(&mut superuser)
            .await
            .unwrap();
    if has_hypopg {
        let item = only(&operator).await;
        let verification = &item["verification"];
        assert_eq!(verification["verdict"], "verified", "{item:#}");
        let cost = |name: &str| verification[name].as_f64().unwrap();
        assert!(cost("costAfter") < 0.7 * cost("costBefore"), "{item:#}");
        superuser.execute("DROP EXTENSION hypopg").await.unwrap();
    }
    // Without it nobody has asked the planner, and that is said.
    let item = only(&operator).await;
    assert_eq!(
        (
            &item["verification"]["verdict"],
            &item["verification"]["costBefore"]
        ),
        (&json!("unverified"), &Value::Null),
        "{item:#}"
    );
    assert!(item["verification"]["why"].as_str().unwrap().contains("hypopg"));

    let before = indexes(&mut superuser).await;
    let step = operator.post(MIGRATION, json!({})).await.expect(200);
    assert_eq!(indexes(&mut superuser).await, before);
    assert_eq!(step["indexes"], json!([item["name"]]));
    assert!(
        step["file"]
            .as_str()
            .unwrap()
            .starts_with("migrations/src/sql/m20")
    );
    let named = operator
        .post(MIGRATION, json!({ "names": [item["name"]] }))
        .await
        .expect(200);
    assert_eq!(named["indexes"], step["indexes"]);
    let unknown = operator
        .post(MIGRATION, json!({ "names": ["idx_nothing"] }))
        .await;
    assert_eq!(unknown.status, 422);
    assert_eq!(unknown.json()["errors"][0]["pointer"], "/names");
    for count in [0, 101] {
        let body = json!({ "names": vec!["idx_nothing"; count] });
        let refused = operator.post(MIGRATION, body).await;
        assert_eq!(refused.status, 422, "{count}: {refused:?}");
        let fault = &refused.json()["errors"][0];
        assert_eq!(fault["pointer"], "/names");
        assert!(
            fault["detail"].as_str().unwrap().contains("from 1 to 100"),
            "{fault}"
        );
    }

    // Ahead of the step, by it, and back: as the owner, who migrates.
    let mut owner = database.connect(DatabaseRole::Owner).await;
    let run = |text: &Value| AssertSqlSafe(text.as_str().unwrap().to_owned());
    owner.execute(run(&step["ahead"][0])).await.unwrap();
    let built = indexes(&mut superuser).await;
    assert_eq!(built.len(), before.len() + 1);
    owner.execute(run(&step["up"])).await.unwrap();
    assert_eq!(indexes(&mut superuser).await, built);
    let after = operator.get(SUGGESTIONS).await.expect(200);
    assert_eq!(after["items"], json!([]), "{after:#}");
    owner.execute(run(&step["down"])).await.unwrap();
    assert_eq!(indexes(&mut superuser).await, before);
    owner.execute(run(&step["up"])).await.unwrap();
    owner.execute(run(&step["aheadOfDown"][0])).await.unwrap();
    assert_eq!(indexes(&mut superuser).await, before);
}
