//! Connections that the server ends, one at a time, under load: that concerns whoever uses them, and nobody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fairlead_telemetry::spawn;
use serde_json::json;
use support::database::DatabaseRole;
use support::pair::operator;
use support::process::Program;
use support::{TestDatabase, TestTenant, repetitions};
use tokio::time::sleep;

const END_ONE: &str = "
    SELECT count(pg_terminate_backend(pid))
    FROM (SELECT pid FROM pg_stat_activity
          WHERE datname = current_database() AND application_name = 'fairlead-app'
          ORDER BY random() LIMIT 1) AS one";

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_ended_cost_no_read_and_are_no_outage() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database)
        .with("DB_POOL_MIN", "4")
        .with("DB_POOL_MAX", "8")
        // On a busy machine a connection may take seconds.
        .with("FAIRLEAD__DATABASE__POOL__CREATE_TIMEOUT_MS", "30000")
        .with("FAIRLEAD__DATABASE__POOL__ACQUIRE_TIMEOUT_MS", "30000")
        .with("FAIRLEAD__HTTP__REQUEST_TIMEOUT_MS", "60000")
        // Answers are over soon, and would be shown again if the database were thought to be away.
        .with("FAIRLEAD__CACHE__TTL_SECONDS__LEADS_LIST", "1")
        .with("FAIRLEAD__CACHE__STALE_SECONDS", "0");
    let serving = program.serve().await.unwrap();
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    acme.lead("Ann").await;
    let done = Arc::new(AtomicBool::new(false));
    let (read, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));

    let readers = (0..6).map(|reader: usize| {
        let (owner, done, read) = (acme.owner.clone(), Arc::clone(&done), Arc::clone(&read));
        spawn(async move {
            let mut faults = Vec::new();
            for number in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                let path = match (reader + number) % 3 {
                    0 => "/api/v1/leads?limit=5".to_owned(),
                    1 => format!("/api/v1/leads?source=none-{reader}-{number}"),
                    _ => "/api/v1/leads/statistics".to_owned(),
                };
                let answer = owner.get(&path).await;
                read.fetch_add(1, Ordering::Relaxed);
                if answer.status != 200 || answer.header("warning").is_some() {
                    faults.push(format!("{path}: {answer:?}"));
                }
            }
            faults
        })
    });
    let writers = (0..2).map(|writer: usize| {
        let (owner, done, refused) = (acme.owner.clone(), Arc::clone(&done), Arc::clone(&refused));
        spawn(async move {
            let mut faults = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let body = json!({ "name": format!("Lead of {writer}") });
                let answer = owner.post("/api/v1/leads", body).await;
                match answer.status.as_u16() {
                    201 => {}
                    // Its transaction went with the connection.
                    503 if answer.header("retry-after").is_some() => {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                    _ => faults.push(format!("{answer:?}")),
                }
            }
            faults
        })
    });
    let tasks: Vec<_> = readers.chain(writers).collect();
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let began = Instant::now();
    let mut ended = 0;
    while began.elapsed() < Duration::from_secs(3) * u32::try_from(repetitions(1)).unwrap() {
        let one: i64 = sqlx::query_scalar(END_ONE)
            .fetch_one(&mut superuser)
            .await
            .unwrap();
        ended += one;
        sleep(Duration::from_millis(100)).await;
    }
    done.store(true, Ordering::Relaxed);
    let mut faults = Vec::new();
    for task in tasks {
        faults.extend(task.await.unwrap());
    }

    println!(
        "{ended} connections ended, {} reads, {} writes refused",
        read.load(Ordering::Relaxed),
        refused.load(Ordering::Relaxed)
    );
    assert_eq!(faults, Vec::<String>::new());
    assert!(ended > 10, "{ended}");
    let nodes = operator
        .get("/api/v1/performance/database/connection-pool")
        .await
        .expect(200);
    assert_eq!(nodes["nodes"][0]["inRotation"], true, "{nodes}");
    let left = serving.log().iter().any(|line| line.contains("it gets no work"));
    assert!(!left, "the primary was taken out of the rotation");
}
