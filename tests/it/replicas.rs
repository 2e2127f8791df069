//! Reads on replicas, and what becomes of them when servers fall behind, go, and come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fairlead_devstack::Service;
use fairlead_telemetry::spawn;
use reqwest::Method;
use serde_json::{Value, json};
use support::pair::{TestPair, operator};
use support::process::{Program, Serving};
use support::{Client, TestTenant, repetitions, wait_until};
use tokio::time::sleep;

async fn serve(program: &Program) -> Serving {
    program.serve().await.unwrap_or_else(|ended| panic!("{ended:?}"))
}

/// What the operators' view tells of a node.
async fn node(operator: &Client, name: &str) -> Value {
    let view = operator
        .get("/api/v1/performance/database/connection-pool")
        .await
        .expect(200);
    let nodes = view["nodes"].as_array().unwrap();
    nodes.iter().find(|node| node["name"] == name).unwrap().clone()
}

/// How often a connection to the node was taken.
async fn uses(operator: &Client, name: &str) -> u64 {
    let node = node(operator, name).await;
    let pools = node["pools"].as_array().unwrap();
    pools.iter().filter_map(|pool| pool["lent"].as_u64()).sum()
}

async fn wait_until_serving(operator: &Client, name: &str) {
    wait_until(&format!("{name} is in the rotation"), async || {
        node(operator, name).await["inRotation"] == true
    })
    .await;
}

async fn create_lead(client: &Client, name: &str) -> String {
    let lead = client
        .post("/api/v1/leads", json!({ "name": name, "source": "web" }))
        .await
        .expect(201);
    lead["id"].as_str().unwrap().to_owned()
}

