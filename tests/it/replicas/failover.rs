//! A replica becomes the primary: the log goes on along another timeline.

use std::time::{Duration, Instant};

use fairlead_devstack::Service;
use reqwest::Method;
use serde_json::json;
use support::pair::{TestPair, operator};
use support::{Client, Response, TestTenant, wait_until};

use super::{create_lead, node, serve, source, wait_until_caught_up, wait_until_serving};

/// The monitor looks ten times a second.
const MANY_LOOKS: Duration = Duration::from_secs(1);

/// Has the second replica follow another server; nobody, if that has no name.
fn follow(pair: &TestPair, url: &str) {
    let follow = format!("ALTER SYSTEM SET primary_conninfo = '{url}'");
    pair.run_on(Service::SecondReplica, &follow);
    pair.run_on(Service::SecondReplica, "SELECT pg_reload_conf()");
}

async fn read_after(client: &Client, path: &str, token: &str) -> Response {
    let request = client.request(Method::GET, path);
    client.send(request.header("fairlead-consistency", token)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_failover_nothing_stale_is_read_and_writes_go_to_the_new_primary() {
    let (pair, program) = TestPair::start_with_two_replicas().await;
    let program = program.with("FAIRLEAD__DATABASE__MONITOR__RETURN_AFTER_MS", "500");
    let before = serve(&program).await;
    let operator_before = operator(&program, &before).await;
    let acme = TestTenant::sign_up(before.anonymous(), "acme").await;
    let path = format!("/api/v1/leads/{}", create_lead(&acme.owner, "Ann").await);
    let written = acme.owner.patch(&path, json!({ "company": "Old" })).await;
    let old_token = written.header("fairlead-consistency").unwrap().to_owned();
    written.expect(200);
    wait_until_caught_up(&operator_before, "replica-1").await;
    wait_until("the second replica has it, too", async || {
        pair.run_on(Service::SecondReplica, "SELECT company FROM leads") == "Old"
    })
    .await;

    pair.kill(Service::Postgres);
    pair.run_on(Service::Replica, "SELECT pg_promote(true, 60)");

    // Who still knows it as a replica reads nothing there: others may be writing to it.
    wait_until("it is no replica any more", async || {
        node(&operator_before, "replica-1").await["standing"] == "is not a replica"
    })
    .await;
    assert_eq!(acme.owner.get(&path).await.status, 503);
    drop(before);

    // The second replica follows the new primary, and both are known as what they are now.
    pair.run_on(
        Service::Replica,
        "SELECT pg_create_physical_replication_slot('replica_2')",
    );
    let new_primary = pair.superuser_url(Service::Replica);
    follow(&pair, &new_primary);
    let program = pair
        .led_by(Service::Replica, program)
        .with("DATABASE_READ_URL", &pair.read_url(Service::SecondReplica));
    let after = serve(&program).await;
    let operator = operator(&program, &after).await;
    let owner = acme.owner.at(&after.url);
    // Its last restart point is of the old timeline, and nobody asks it for another.
    wait_until_serving(&operator, "replica-1").await;

    // What the old timeline's positions mean on the new one nobody knows. Whoever has what the primary had when the process
    // started has whatever was kept.
    let read = read_after(&owner, &path, &old_token).await;
    assert_eq!(read.expect(200)["company"], "Old");
    wait_until_caught_up(&operator, "replica-1").await;
    assert_eq!(source(&owner.get(&path).await), "replica-1");

    let written = owner.patch(&path, json!({ "company": "New" })).await;
    let new_token = written.header("fairlead-consistency").unwrap().to_owned();
    written.expect(200);
    for token in [&old_token, &new_token] {
        let read = read_after(&owner, &path, token).await;
        assert_eq!(read.expect(200)["company"], "New", "after {token}");
    }
    wait_until_serving(&operator, "replica-1").await;
    wait_until("the replica serves what was written since", async || {
        let read = read_after(&owner, &path, &new_token).await;
        let is_there = source(&read) == "replica-1";
        assert_eq!(read.expect(200)["company"], "New");
        is_there
    })
    .await;

    // Its timeline is known for as long as it runs, also when it receives nothing any more.
    follow(&pair, "");
    wait_until("the second replica receives nothing", async || {
        pair.run_on(
            Service::SecondReplica,
            "SELECT count(*) FROM pg_stat_wal_receiver",
        ) == "0"
    })
    .await;
    let cut_off = Instant::now();
    while cut_off.elapsed() < MANY_LOOKS {
        let seen = node(&operator, "replica-1").await;
        assert_eq!(seen["inRotation"], true, "{seen}");
    }
    // Started anew it may be any server, and it tells the timeline of its last restart point.
    pair.kill(Service::SecondReplica);
    pair.restart(Service::SecondReplica);
    wait_until("nothing is known of it", async || {
        node(&operator, "replica-1").await["standing"] == "follows another timeline"
    })
    .await;
    follow(&pair, &new_primary);
    wait_until_serving(&operator, "replica-1").await;
}
