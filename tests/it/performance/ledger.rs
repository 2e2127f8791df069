//! What tenants take of what all share.

use serde_json::json;
use support::pair::operator;
use support::process::Program;
use support::{TestDatabase, TestTenant};

use super::history::written;

#[tokio::test]
async fn tenants_are_told_what_they_have_taken_and_operators_of_all() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database)
        .with("FAIRLEAD__PERFORMANCE__INTERVAL_MS", "1000")
        .with("FAIRLEAD__CACHE__RESPONSES__ENABLED", "false");
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let umbrella = TestTenant::sign_up(serving.anonymous(), "umbrella").await;
    let mut sent = 0;
    for (tenant, times) in [(&acme, 8), (&umbrella, 3)] {
        for _ in 0..times {
            let answer = tenant.owner.get("/api/v1/users").await;
            answer.expect(200);
            sent += if tenant.id == acme.id {
                answer.body.len()
            } else {
                0
            };
        }
    }
    written(&operator, &written(&operator, "").await).await;

    let tenants = operator
        .get("/api/v1/performance/tenants?period=hour")
        .await
        .expect(200);
    let (own, others) = (
        acme.owner.get("/api/v1/usage").await.expect(200),
        umbrella.owner.get("/api/v1/usage").await.expect(200),
    );

    let of = |id: &str| {
        let items = tenants["items"].as_array().unwrap();
        items.iter().find(|item| item["tenantId"] == id).unwrap().clone()
    };
    let taken = &of(&acme.id)["taken"];
    assert_eq!(
        (
            &taken["requests"],
            &taken["failed"],
            &taken["statements"],
            &taken["rows"]
        ),
        (&json!(8), &json!(0), &json!(8), &json!(8)),
        "{tenants:#}"
    );
    // Clients of tests take answers as they are.
    assert_eq!(taken["sentBytes"], sent);
    assert!(taken["databaseMs"].as_f64().unwrap() > 0.0, "{tenants:#}");
    assert_eq!(of(&umbrella.id)["taken"]["requests"], 3);
    assert_eq!(tenants["all"]["requests"], 11);
    let ratios = [&acme, &umbrella].map(|tenant| of(&tenant.id)["databaseRatio"].as_f64().unwrap());
    assert!((ratios[0] + ratios[1] - 1.0).abs() < 0.01, "{tenants:#}");

    let month = &own["thisMonth"];
    for name in ["requests", "sentBytes", "statements", "rows", "databaseMs"] {
        assert_eq!(month[name], taken[name], "{name}");
    }
    assert_eq!(
        (&month["aiTokens"], &others["thisMonth"]["requests"]),
        (&json!(0), &json!(3))
    );
}
