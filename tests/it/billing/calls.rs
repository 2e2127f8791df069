//! How many calls of the API plans allow.

use serde_json::json;
use sqlx::{AssertSqlSafe, Executor as _};
use support::database::DatabaseRole;
use support::process::{Program, Serving};
use support::{Client, Response, TestDatabase, TestTenant, wait_until};

use super::bench::SUBSCRIPTION;

const LEADS: &str = "/api/v1/leads";

fn used_up(response: &Response) -> bool {
    response.status == 429 && response.problem() == "plan-calls-used-up"
}

async fn serve(program: &Program) -> Serving {
    program.serve().await.unwrap()
}

/// What the subscription says of calls.
async fn calls(client: &Client) -> serde_json::Value {
    client.get(SUBSCRIPTION).await.expect(200)["limits"][2].clone()
}

#[tokio::test]
async fn who_has_made_all_calls_of_its_plan_is_refused_by_all_processes_until_it_has_another_plan() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database)
        .with("FAIRLEAD__BILLING__FREE__MAX_CALLS", "20")
        .with("FAIRLEAD__PERFORMANCE__INTERVAL_MS", "1000");
    let (first, second) = (serve(&program).await, serve(&program).await);
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    let umbrella = TestTenant::sign_up(first.anonymous(), "umbrella").await;
    let elsewhere = acme.owner.at(&second.url);
    // No process has seen as many.
    for client in [&acme.owner, &elsewhere] {
        for _ in 0..12 {
            client.get(LEADS).await.expect(200);
        }
    }

    for client in [&acme.owner, &elsewhere] {
        wait_until("the calls are used up", async || {
            used_up(&client.get(LEADS).await)
        })
        .await;
    }

    let refused = elsewhere.post(LEADS, json!({ "name": "Ann" })).await;
    assert!(used_up(&refused), "{refused:?}");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=31 * 86_400).contains(&wait), "{wait}");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("the plan FREE allows 20 calls"), "{detail}");
    // It can be seen, and something be done about it.
    for path in ["/api/v1/usage", "/api/v1/limits", "/api/v1/auth/me"] {
        elsewhere.get(path).await.expect(200);
    }
    let told = calls(&elsewhere).await;
    assert_eq!((&told["name"], &told["maximum"]), (&json!("calls"), &json!(20)));
    assert!(told["used"].as_u64() >= Some(24), "{told}");
    umbrella.owner.get(LEADS).await.expect(200);

    // As if it had been paid for.
    let subscribe = format!(
        "INSERT INTO subscriptions (tenant_id, id, provider_id, plan, status, cancel_at_period_end, updated_at)
         VALUES ('{id}', '{id}', 'sub_1', 'TEAM', 'ACTIVE', FALSE, now())",
        id = acme.id
    );
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    superuser.execute(AssertSqlSafe(subscribe)).await.unwrap();
    for client in [&acme.owner, &elsewhere] {
        wait_until("the plan is in force", async || {
            client.get(LEADS).await.status == 200
        })
        .await;
    }
}

#[tokio::test]
async fn what_finds_nothing_new_is_no_call_and_a_process_that_stops_writes_down_what_it_has_counted() {
    let database = TestDatabase::create().await;
    // It would write by itself in a minute.
    let serving = serve(&Program::on(&database)).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let listed = acme.owner.get(LEADS).await;
    let tag = listed.header("etag").unwrap().to_owned();
    for _ in 0..5 {
        let request = acme.owner.request(reqwest::Method::GET, LEADS);
        let answer = acme.owner.send(request.header("if-none-match", &tag)).await;
        assert_eq!(answer.status, 304);
    }
    acme.owner.get("/api/v1/leads/nonsense").await.expect(400);

    serving.signal("TERM");
    assert!(serving.ended().await.status.success());

    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let counted: (i64, i64) = sqlx::query_as(
        "SELECT (SELECT SUM(requests)::bigint FROM tenant_usage), (SELECT SUM(calls)::bigint FROM tenant_calls)",
    )
    .fetch_one(&mut superuser)
    .await
    .unwrap();
    assert_eq!(counted, (7, 2));
}
