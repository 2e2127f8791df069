//! What one process changes and nobody tells the others, these find in the log of events.

use std::time::{Duration, Instant};

use fairlead_devstack::Service;
use serde_json::{Value, json};
use support::pair::TestPair;
use support::process::Program;
use support::{TestDatabase, TestTenant, wait_until};

use super::cache::{RedisProxy, RedisServer};
use super::cached_reads::{LIST, source};
use super::cached_together::{at, keys_dir, pair, program};

/// The promise is a second: the log is read twice in it, and what it brings may be told of for a quarter of one. It is
/// the usual delay that is held to this, on a machine that does other things beside.
const FOUND_WITHIN: Duration = Duration::from_secs(2);

/// A program without Redis, on servers of their own: whoever writes for long in the same cluster holds the log up.
async fn without_redis() -> (TestPair, Program) {
    let (databases, program) = TestPair::start().await;
    let keys = keys_dir(&databases.read_url(Service::Replica).replace(['?', ':'], "-"));
    let program = program
        .with("FAIRLEAD__CACHE__RESPONSES__ENABLED", "true")
        .with("FAIRLEAD__AUTH__KEYS_DIR", &keys);
    (databases, program)
}

/// Neither hears of the other but by the log of events.
#[tokio::test(flavor = "multi_thread")]
async fn without_redis_a_write_in_one_process_is_seen_in_the_other_soon() {
    let (_databases, program) = without_redis().await;
    let (first, second) = (program.serve().await.unwrap(), program.serve().await.unwrap());
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    let there = at(&acme.owner, &second);
    let lead = format!("/api/v1/leads/{}", acme.lead("Ann").await);
    let mut delays = Vec::new();

    for round in 0..7 {
        wait_until("the other process answers from its memory", async || {
            source(&there.get(&lead).await) == "l1" && source(&there.get(LIST).await) == "l1"
        })
        .await;
        let name = format!("Ann {round}");
        acme.owner.patch(&lead, json!({ "name": name })).await.expect(200);
        let answered = Instant::now();
        wait_until("the change is found in the log", async || {
            there.get(&lead).await.expect(200)["name"] == name.as_str()
                && there.get(LIST).await.expect(200)["items"][0]["name"] == name.as_str()
        })
        .await;
        delays.push(answered.elapsed());
    }

    delays.sort_unstable();
    println!("seen by the other process after {delays:?}");
    assert!(delays[3] < FOUND_WITHIN, "{delays:?}");
}

/// Who is cut off from Redis cannot tell. Those who are not find it in the log, and tell the others.
#[tokio::test]
async fn what_is_written_where_redis_is_out_of_reach_is_seen_elsewhere_soon() {
    let (database, redis) = (TestDatabase::create().await, RedisServer::start().await);
    let proxy = RedisProxy::start(redis.url()).await;
    let program = program(&database, &redis);
    let through_proxy = program.clone().with("FAIRLEAD__CACHE__REDIS__URL", proxy.url());
    let first = through_proxy.serve().await.unwrap();
    let [second, third] = pair(&program).await;
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    let lead = format!("/api/v1/leads/{}", acme.lead("Ann").await);
    let others = [at(&acme.owner, &second), at(&acme.owner, &third)];
    proxy.cut();
    // Once, for what it may have taken with it. What it commits from now on is nobody's but the log's.
    wait_until("it is missed", async || {
        let told: Vec<Value> = [second.events(), third.events()].concat();
        let is_told = |event: &Value| event["message"].as_str().unwrap().contains("went without a word");
        told.iter().any(is_told)
    })
    .await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    for other in &others {
        wait_until("the others answer from memory", async || {
            source(&other.get(&lead).await) == "l1"
        })
        .await;
    }

    acme.owner
        .patch(&lead, json!({ "name": "Bea" }))
        .await
        .expect(200);

    for other in &others {
        wait_until("the change is found in the log", async || {
            other.get(&lead).await.expect(200)["name"] == "Bea"
        })
        .await;
    }
    // What Redis kept was dropped with it.
    let newcomer = program.serve().await.unwrap();
    let shown = at(&acme.owner, &newcomer).get(&lead).await.expect(200);
    assert_eq!(shown["name"], "Bea");
}

/// Not even of what is not kept, which is read from a replica that may lack the change.
#[tokio::test(flavor = "multi_thread")]
async fn without_redis_what_is_not_kept_is_not_read_from_before_a_change_for_long() {
    let (databases, program) = without_redis().await;
    let program = program
        .with("FAIRLEAD__CACHE__TTL_SECONDS__LEADS_ONE", "0")
        // Before that, nobody leaves the replica alone because it is behind.
        .with("FAIRLEAD__DATABASE__MONITOR__MAX_LAG_MS", "30000");
    let (first, second) = (program.serve().await.unwrap(), program.serve().await.unwrap());
    let acme = TestTenant::sign_up(first.anonymous(), "acme").await;
    let lead = format!("/api/v1/leads/{}", acme.lead("Ann").await);
    let there = at(&acme.owner, &second);
    wait_until("the other process reads the replica", async || {
        let read = there.get(&lead).await;
        read.status == 200 && source(&read).starts_with("replica")
    })
    .await;
    databases.wait_until_replayed().await;
    databases.on_replica("SELECT pg_wal_replay_pause()");

    acme.owner
        .patch(&lead, json!({ "name": "Bea" }))
        .await
        .expect(200);

    let answered = Instant::now();
    wait_until("the write is found in the log", async || {
        there.get(&lead).await.expect(200)["name"] == "Bea"
    })
    .await;
    let took = answered.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
}
