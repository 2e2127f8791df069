//! How the database would run statements that operators have thought of.

use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Executor as _};
use support::database::DatabaseRole;
use support::pair::operator;
use support::process::Program;
use support::{Client, Response, TestDatabase, TestTenant};

use super::indexing::many_leads;

pub(super) const ANALYZE: &str = "/api/v1/performance/database/analyze-query";

async fn analyze(operator: &Client, tenant: &str, sql: &str, execute: bool) -> Response {
    let body = json!({ "sql": sql, "tenantId": tenant, "execute": execute });
    operator.post(ANALYZE, body).await
}

fn findings(told: &Value) -> Vec<&str> {
    let all = told["findings"].as_array().unwrap();
    all.iter()
        .map(|finding| finding["kind"].as_str().unwrap())
        .collect()
}

/// Every step of a plan.
pub(super) fn steps(plan: &Value) -> Vec<&Value> {
    let children = plan["children"].as_array().into_iter().flatten();
    [plan].into_iter().chain(children.flat_map(steps)).collect()
}

#[tokio::test]
async fn a_statement_is_told_with_its_plan_and_what_is_wrong_with_it() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let umbrella = TestTenant::sign_up(serving.anonymous(), "umbrella").await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    superuser
        .execute(AssertSqlSafe(many_leads(&acme.id)))
        .await
        .unwrap();
    umbrella.lead("Ann").await;

    let good =
        "SELECT id, name FROM leads WHERE tenant_id = $1 AND status = $2 ORDER BY created_at DESC LIMIT 50;";
    let told = analyze(&operator, &acme.id, good, false).await.expect(200);
    assert_eq!(
        (told["costClass"].as_str(), findings(&told)),
        (Some("low"), vec![]),
        "{told:#}"
    );
    assert_eq!(
        (&told["actualRows"], &told["executionMs"]),
        (&Value::Null, &Value::Null)
    );
    let scan = steps(&told["plan"])
        .into_iter()
        .find(|step| step["relation"] == "leads")
        .unwrap();
    assert!(
        scan["index"].as_str().unwrap().starts_with("idx_leads_"),
        "{scan:#}"
    );

    // Run, it sees what its tenant has and no more.
    let count = "SELECT count(*) FROM leads WHERE length(name) = 10";
    let told = analyze(&operator, &acme.id, count, true).await.expect(200);
    let found = findings(&told);
    for kind in ["not-leakproof", "missing-tenant", "misestimate"] {
        assert!(found.contains(&kind), "{kind} in {told:#}");
    }
    assert!(told["executionMs"].as_f64().unwrap() > 0.0 && told["actualRows"] == 1.0);
    let own: f64 = sqlx::query_scalar(AssertSqlSafe(format!(
        "SELECT count(*)::float8 FROM leads WHERE tenant_id = '{}' AND length(name) = 10",
        acme.id
    )))
    .fetch_one(&mut superuser)
    .await
    .unwrap();
    let rows = |told: &Value| {
        let steps = steps(&told["plan"]);
        let scan = steps
            .into_iter()
            .find(|step| step["relation"] == "leads")
            .unwrap();
        scan["actual"]["rows"].as_f64().unwrap()
    };
    assert!((rows(&told) - own).abs() < 0.5, "{told:#}");
    let other = analyze(&operator, &umbrella.id, "SELECT id FROM leads", true)
        .await
        .expect(200);
    assert!((rows(&other) - 1.0).abs() < 0.5, "{other:#}");

    let sorted = "SELECT * FROM leads WHERE tenant_id = current_tenant() ORDER BY name, company";
    let told = analyze(&operator, &acme.id, sorted, true).await.expect(200);
    assert!(findings(&told).contains(&"spill"), "{told:#}");
    let product = "SELECT count(*) FROM leads a JOIN leads b ON a.name <> b.name";
    let told = analyze(&operator, &acme.id, product, false).await.expect(200);
    assert!(told["costClass"] != "low", "{told:#}");
    // And it is given up when it takes too long.
    let slow = analyze(&operator, &acme.id, product, true).await;
    assert_eq!(slow.status, 422);
    assert!(
        slow.json()["detail"].as_str().unwrap().contains("takes longer"),
        "{}",
        slow.json()
    );
}

