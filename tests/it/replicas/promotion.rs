//! A replica takes the primary's place behind its name, while our processes go on with what they keep.

use fairlead_devstack::Service;
use reqwest::Method;
use serde_json::json;
use support::pair::TestPair;
use support::process::Program;
use support::{Client, TestTenant, wait_until};

use super::switch::Switch;
use super::{create_lead, serve, source, wait_until_caught_up};
use crate::cache::RedisServer;
use crate::cached_together::until_shared;

const PASSES_THROUGH: [&str; 3] = ["URL", "SYSTEM_URL", "OWNER_URL"];

/// The program that reaches its primary by the switch, and keeps answers: each process its own, without a Redis.
fn through(switch: &Switch, pair: &TestPair, program: Program, redis: Option<&RedisServer>) -> Program {
    let own = |port| format!(":{port}/");
    let (direct, switched) = (own(pair.port(Service::Postgres)), own(switch.port()));
    let keys = std::env::temp_dir().join(format!("keys-of-promotion-{}", switch.port()));
    let program = pair.led_by(Service::Postgres, program);
    let program = PASSES_THROUGH.iter().fold(program, |program, key| {
        let name = format!("FAIRLEAD__DATABASE__{key}");
        let url = program.get(&name).unwrap().replace(&direct, &switched);
        program.with(&name, &url)
    });
    let program = program
        .with("FAIRLEAD__CACHE__RESPONSES__ENABLED", "true")
        .with("FAIRLEAD__AUTH__KEYS_DIR", &keys.display().to_string());
    match redis {
        Some(redis) => program.with("FAIRLEAD__CACHE__REDIS__URL", redis.url()),
        None => program,
    }
}

/// From now on nothing reaches the replica, and what is committed will be lost.
async fn cut_off(pair: &TestPair) {
    pair.on_replica("ALTER SYSTEM SET primary_conninfo = ''");
    pair.on_replica("SELECT pg_reload_conf()");
    wait_until("the replica is cut off", async || {
        pair.on_replica("SELECT count(*) FROM pg_stat_wal_receiver") == "0"
    })
    .await;
}

/// The replica takes over.
fn fail_over(pair: &TestPair, switch: &Switch) {
    pair.kill(Service::Postgres);
    pair.on_replica("SELECT pg_promote(true, 60)");
    switch.turn_to(pair.port(Service::Replica));
}

async fn kept(client: &Client, path: &str) -> String {
    wait_until("it is answered from memory", async || {
        source(&client.get(path).await) == "l1"
    })
    .await;
    let lead = client.get(path).await.expect(200);
    lead["company"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_was_lost_is_forgotten_by_processes_that_go_on() {
    let (pair, program) = TestPair::start().await;
    let redis = RedisServer::start().await;
    let switch = Switch::to(pair.port(Service::Postgres)).await;
    let program = through(&switch, &pair, program, Some(&redis));
    let (first, second) = (serve(&program).await, serve(&program).await);
    for server in [&first, &second] {
        until_shared(server).await;
    }
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    let clients = [acme.owner.clone(), acme.owner.at(&second.url)];
    let path = format!("/api/v1/leads/{}", create_lead(&acme.owner, "Ann").await);
    let left = acme.owner.patch(&path, json!({ "company": "Left" })).await;
    let left = left.header("etag").unwrap().to_owned();
    let operator = support::pair::operator(&program, &first).await;
    wait_until_caught_up(&operator, "replica-1").await;

    cut_off(&pair).await;
    let lost = acme.owner.patch(&path, json!({ "company": "Lost" })).await;
    let lost_token = lost.header("fairlead-consistency").unwrap().to_owned();
    let lost_tag = lost.header("etag").unwrap().to_owned();
    lost.expect(200);
    for client in &clients {
        wait_until("it is known to both", async || {
            kept(client, &path).await == "Lost"
        })
        .await;
    }

    fail_over(&pair, &switch);

    for client in &clients {
        wait_until("what is lost is not shown any more", async || {
            let shown = client.get(&path).await;
            shown.status == 200 && shown.expect(200)["company"] == "Left"
        })
        .await;
        // Neither memory nor Redis has it.
        assert_eq!(kept(client, &path).await, "Left");
        let request = client.request(Method::GET, &path);
        let read = client
            .send(request.header("fairlead-consistency", &lost_token))
            .await;
        assert_eq!(source(&read), "l1", "a token of what is over is met: {read:?}");
        assert_eq!(read.expect(200)["company"], "Left");
    }
    // Who goes by what is shown can go on.
    let request = clients[1].request(Method::PATCH, &path);
    let request = request
        .header("if-match", left)
        .json(&json!({ "company": "New" }));
    let made_again = clients[1].send(request).await.expect(200);
    // The version that was lost is made again: what a client has of it is neither the latest nor to be changed.
    assert_eq!(made_again["version"], 3);
    let request = clients[1].request(Method::GET, &path);
    let read = clients[1].send(request.header("if-none-match", &lost_tag)).await;
    assert_eq!(read.expect(200)["company"], "New", "after {lost_tag}");
    let request = clients[1].request(Method::PATCH, &path);
    let request = request.header("if-match", &lost_tag);
    let changed = clients[1].send(request.json(&json!({ "company": "Mine" }))).await;
    assert_eq!(changed.problem(), "stale-version");
    for client in &clients {
        wait_until("the next change is heard of", async || {
            kept(client, &path).await == "New"
        })
        .await;
    }
}

/// The log gives the numbers of what was lost anew, so who follows it cannot tell what is new by its place in it.
#[tokio::test(flavor = "multi_thread")]
async fn changes_behind_a_failover_are_heard_of_without_redis() {
    let (pair, program) = TestPair::start().await;
    let switch = Switch::to(pair.port(Service::Postgres)).await;
    let program = through(&switch, &pair, program, None);
    let (first, second) = (serve(&program).await, serve(&program).await);
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    let clients = [acme.owner.clone(), acme.owner.at(&second.url)];
    let path = format!("/api/v1/leads/{}", create_lead(&acme.owner, "Ann").await);
    acme.owner
        .patch(&path, json!({ "company": "Left" }))
        .await
        .expect(200);
    let operator = support::pair::operator(&program, &first).await;
    wait_until_caught_up(&operator, "replica-1").await;
    cut_off(&pair).await;
    // More than are made behind the failover, so that those have numbers that were heard of.
    for number in 0..20 {
        create_lead(&acme.owner, &format!("Lost {number}")).await;
    }
    let lost = "it is known to the other";
    wait_until(lost, async || kept(&clients[1], &path).await == "Left").await;

    fail_over(&pair, &switch);

    wait_until("it is kept anew", async || {
        let shown = clients[0].get(&path).await;
        shown.status == 200 && source(&shown) == "l1"
    })
    .await;
    for number in 0..5 {
        let company = format!("Behind {number}");
        wait_until("it is changed", async || {
            let change = json!({ "company": company });
            clients[1].patch(&path, change).await.status == 200
        })
        .await;
        // Far below the time for which it would be kept.
        wait_until("the other process shows it", async || {
            kept(&clients[0], &path).await == company
        })
        .await;
    }
}
