//! A replica that is well, but cannot serve this read: it is served elsewhere.

use fairlead_devstack::Service;
use fairlead_telemetry::spawn;
use support::pair::{TestPair, operator};
use support::process::Program;
use support::{Response, TestTenant, wait_until};
use tokio::task::JoinHandle;

use super::{node, serve, source, wait_until_caught_up, wait_until_serving};

const CARRIERS: &str = "/api/v1/carriers";

/// Whoever reads carriers on a replica holds its locks and its connection for as long as it is let.
const SLOW_ON_REPLICA: &str = "
    CREATE FUNCTION slow_on_replica() RETURNS boolean LANGUAGE plpgsql AS $$
    BEGIN
        IF pg_is_in_recovery() THEN
            PERFORM pg_sleep(60);
        END IF;
        RETURN true;
    END $$;
    CREATE POLICY slow ON carriers AS RESTRICTIVE FOR SELECT TO fairlead_app
        USING ((SELECT slow_on_replica()));";

/// A read of carriers that has begun on the replica, and what can be done about it.
struct SlowRead {
    reading: JoinHandle<Response>,
}

impl SlowRead {
    async fn start(pair: &TestPair, acme: &TestTenant) -> Self {
        let owner = acme.owner.clone();
        let reading = spawn(async move { owner.get(CARRIERS).await });
        wait_until("the replica reads carriers", async || asleep(pair) == "1").await;
        Self { reading }
    }

    /// How it was answered after all.
    async fn answer(self) -> Response {
        self.reading.await.unwrap()
    }
}

fn asleep(pair: &TestPair) -> String {
    pair.on_replica("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
}

async fn prepare(pair: &TestPair, program: &Program) -> TestTenant {
    let serving = serve(program).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let carrier = serde_json::json!({ "name": "Acme Mutual" });
    acme.owner.post(CARRIERS, carrier).await.expect(201);
    pair.run_on(Service::Postgres, SLOW_ON_REPLICA);
    acme
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_is_in_the_way_of_what_the_replica_replays_is_served_elsewhere() {
    let (pair, program) = TestPair::start().await;
    let acme = prepare(&pair, &program).await;
    pair.on_replica("ALTER SYSTEM SET max_standby_streaming_delay = 0");
    pair.on_replica("SELECT pg_reload_conf()");
    let conflicts = || {
        let conflicts = pair.on_replica(
            "SELECT confl_lock FROM pg_stat_database_conflicts WHERE datname = current_database()",
        );
        conflicts.parse::<u64>().unwrap()
    };

    let serving = serve(&program).await;
    let operator = operator(&program, &serving).await;
    wait_until_serving(&operator, "replica-1").await;
    wait_until_caught_up(&operator, "replica-1").await;
    let (acme, before) = (acme.at(&serving.url), conflicts());

    let slow = SlowRead::start(&pair, &acme).await;
    // The replica takes the lock, too, and ends whoever is in its way: SQLSTATE 40001.
    pair.run_on(
        Service::Postgres,
        "BEGIN; LOCK TABLE carriers IN ACCESS EXCLUSIVE MODE; COMMIT",
    );

    let answer = slow.answer().await;
    assert_eq!(source(&answer), "primary");
    assert_eq!(answer.expect(200)["items"][0]["name"], "Acme Mutual");
    assert_eq!(node(&operator, "replica-1").await["inRotation"], true);
    // A backend tells what it has counted when it ends, at the latest.
    drop(serving);
    wait_until("the replica tells of the conflict", async || conflicts() > before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_whose_connections_are_all_in_use_leads_reads_elsewhere() {
    let (pair, program) = TestPair::start().await;
    let program = program
        .with("FAIRLEAD__DATABASE__READ_POOL__MIN", "0")
        .with("FAIRLEAD__DATABASE__READ_POOL__MAX", "1")
        .with("FAIRLEAD__DATABASE__READ_POOL__ACQUIRE_TIMEOUT_MS", "200");
    let acme = prepare(&pair, &program).await;

    let serving = serve(&program).await;
    let operator = operator(&program, &serving).await;
    wait_until_serving(&operator, "replica-1").await;
    wait_until_caught_up(&operator, "replica-1").await;
    let acme = acme.at(&serving.url);

    let slow = SlowRead::start(&pair, &acme).await;
    let other = acme.owner.get("/api/v1/leads").await;

    assert_eq!(
        (other.status.as_u16(), source(&other)),
        (200, "primary"),
        "{other:?}"
    );
    let replica = node(&operator, "replica-1").await;
    assert_eq!(replica["inRotation"], true, "busy is not gone: {replica}");
    let pools = replica["pools"].as_array().unwrap();
    let timeouts: u64 = pools.iter().filter_map(|pool| pool["timeouts"].as_u64()).sum();
    assert_eq!(timeouts, 1, "{replica}");

    // Whoever is cut off tries again a few times.
    wait_until("the slow read is answered", async || {
        pair.on_replica(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'",
        );
        slow.reading.is_finished()
    })
    .await;
    assert_eq!(source(&slow.answer().await), "primary");
}
