//! What a process does not see of its servers, and what it did not see before it started.

use fairlead_devstack::Service;
use serde_json::Value;
use support::TestTenant;
use support::pair::{TestPair, operator};
use support::wait_until;

use super::{create_lead, node, serve, source, wait_until_caught_up, wait_until_serving};

const LEADS: &str = "/api/v1/leads";
const LAG: &str = r#"db_replica_lag_seconds{node="replica-1"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn while_the_primary_is_gone_nobody_says_how_far_a_replica_is_behind() {
    let (pair, program) = TestPair::start().await;
    let serving = serve(&program).await;
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    create_lead(&acme.owner, "Ann").await;
    wait_until_serving(&operator, "replica-1").await;
    wait_until_caught_up(&operator, "replica-1").await;
    let tells_lag = async || {
        let page = reqwest::get(serving.metrics_url()).await.unwrap();
        page.text().await.unwrap().contains(LAG)
    };
    assert!(tells_lag().await);

    pair.kill(Service::Postgres);

    wait_until("its lag is not told any more", async || !tells_lag().await).await;
    let read = acme.owner.get(LEADS).await;
    assert_eq!(source(&read), "replica-1", "there is nobody else to ask");
    pair.restart(Service::Postgres);
    wait_until("its lag is told again", async || tells_lag().await).await;
}

/// The server has no room for the connection by which it is looked at. It is written all the same.
#[tokio::test(flavor = "multi_thread")]
async fn while_the_primary_is_not_seen_reads_go_there() {
    let (pair, program) = TestPair::start().await;
    let serving = serve(&program).await;
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    wait_until_serving(&operator, "replica-1").await;
    wait_until_caught_up(&operator, "replica-1").await;
    wait_until("reads go to the replica", async || {
        source(&acme.owner.get(LEADS).await) == "replica-1"
    })
    .await;

    pair.on_primary("postgres", "ALTER DATABASE fairlead CONNECTION LIMIT 1");
    pair.run_on(
        Service::Postgres,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'fairlead-monitor'",
    );
    wait_until("the primary is not seen", async || {
        node(&operator, "primary").await["latencyMs"].is_null()
    })
    .await;

    wait_until("how far the replica is behind is not known", async || {
        let replica = node(&operator, "replica-1").await;
        replica["lagMs"].is_null() && replica["lagBytes"].is_null() && replica["inRotation"] == true
    })
    .await;
    for _ in 0..5 {
        let read = acme.owner.get(LEADS).await;
        assert_eq!(source(&read), "primary");
        read.expect(200);
    }
    pair.on_primary("postgres", "ALTER DATABASE fairlead CONNECTION LIMIT -1");
    wait_until("reads go to the replica again", async || {
        source(&acme.owner.get(LEADS).await) == "replica-1"
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_replica_that_is_gone_nothing_is_told_that_was_seen_before() {
    let (pair, program) = TestPair::start().await;
    let serving = serve(&program).await;
    let operator = operator(&program, &serving).await;
    wait_until_serving(&operator, "replica-1").await;
    wait_until_caught_up(&operator, "replica-1").await;
    assert_eq!(node(&operator, "replica-1").await["unappliedBytes"], 0);

    pair.kill(Service::Replica);

    wait_until("it is missed", async || {
        node(&operator, "replica-1").await["latencyMs"].is_null()
    })
    .await;
    let gone = node(&operator, "replica-1").await;
    for figure in ["lagMs", "lagBytes", "unappliedBytes"] {
        assert_eq!(gone[figure], Value::Null, "{figure}: {gone}");
    }
}

/// The process that wrote is gone, and with it what it knew of its writes. Nor did the client keep a token.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_starts_shows_what_was_acknowledged_before() {
    let (pair, program) = TestPair::start().await;
    let before = serve(&program).await;
    let acme = TestTenant::sign_up(before.anonymous(), "acme").await;
    create_lead(&acme.owner, "Ann").await;
    pair.wait_until_replayed().await;
    pair.on_replica("SELECT pg_wal_replay_pause()");
    create_lead(&acme.owner, "Bob").await;
    drop(before);

    let after = serve(&program).await;
    let owner = acme.owner.at(&after.url);

    for _ in 0..5 {
        let leads = owner.get(LEADS).await;
        assert_eq!(source(&leads), "primary");
        assert_eq!(leads.expect(200)["items"].as_array().unwrap().len(), 2);
    }
    pair.on_replica("SELECT pg_wal_replay_resume()");
    wait_until("the replica has it, too", async || {
        source(&owner.get(LEADS).await) == "replica-1"
    })
    .await;
}
