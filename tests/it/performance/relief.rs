//! Memory that runs out, and what is given back.

use serde_json::{Value, json};
use support::pair::operator;
use support::process::Program;
use support::{Client, TestDatabase, TestTenant, wait_until};

use super::acts::{ACTS, figure};

/// Of the acts of this kind, once there is one.
async fn first_of(operator: &Client, kind: &str) -> Value {
    let path = format!("{ACTS}?kind={kind}");
    wait_until("there is one", async || {
        operator.get(&path).await.expect(200)["items"] != json!([])
    })
    .await;
    operator.get(&path).await.expect(200)["items"][0].clone()
}

#[tokio::test]
async fn memory_that_runs_out_is_given_back_and_only_where_that_is_wanted() {
    let database = TestDatabase::create().await;
    // More than that it has in any case.
    let program = Program::on(&database)
        .with("MEMORY_LIMIT", "16")
        .with("GC_INTERVAL", "100");
    let tells = program.serve().await.unwrap();
    let acme = TestTenant::sign_up(tells.anonymous(), "acme").await;
    wait_until("it says so", async || {
        let says = |event: &Value| {
            event["message"]
                .as_str()
                .unwrap_or_default()
                .starts_with("memory runs out; with")
        };
        tells.events().iter().any(says)
    })
    .await;
    let acts = program.with("FAIRLEAD__PERFORMANCE__MEMORY__RELIEVE", "true");
    let does = acts.serve().await.unwrap();
    let operator = operator(&acts, &does).await;

    let act = first_of(&operator, "release-memory").await;

    assert_eq!(
        (&act["state"], &act["why"], &act["subject"], &act["table"]),
        (
            &json!("done"),
            &json!("its memory runs out: emergency"),
            &act["askedBy"],
            &Value::Null
        ),
        "{act:#}"
    );
    assert_eq!(act["before"]["limitBytes"], json!(f64::from(16 << 20)));
    assert!(figure(&act, "before", "residentBytes") > f64::from(16 << 20));
    // The one that only tells has done nothing, though it is as short of memory.
    let listed = operator
        .get(&format!("{ACTS}?kind=release-memory"))
        .await
        .expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed:#}");
    // Who serves goes on serving.
    acme.at(&does.url).owner.get("/api/v1/leads").await.expect(200);
}

#[tokio::test]
async fn memory_is_given_back_when_an_operator_asks_as_far_as_they_say() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database).with("DB_POOL_MIN", "0");
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let clean_up = async |level: &str| {
        let path = "/api/v1/performance/memory/cleanup";
        operator.post(path, json!({ "level": level })).await.expect(200)
    };
    for path in ["/api/v1/leads", "/api/v1/carriers", "/api/v1/users"] {
        acme.owner.get(path).await.expect(200);
        let kept = acme.owner.get(path).await;
        assert_eq!(kept.header("fairlead-read-source"), Some("l1"), "{path}");
    }

    let caches = clean_up("caches").await;
    let again = acme.owner.get("/api/v1/leads").await;
    let connections = clean_up("connections").await;
    acme.owner.get("/api/v1/users").await.expect(200);
    let emergency = clean_up("emergency").await;

    assert!(
        caches["droppedAnswers"].as_u64() >= Some(3) && caches["droppedBytes"].as_u64() > Some(0),
        "{caches:#}"
    );
    assert_eq!(caches["closedConnections"], 0);
    assert_ne!(again.header("fairlead-read-source"), Some("l1"));
    for closed in [connections, emergency] {
        assert!(closed["residentAfterBytes"].is_u64(), "{closed:#}");
        assert!(closed["closedConnections"].as_u64() >= Some(1), "{closed:#}");
    }
    acme.owner.get("/api/v1/carriers").await.expect(200);
    for body in [
        json!({}),
        json!({ "level": "all" }),
        json!({ "level": "caches", "more": 1 }),
    ] {
        let refused = operator
            .post("/api/v1/performance/memory/cleanup", body.clone())
            .await;
        assert_eq!(refused.status, 422, "{body}: {refused:?}");
    }
}