#[tokio::test]
async fn what_is_run_stands_in_the_audit_log_and_what_is_planned_does_not() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let run = "SELECT count(*) FROM leads WHERE name = 'Ann'";

    analyze(&operator, &acme.id, "SELECT id FROM users", false)
        .await
        .expect(200);
    analyze(&operator, &acme.id, run, true).await.expect(200);
    let refused = "SELECT random()";
    assert_eq!(analyze(&operator, &acme.id, refused, true).await.status, 422);

    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let acts: Vec<(String, Value)> =
        sqlx::query_as("SELECT actor, after FROM audit_log WHERE action = 'statement_analyzed' ORDER BY id")
            .fetch_all(&mut superuser)
            .await
            .unwrap();
    let [(actor, after), (_, tried)] = &acts[..] else {
        panic!("{acts:#?}")
    };
    assert_eq!(actor, "operator:test");
    assert_eq!(
        *after,
        json!({ "tenant": acme.id, "sql": run, "sqlBytes": run.len() })
    );
    assert_eq!(tried["sql"], refused);
}

#[tokio::test]
async fn what_is_refused_is_told_why() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;

    for (sql, why) in [
        ("DELETE FROM leads", "exactly one SELECT"),
        ("SELECT pg_sleep(1)", "pg_sleep is no function"),
        ("SELECT random()", "random is no function"),
        ("SELECT frobnicate(1)", "frobnicate is no function"),
        ("SELECT * FROM pg_class", "pg_class is"),
        ("SELECT * FROM seaql_migrations", "no table of the product"),
        ("SELECT colour FROM leads", "column \"colour\" does not exist"),
        (
            "SELECT id FROM leads WHERE id = $2",
            "could not determine data type",
        ),
        ("SELECT 1 / 0 FROM leads", "at a value or a limit"),
        // What the server calls an error of its own.
        (
            "SELECT setweight(to_tsvector('simple', 'a'), 'x')",
            "at a value or a limit",
        ),
        ("SELECT concat_ws('x', 1, 2)", "concat_ws is no function"),
        ("SELECT ('x').quote_literal", "quote_literal is no function"),
        ("SELECT version()", "version is no function"),
        ("SELECT regclass 'leads'", "a text stands where a name does"),
        ("SELECT id AS 'x' FROM leads", "a text stands where a name does"),
    ] {
        let refused = analyze(&operator, &acme.id, sql, false).await;
        assert_eq!(refused.status, 422, "{sql}: {}", refused.json());
        let problem = refused.json();
        assert_eq!(problem["errors"][0]["pointer"], "/sql", "{problem:#}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(why), "{sql}: {detail}");
    }
    let unbound = analyze(&operator, &acme.id, "SELECT id FROM leads WHERE id = $1", true).await;
    assert_eq!(unbound.status, 422);
    let recursive = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT n FROM r";
    analyze(&operator, &acme.id, recursive, false).await.expect(200);
    assert_eq!(analyze(&operator, &acme.id, recursive, true).await.status, 422);
    let gathered = "SELECT string_agg(name, ',') FROM leads";
    analyze(&operator, &acme.id, gathered, false).await.expect(200);
    let refused = analyze(&operator, &acme.id, gathered, true).await.expect(422);
    assert!(
        refused["detail"].as_str().unwrap().contains("string_agg gathers"),
        "{refused:#}"
    );
    // Each column is the text once more, and what cannot be printed is six letters of a plan.
    let columns = vec!["s"; 500].join(", ");
    let text = "\u{1}".repeat(2_000);
    let wide = format!("SELECT {columns} FROM (SELECT '{text}' AS s) AS q");
    let refused = analyze(&operator, &acme.id, &wide, false).await.expect(422);
    assert!(
        refused["detail"]
            .as_str()
            .unwrap()
            .contains("too long to be told"),
        "{refused:#}"
    );
    let long = format!("SELECT '{}'", "x".repeat(70_000));
    assert_eq!(analyze(&operator, &acme.id, &long, false).await.status, 413);
    let huge = format!("SELECT '{}'", "x".repeat(1 << 20));
    assert_eq!(analyze(&operator, &acme.id, &huge, false).await.status, 413);
    let nobody = acme
        .owner
        .post(ANALYZE, json!({ "sql": "SELECT 1", "tenantId": acme.id }))
        .await;
    assert_eq!(nobody.status, 403, "{}", nobody.json());
}