/// Writes and reads back, again and again; returns how often the write was not seen.
async fn write_then_read(owner: &Client, pairs: usize) -> usize {
    let mut stale = 0;
    let lead = create_lead(owner, "Ann").await;
    for number in 0..pairs {
        let company = format!("Company {number}");
        let path = format!("/api/v1/leads/{lead}");
        owner
            .patch(&path, json!({ "company": company }))
            .await
            .expect(200);
        let read = owner.get(&path).await.expect(200);
        if read["company"] != company.as_str() {
            stale += 1;
        }
    }
    stale
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_read_back_while_the_replica_stands_still() {
    let (pair, program) = TestPair::start().await;
    // So that the replica stays in the rotation although it is behind.
    let program = program.with("FAIRLEAD__DATABASE__MONITOR__MAX_LAG_MS", "600000");
    let serving = serve(&program).await;
    let operator = operator(&program, &serving).await;
    wait_until_serving(&operator, "replica-1").await;
    let pairs = repetitions(500);
    let mut tenants = Vec::new();
    for name in ["acme", "umbrella", "globex", "initech"] {
        tenants.push(TestTenant::sign_up(serving.anonymous(), name).await);
    }
    // Others, who write nothing, go on reading there.
    let quiet = TestTenant::sign_up(serving.anonymous(), "quiet").await;

    let (done, quiet_reads) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let reading = {
        let (done, quiet_reads) = (Arc::clone(&done), Arc::clone(&quiet_reads));
        spawn(async move {
            while !done.load(Ordering::Relaxed) {
                quiet.owner.get("/api/v1/leads").await.expect(200);
                quiet_reads.fetch_add(1, Ordering::Relaxed);
            }
        })
    };
    let writing: Vec<_> = tenants
        .into_iter()
        .map(|tenant| {
            let share = pairs / 4;
            spawn(async move { write_then_read(&tenant.owner, share).await })
        })
        .collect();
    // Stands still and goes on by turns, so that reads move between the servers.
    while !writing.iter().all(tokio::task::JoinHandle::is_finished) {
        pair.on_replica("SELECT pg_wal_replay_pause()");
        sleep(Duration::from_millis(300)).await;
        pair.on_replica("SELECT pg_wal_replay_resume()");
        sleep(Duration::from_millis(100)).await;
    }

    let mut stale = 0;
    for writer in writing {
        stale += writer.await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    reading.await.unwrap();
    println!("{pairs} pairs, {stale} stale reads");
    assert_eq!(stale, 0, "of {pairs}");
    let (on_replica, on_primary) = (
        uses(&operator, "replica-1").await,
        uses(&operator, "primary").await,
    );
    println!("connections taken: {on_replica} on the replica, {on_primary} on the primary");
    assert!(on_replica > 0 && on_primary > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_killed_costs_no_request_and_comes_back() {
    let (pair, program) = TestPair::start().await;
    let program = program.with("FAIRLEAD__DATABASE__MONITOR__RETURN_AFTER_MS", "1000");
    let serving = serve(&program).await;
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    for number in 0..20 {
        create_lead(&acme.owner, &format!("Lead {number}")).await;
    }
    wait_until_serving(&operator, "replica-1").await;

    for round in 0..repetitions(2) {
        let done = Arc::new(AtomicBool::new(false));
        let readers: Vec<_> = (0..8)
            .map(|_| {
                let (owner, done) = (acme.owner.clone(), Arc::clone(&done));
                spawn(async move { read_until(&owner, &done).await })
            })
            .collect();
        // Everything was replayed long ago, so reads go to the replica, and several are under way there at any moment.
        let before = uses(&operator, "replica-1").await;
        wait_until("the replica serves the readers", async || {
            uses(&operator, "replica-1").await > before + 50
        })
        .await;
        pair.kill(Service::Replica);
        wait_until("the replica leaves the rotation", async || {
            node(&operator, "replica-1").await["inRotation"] == false
        })
        .await;
        sleep(Duration::from_millis(300)).await;
        done.store(true, Ordering::Relaxed);

        let (mut answered, mut failed) = (0, Vec::new());
        for reader in readers {
            let (ok, failures) = reader.await.unwrap();
            answered += ok;
            failed.extend(failures);
        }
        println!("round {round}: {answered} answers, {} failed", failed.len());
        assert_eq!(failed, Vec::<String>::new());

        let ready = serving.anonymous().get("/health/ready").await.expect(200);
        let reduced = ready["reduced"].to_string();
        assert!(reduced.contains("replica-1"), "{reduced}");
        pair.restart(Service::Replica);
        wait_until_serving(&operator, "replica-1").await;
        let before = uses(&operator, "replica-1").await;
        acme.owner.get("/api/v1/leads").await.expect(200);
        wait_until("reads go there again", async || {
            acme.owner.get("/api/v1/leads").await.expect(200);
            uses(&operator, "replica-1").await > before
        })
        .await;
    }
}

/// Reads by one and by two statements; returns how many answers were right, and those that were not.
async fn read_until(owner: &Client, done: &AtomicBool) -> (usize, Vec<String>) {
    let (mut answered, mut failed) = (0, Vec::new());
    while !done.load(Ordering::Relaxed) {
        for path in [
            "/api/v1/leads?limit=5",
            "/api/v1/leads?include=activities",
            "/api/v1/leads/statistics",
            "/api/v1/users",
        ] {
            let answer = owner.get(path).await;
            if answer.status == 200 {
                answered += 1;
            } else {
                failed.push(format!("{path}: {answer:?}"));
            }
        }
    }
    (answered, failed)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_primary_reads_go_on_and_writes_say_when_to_come_back() {
    let (pair, program) = TestPair::start().await;
    let serving = serve(&program).await;
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let lead = create_lead(&acme.owner, "Ann").await;
    wait_until_serving(&operator, "replica-1").await;
    wait_until("the replica has what was written", async || {
        node(&operator, "replica-1").await["lagBytes"] == 0
    })
    .await;
    let write = |name: &'static str| {
        let body = json!({ "name": name, "source": "web" });
        let request = acme.owner.request(Method::POST, "/api/v1/leads").json(&body);
        acme.owner.send(request)
    };

    pair.kill(Service::Postgres);
    wait_until("the server knows that the primary is gone", async || {
        let health = serving.anonymous().get("/health/ready").await;
        health.status == 503 && health.json()["checks"]["database"]["status"] == "down"
    })
    .await;

    for _ in 0..repetitions(20) {
        let asked = Instant::now();
        let refused = write("Bob").await;
        let took = asked.elapsed();
        assert_eq!(
            (refused.status.as_u16(), refused.problem().as_str()),
            (503, "unavailable")
        );
        assert!(refused.header("retry-after").is_some(), "{refused:?}");
        assert!(
            took < Duration::from_secs(2),
            "nobody waits for what is known to be gone: {took:?}"
        );
        let read = acme.owner.get(&format!("/api/v1/leads/{lead}")).await.expect(200);
        assert_eq!(read["name"], "Ann");
        acme.owner.get("/api/v1/leads").await.expect(200);
    }

    pair.restart(Service::Postgres);
    let back = Instant::now();
    wait_until("writes are taken again", async || {
        write("Cid").await.status == 201
    })
    .await;
    let took = back.elapsed();
    println!(
        "writes were taken again {} ms after the primary was back",
        took.as_millis()
    );
    assert!(took < Duration::from_secs(10), "{took:?}");
    // A report is given again for a second.
    wait_until("the server is ready again", async || {
        serving.anonymous().get("/health/ready").await.status == 200
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_falls_silent_costs_no_request() {
    let (pair, program) = TestPair::start().await;
    let program = program
        .with("FAIRLEAD__DATABASE__MONITOR__TIMEOUT_MS", "2000")
        .with("FAIRLEAD__DATABASE__MONITOR__RETURN_AFTER_MS", "500");
    let serving = serve(&program).await;
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    create_lead(&acme.owner, "Ann").await;
    wait_until_serving(&operator, "replica-1").await;
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (owner, done) = (acme.owner.clone(), Arc::clone(&done));
            spawn(async move { read_until(&owner, &done).await })
        })
        .collect();
    let before = uses(&operator, "replica-1").await;
    wait_until("the replica serves the readers", async || {
        uses(&operator, "replica-1").await > before + 20
    })
    .await;

    pair.pause(Service::Replica);
    wait_until("the replica leaves the rotation", async || {
        node(&operator, "replica-1").await["standing"] == "does not answer"
    })
    .await;
    done.store(true, Ordering::Relaxed);
    let mut failed = Vec::new();
    for reader in readers {
        failed.extend(reader.await.unwrap().1);
    }
    assert_eq!(failed, Vec::<String>::new());

    pair.resume(Service::Replica);
    wait_until_serving(&operator, "replica-1").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_too_far_behind_gets_no_reads() {
    let (pair, program) = TestPair::start().await;
    let program = program
        .with("FAIRLEAD__DATABASE__MONITOR__MAX_LAG_MS", "300")
        .with("FAIRLEAD__DATABASE__MONITOR__RETURN_AFTER_MS", "500");
    let serving = serve(&program).await;
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    wait_until_serving(&operator, "replica-1").await;

    pair.on_replica("SELECT pg_wal_replay_pause()");
    create_lead(&acme.owner, "Ann").await;
    wait_until("the replica is too far behind", async || {
        node(&operator, "replica-1").await["standing"] == "is too far behind"
    })
    .await;
    let behind = node(&operator, "replica-1").await;
    assert!(
        behind["lagBytes"].as_u64().unwrap() > 0 && behind["unappliedBytes"].as_u64().unwrap() > 0,
        "{behind}"
    );
    assert!(behind["lagMs"].as_f64().unwrap() > 300.0, "{behind}");

    let examined = program.run(&["doctor", "--json"]).await;
    let report: Value = serde_json::from_str(&examined.stdout).unwrap();
    let replica = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .find(|check| check["name"] == "replica")
        .unwrap()
        .clone();
    assert!(
        replica["detail"].as_str().unwrap().contains("replica-1"),
        "{replica}"
    );

    pair.on_replica("SELECT pg_wal_replay_resume()");
    wait_until_serving(&operator, "replica-1").await;
}
