//! Several replicas: what each is for, and who stands in for whom.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fairlead_devstack::Service;
use fairlead_telemetry::spawn;
use serde_json::json;
use support::pair::{TestPair, operator};
use support::process::Program;
use support::{Client, TestTenant, wait_until};

use super::{create_lead, node, read_until, serve, source, uses, wait_until_serving};

const LIST: &str = "/api/v1/leads";
const STATISTICS: &str = "/api/v1/leads/statistics";
const EXPORT: &str = "/api/v1/leads/export?format=ndjson";

/// The first replica for whoever waits, the second for analytics.
fn with_analytics(pair: &TestPair, program: Program) -> Program {
    let replicas = json!([
        { "name": "replica-1", "url": pair.read_url(Service::Replica) },
        { "name": "analytics-1", "url": pair.read_url(Service::SecondReplica), "analytics": true },
    ]);
    program
        .with("DATABASE_READ_URL", "")
        .with("FAIRLEAD__DATABASE__REPLICAS", &replicas.to_string())
        .with("FAIRLEAD__DATABASE__MONITOR__RETURN_AFTER_MS", "500")
}

/// Where a list, statistics and an export are read.
async fn sources(client: &Client) -> [String; 3] {
    let mut read = [const { String::new() }; 3];
    for (node, path) in read.iter_mut().zip([LIST, STATISTICS, EXPORT]) {
        let answer = client.get(path).await;
        assert_eq!(answer.status, 200, "{path}");
        source(&answer).clone_into(node);
    }
    read
}

/// Waits until the node is known to have what the client wrote.
async fn wait_until_read_on(name: &str, client: &Client, path: &str) {
    wait_until(&format!("{path} is read on {name}"), async || {
        source(&client.get(path).await) == name
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_and_exports_go_to_the_analytics_node_and_fall_back() {
    let (pair, program) = TestPair::start_with_two_replicas().await;
    let program = with_analytics(&pair, program);
    let serving = serve(&program).await;
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    create_lead(&acme.owner, "Ann").await;
    wait_until_read_on("replica-1", &acme.owner, LIST).await;
    wait_until_read_on("analytics-1", &acme.owner, STATISTICS).await;

    assert_eq!(
        sources(&acme.owner).await,
        ["replica-1", "analytics-1", "analytics-1"]
    );

    pair.kill(Service::SecondReplica);
    wait_until_gone(&operator, "analytics-1").await;
    assert_eq!(sources(&acme.owner).await, ["replica-1"; 3]);

    pair.restart(Service::SecondReplica);
    wait_until_serving(&operator, "analytics-1").await;
    wait_until_read_on("analytics-1", &acme.owner, STATISTICS).await;
    pair.kill(Service::Replica);
    wait_until_gone(&operator, "replica-1").await;
    // Whoever waits does not queue behind an export.
    assert_eq!(
        sources(&acme.owner).await,
        ["primary", "analytics-1", "analytics-1"]
    );

    pair.kill(Service::SecondReplica);
    wait_until_gone(&operator, "analytics-1").await;
    assert_eq!(sources(&acme.owner).await, ["primary"; 3]);
}

async fn wait_until_gone(operator: &Client, name: &str) {
    wait_until(&format!("{name} leaves the rotation"), async || {
        node(operator, name).await["inRotation"] == false
    })
    .await;
}

/// Where so many lists were read, and how many of them.
async fn sources_of_lists(client: &Client, lists: usize) -> BTreeMap<String, usize> {
    let mut read = BTreeMap::new();
    for _ in 0..lists {
        let list = client.get(LIST).await;
        *read.entry(source(&list).to_owned()).or_default() += 1;
    }
    read
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_share_the_reads_and_one_serves_them_all_when_the_other_is_killed() {
    let (pair, program) = TestPair::start_with_two_replicas().await;
    let program = program
        .with("DATABASE_READ_URL", "")
        .with("DATABASE_READ_URL_1", &pair.read_url(Service::Replica))
        .with("DATABASE_READ_URL_2", &pair.read_url(Service::SecondReplica));
    let serving = serve(&program).await;
    let operator = operator(&program, &serving).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    create_lead(&acme.owner, "Ann").await;
    wait_until_read_on("replica-1", &acme.owner, LIST).await;
    wait_until_read_on("replica-2", &acme.owner, LIST).await;

    // On a busy machine a read may find a replica late, and take the primary.
    let reads = sources_of_lists(&acme.owner, 40).await;
    for replica in ["replica-1", "replica-2"] {
        assert!((15..=20).contains(&reads[replica]), "{reads:?}");
    }

    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..8)
        .map(|_| {
            let (owner, done) = (acme.owner.clone(), Arc::clone(&done));
            spawn(async move { read_until(&owner, &done).await })
        })
        .collect();
    let before = uses(&operator, "replica-1").await;
    wait_until("the first replica serves the readers", async || {
        uses(&operator, "replica-1").await > before + 50
    })
    .await;
    pair.kill(Service::Replica);
    wait_until_gone(&operator, "replica-1").await;
    let on_second = uses(&operator, "replica-2").await;
    wait_until("the other serves them all", async || {
        uses(&operator, "replica-2").await > on_second + 50
    })
    .await;
    let reads = sources_of_lists(&acme.owner, 20).await;
    assert!(
        reads["replica-2"] >= 15 && !reads.contains_key("replica-1"),
        "{reads:?}"
    );
    done.store(true, Ordering::Relaxed);
    let mut failed = Vec::new();
    for reader in readers {
        failed.extend(reader.await.unwrap().1);
    }
    assert_eq!(failed, Vec::<String>::new());
}
