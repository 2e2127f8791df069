//! Limits that processes share through Redis, and what becomes of them without it.

use fairlead_devstack::Service;
use support::database::DatabaseRole;
use support::process::{Program, Serving};
use support::{Client, TestDatabase, TestTenant, wait_until};

use super::{LIST, passing};
use crate::cache::RedisServer;

const REQUESTS: usize = 40;
/// What a process lets pass before the others know of it: one request that is being told, and one that comes meanwhile.
const SLACK: usize = 2;

/// A program that limits what a tenant may ask, and nothing else.
fn program(database: &TestDatabase, redis: &RedisServer) -> Program {
    let keys = database.url(DatabaseRole::App);
    let keys = std::env::temp_dir().join(format!("keys-of-{}", keys.rsplit('/').next().unwrap()));
    Program::on(database)
        .with("FAIRLEAD__CACHE__REDIS__URL", redis.url())
        // A busy machine may be slow to answer.
        .with("FAIRLEAD__CACHE__REDIS__COMMAND_TIMEOUT_MS", "500")
        .with("FAIRLEAD__AUTH__KEYS_DIR", &keys.display().to_string())
        .with("FAIRLEAD__RATE_LIMITS__SHADOW", "false")
        .with("FAIRLEAD__RATE_LIMITS__WINDOW_SECONDS", "3600")
        .with("FAIRLEAD__RATE_LIMITS__ADDRESS", "0")
        .with("FAIRLEAD__RATE_LIMITS__TENANT", &REQUESTS.to_string())
}

async fn serve(program: &Program) -> Serving {
    let server = program.serve().await.unwrap();
    until_shared(&server).await;
    server
}

async fn until_shared(server: &Serving) {
    wait_until("limits are shared", async || !is_alone(server).await).await;
}

async fn is_alone(server: &Serving) -> bool {
    let ready = server.anonymous().get("/health/ready").await.expect(200);
    ready["reduced"].to_string().contains("how often clients may ask")
}

/// How many of so many requests pass, sent to one process after the other.
async fn passing_in_turn(clients: &[Client], requests: usize) -> usize {
    let mut passed = 0;
    for number in 0..requests {
        passed += passing(&clients[number % clients.len()], LIST, 1).await;
    }
    passed
}

/// How much is left of the tenant's quota, as far as a process knows.
async fn remaining(client: &Client) -> u64 {
    let limits = client.get("/api/v1/limits").await.expect(200);
    limits["rates"][0]["remaining"].as_u64().unwrap()
}

#[tokio::test]
async fn processes_together_let_no_more_pass_than_one_would_but_for_a_little() {
    let (database, redis) = (TestDatabase::create().await, RedisServer::start().await);
    let program = program(&database, &redis);
    let (first, second) = (serve(&program).await, serve(&program).await);
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    let clients = [acme.owner.clone(), acme.owner.at(&second.url)];

    let passed = passing_in_turn(&clients, 2 * REQUESTS).await;

    assert!((REQUESTS..=REQUESTS + 2 * SLACK).contains(&passed), "{passed}");
    // A process that has seen nothing of it learns so by the first request.
    let third = serve(&program).await;
    let late = acme.owner.at(&third.url);
    wait_until("it knows", async || passing(&late, LIST, 1).await == 0).await;
    assert_eq!(passing(&late, LIST, REQUESTS).await, 0);
    // What Redis keeps of it goes by itself.
    let keys: Vec<String> = redis.command(redis::cmd("KEYS").arg("fl:*:r:tenant")).await;
    assert_eq!(keys, [format!("fl:{{{}}}:r:tenant", acme.id)]);
    let life: i64 = redis.command(redis::cmd("TTL").arg(&keys[0])).await;
    assert!((3_400..=4_100).contains(&life), "{life}");
}

#[tokio::test]
async fn without_redis_each_process_goes_on_by_itself_and_no_request_fails() {
    let (database, redis) = (TestDatabase::create().await, RedisServer::start().await);
    let program = program(&database, &redis);
    let (first, second) = (serve(&program).await, serve(&program).await);
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    let clients = [acme.owner.clone(), acme.owner.at(&second.url)];
    let before = passing_in_turn(&clients, 10).await;
    assert_eq!(before, 10);
    // Both know of all of it.
    let left = [remaining(&clients[0]).await, remaining(&clients[1]).await];
    assert!(left.iter().all(|left| (28..=31).contains(left)), "{left:?}");

    redis.with(|stack| stack.kill(Service::Redis).unwrap()).await;
    let mut passed = [0, 0];
    for _ in 0..REQUESTS {
        passed[0] += passing(&clients[0], LIST, 1).await;
        passed[1] += passing(&clients[1], LIST, 1).await;
    }

    // Each lets pass what was left, as far as it knew.
    for (passed, left) in passed.iter().zip(left) {
        let left = usize::try_from(left).unwrap();
        assert!((left - SLACK..=left).contains(passed), "{passed} of {left}");
    }
    for server in [&first, &second] {
        wait_until("it says so", async || is_alone(server).await).await;
    }
    redis.with(|stack| stack.restart(Service::Redis).unwrap()).await;
    for server in [&first, &second] {
        until_shared(server).await;
    }
    // What was used up alone is not asked back of others.
    let umbrella = TestTenant::sign_up(first.anonymous(), "umbrella").await;
    let clients = [umbrella.owner.clone(), umbrella.owner.at(&second.url)];
    let passed = passing_in_turn(&clients, 2 * REQUESTS).await;
    assert!((REQUESTS..=REQUESTS + 2 * SLACK).contains(&passed), "{passed}");
}
