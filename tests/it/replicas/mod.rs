//! Reads on replicas, and what becomes of them when servers fall behind, go, and come back.

mod consistency;
mod detours;
mod failover;
mod faults;
mod promotion;
mod restart;
mod roles;
mod sight;
mod switch;

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use support::process::{Program, Serving};
use support::{Client, Response, wait_until};

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

/// How often a connection to the node was taken for a tenant's work.
async fn uses(operator: &Client, name: &str) -> u64 {
    let node = node(operator, name).await;
    let pools = node["pools"].as_array().unwrap();
    let of_tenants = pools.iter().filter(|pool| pool["role"] != "system");
    of_tenants.filter_map(|pool| pool["lent"].as_u64()).sum()
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

/// Where an answer was read.
fn source(response: &Response) -> &str {
    response
        .header("fairlead-read-source")
        .unwrap_or_else(|| panic!("a read says its source: {response:?}"))
}

/// Waits until a node has all that was written.
async fn wait_until_caught_up(operator: &Client, name: &str) {
    wait_until(&format!("{name} has what was written"), async || {
        node(operator, name).await["lagBytes"] == 0
    })
    .await;
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
