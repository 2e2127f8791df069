//! Who has written reads it, whichever server is asked and however far behind that is.

use std::collections::BTreeMap;
use std::time::Duration;

use fairlead_telemetry::spawn;
use reqwest::Method;
use serde_json::json;
use support::pair::{TestPair, operator};
use support::{Client, TestTenant, repetitions};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::{create_lead, serve, source, wait_until_serving};

const WRITERS: usize = 16;
/// The longest pause between a write and its read: about as long as the replica stands still.
const THINKS_MS: u64 = 200;

/// What became of the reads of some pairs.
#[derive(Debug, Default)]
struct Tally {
    by_source: BTreeMap<String, usize>,
    stale: Vec<String>,
}

/// Writes and reads back, again and again: at once and after a while; in the process that wrote, which knows of the
/// write, and in another, which knows of it by the token alone.
async fn write_then_read(owner: Client, other_process: Client, pairs: usize) -> Tally {
    let mut tally = Tally::default();
    let lead = create_lead(&owner, "Ann").await;
    let path = format!("/api/v1/leads/{lead}");
    for number in 0..pairs {
        let company = format!("Company {number}");
        let written = owner.patch(&path, json!({ "company": company })).await;
        let token = written.header("fairlead-consistency").unwrap().to_owned();
        written.expect(200);
        if number % 4 > 0 {
            sleep(Duration::from_millis(rand::random_range(0..THINKS_MS))).await;
        }
        let read = if number % 2 == 0 {
            owner.get(&path).await
        } else {
            let request = other_process.request(Method::GET, &path);
            let request = request.header("fairlead-consistency", token);
            other_process.send(request).await
        };
        let read_on = source(&read).to_owned();
        if read.expect(200)["company"] != company.as_str() {
            tally.stale.push(format!("{company} of {lead} on {read_on}"));
        }
        *tally.by_source.entry(read_on).or_default() += 1;
    }
    tally
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_read_back_while_the_replica_stands_still() {
    let (pair, program) = TestPair::start().await;
    let program = program
        // So that the replica stays in the rotation although it is behind, and serves what it is known to have.
        .with("FAIRLEAD__DATABASE__MONITOR__MAX_LAG_MS", "30000")
        .with("FAIRLEAD__DATABASE__MONITOR__INTERVAL_MS", "10")
        // All writers begin at once, perhaps on a machine that is busy with other tests.
        .with("FAIRLEAD__DATABASE__POOL__ACQUIRE_TIMEOUT_MS", "20000")
        .with("FAIRLEAD__DATABASE__POOL__CREATE_TIMEOUT_MS", "20000");
    let (serving, other) = (serve(&program).await, serve(&program).await);
    let operator = operator(&program, &serving).await;
    wait_until_serving(&operator, "replica-1").await;
    wait_until_serving(&operator.at(&other.url), "replica-1").await;
    let mut tenants = Vec::new();
    for name in ["acme", "umbrella", "globex", "initech"] {
        tenants.push(TestTenant::sign_up(serving.anonymous(), name).await);
    }

    let pairs = repetitions(500);
    let writing: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let owner = tenants[writer % tenants.len()].owner.clone();
            let elsewhere = owner.at(&other.url);
            // Every pair is somebody's.
            let share = pairs / WRITERS + usize::from(writer < pairs % WRITERS);
            spawn(write_then_read(owner, elsewhere, share))
        })
        .collect();
    // Stands still and goes on by turns, so that reads move between the servers.
    let mut pauses = 0;
    while !writing.iter().all(JoinHandle::is_finished) {
        pair.on_replica("SELECT pg_wal_replay_pause()");
        sleep(Duration::from_millis(THINKS_MS)).await;
        pair.on_replica("SELECT pg_wal_replay_resume()");
        sleep(Duration::from_millis(THINKS_MS)).await;
        pauses += 1;
    }

    let (mut by_source, mut stale) = (BTreeMap::new(), Vec::new());
    for writer in writing {
        let tally = writer.await.unwrap();
        stale.extend(tally.stale);
        for (source, reads) in tally.by_source {
            *by_source.entry(source).or_insert(0) += reads;
        }
    }
    println!(
        "{pairs} pairs while replay was paused {pauses} times: reads by server {by_source:?}, {} stale",
        stale.len()
    );
    assert_eq!(stale, Vec::<String>::new());
    assert_eq!(by_source.values().sum::<usize>(), pairs);
    for server in ["primary", "replica-1"] {
        let reads = by_source.get(server).copied().unwrap_or(0);
        assert!(reads * 10 >= pairs, "{server} served only {reads} of {pairs}");
    }
}
