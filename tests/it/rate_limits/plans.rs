//! Limits of tenants that pay.

use sqlx::{AssertSqlSafe, Executor as _};
use support::database::DatabaseRole;
use support::process::{Program, Serving};
use support::{Client, TestDatabase, TestTenant, wait_until};

use super::{LIST, passing};

const SUBSCRIPTIONS: &str =
    "INSERT INTO subscriptions (tenant_id, id, provider_id, plan, status, cancel_at_period_end, updated_at)";

async fn serve(program: &Program) -> Serving {
    program.serve().await.unwrap()
}

/// How many requests of the tenant it says that there may be.
async fn told(client: &Client) -> u64 {
    let limits = client.get("/api/v1/limits").await.expect(200);
    let mut rates = limits["rates"].as_array().unwrap().iter();
    let of_tenant = rates.find(|rate| rate["name"] == "tenant").unwrap();
    of_tenant["requests"].as_u64().unwrap()
}

#[tokio::test]
async fn a_plan_says_how_often_its_tenants_may_ask_in_all_processes_soon_after_it_is_theirs() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database)
        .with("FAIRLEAD__RATE_LIMITS__SHADOW", "false")
        .with("FAIRLEAD__RATE_LIMITS__WINDOW_SECONDS", "60")
        .with("FAIRLEAD__RATE_LIMITS__TENANT", "12")
        .with("FAIRLEAD__RATE_LIMITS__PLANS__BUSINESS__TENANT", "60000")
        .with("FAIRLEAD__PERFORMANCE__INTERVAL_MS", "1000");
    let (first, second) = (serve(&program).await, serve(&program).await);
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    let umbrella = TestTenant::sign_up(first.anonymous(), "umbrella").await;
    let clients = [acme.owner.at(&first.url), acme.owner.at(&second.url)];
    assert_eq!(told(&clients[0]).await, 12);
    for client in &clients {
        assert!(passing(client, LIST, 20).await < 20);
    }

    // As if it had been paid for.
    let subscribe = format!(
        "{SUBSCRIPTIONS} VALUES ('{id}', '{id}', 'sub_1', 'BUSINESS', 'ACTIVE', FALSE, now())",
        id = acme.id
    );
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    superuser.execute(AssertSqlSafe(subscribe)).await.unwrap();

    for client in &clients {
        wait_until("the plan counts", async || {
            let answer = client.get(LIST).await;
            let policy = answer.header("ratelimit-policy").unwrap();
            policy.contains("\"tenant\";q=60000;w=60")
        })
        .await;
        // What was used up is a share of the window, and comes back as fast as the plan says: each millisecond one.
        assert_eq!(told(client).await, 60_000);
        assert_eq!(passing(client, LIST, 20).await, 20);
    }
    assert_eq!(told(&umbrella.owner).await, 12);

    let end = format!(
        "UPDATE subscriptions SET status = 'CANCELED' WHERE tenant_id = '{}'",
        acme.id
    );
    superuser.execute(AssertSqlSafe(end)).await.unwrap();
    for client in &clients {
        wait_until("it has ended", async || client.get(LIST).await.status == 429).await;
    }
}
