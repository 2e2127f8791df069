//! A replica that comes back with less than it had: it serves connections before it has replayed all of it again.

use std::time::{Duration, Instant};

use fairlead_devstack::Service;
use serde_json::json;
use support::TestTenant;
use support::pair::{TestPair, operator};

use super::switch::Switch;
use super::{create_lead, serve, source, wait_until_caught_up, wait_until_serving};

/// So seldom is a node looked at that what is known of it is out of date when it comes back.
const INTERVAL_MS: &str = "2000";
const MAX_LAG: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_came_back_behind_is_refused_until_it_has_caught_up() {
    let (pair, program) = TestPair::start_with_two_replicas().await;
    // The second one plays the first as it is after a restart: far behind, and well otherwise.
    pair.run_on(Service::SecondReplica, "SELECT pg_wal_replay_pause()");
    let switch = Switch::to(pair.port(Service::Replica)).await;
    let replica = pair.read_url(Service::Replica).replace(
        &format!(":{}/", pair.port(Service::Replica)),
        &format!(":{}/", switch.port()),
    );
    let program = program
        .with("DATABASE_READ_URL", &replica)
        .with("FAIRLEAD__DATABASE__MONITOR__INTERVAL_MS", INTERVAL_MS)
        .with("FAIRLEAD__DATABASE__MONITOR__RETURN_AFTER_MS", "0")
        .with(
            "FAIRLEAD__DATABASE__MONITOR__MAX_LAG_MS",
            &MAX_LAG.as_millis().to_string(),
        );
    let writer = serve(&program).await;
    let acme = TestTenant::sign_up(writer.anonymous(), "acme").await;
    let path = format!("/api/v1/leads/{}", create_lead(&acme.owner, "Ann").await);
    drop(writer);

    for round in 0..2 {
        let company = format!("Company {round}");
        let writer = serve(&program).await;
        let owner = acme.owner.at(&writer.url);
        owner
            .patch(&path, json!({ "company": company }))
            .await
            .expect(200);
        drop(writer);
        // A process that has written nothing: what it asks for the replica had when it was looked at.
        let (serving, started) = (serve(&program).await, Instant::now());
        let operator = operator(&program, &serving).await;
        let owner = acme.owner.at(&serving.url);
        wait_until_serving(&operator, "replica-1").await;
        wait_until_caught_up(&operator, "replica-1").await;
        assert_eq!(source(&owner.get(&path).await), "replica-1");
        // Long enough to tell by time, too, that who has not what was there at the start is behind.
        tokio::time::sleep_until((started + 2 * MAX_LAG).into()).await;

        switch.turn_to(pair.port(Service::SecondReplica));

        for _ in 0..10 {
            let read = owner.get(&path).await;
            assert_eq!(source(&read), "primary");
            assert_eq!(read.expect(200)["company"], company.as_str());
        }
        pair.run_on(Service::SecondReplica, "SELECT pg_wal_replay_resume()");
        wait_until_serving(&operator, "replica-1").await;
        let read = owner.get(&path).await;
        assert_eq!(source(&read), "replica-1");
        assert_eq!(read.expect(200)["company"], company.as_str());

        pair.run_on(Service::SecondReplica, "SELECT pg_wal_replay_pause()");
        switch.turn_to(pair.port(Service::Replica));
    }
}
