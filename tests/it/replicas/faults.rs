//! Servers that are killed, frozen, and left behind under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fairlead_devstack::Service;
use fairlead_telemetry::spawn;
use reqwest::Method;
use serde_json::{Value, json};
use support::pair::{TestPair, operator};
use support::{TestTenant, repetitions, wait_until};
use tokio::time::sleep;

use super::{create_lead, node, read_until, serve, uses, wait_until_caught_up, wait_until_serving};

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

#[tokio::test(flavor = "multi_thread")]
async fn without_a_primary_reads_go_on_and_writes_say_when_to_come_back() {
    let (pair, program) = TestPair::start().await;
    let serving = serve(&program).await;
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let lead = create_lead(&acme.owner, "Ann").await;
    wait_until_serving(&operator, "replica-1").await;
    wait_until_caught_up(&operator, "replica-1").await;
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

    let metrics = reqwest::get(serving.metrics_url()).await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let figure = |series: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(series));
        let figure = line.unwrap_or_else(|| panic!("no {series} in {metrics}"));
        figure.trim().parse::<f64>().unwrap()
    };
    assert!(figure(r#"db_node_serving{node="replica-1",role="replica"}"#) < 0.5);
    assert!(figure(r#"db_replica_lag_seconds{node="replica-1"}"#) > 0.3);
    assert!(figure(r#"db_replica_lag_bytes{node="replica-1"}"#) > 0.0);

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
