//! What a rollout meets.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fairlead_telemetry::spawn;
use reqwest::StatusCode;
use serde_json::json;
use support::database::DatabaseRole;
use support::process::{Program, Serving};
use support::{TestDatabase, TestTenant, wait_until};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// Makes tables, and so fails where they are.
const STEP: &str = "m20261122_003100_lead_subscriptions";

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_fails_leaves_the_old_version_serving_and_keeps_the_new_one_out() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let old = program.serve().await.unwrap();
    let acme = TestTenant::sign_up(old.anonymous(), "acme").await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    // A step is to be made again, and what it makes is there.
    sqlx::query("DELETE FROM seaql_migrations WHERE version = $1")
        .bind(STEP)
        .execute(&mut superuser)
        .await
        .unwrap();

    let migrated = program.run(&["migrate"]).await;

    assert!(!migrated.status.success(), "{migrated:?}");
    // Nothing of the step is kept, and nothing that it did not make is undone.
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM seaql_migrations WHERE version = $1")
        .bind(STEP)
        .fetch_one(&mut superuser)
        .await
        .unwrap();
    assert_eq!(kept, 0);
    acme.lead("Ann").await;
    acme.owner.get("/api/v1/leads").await.expect(200);
    old.anonymous().get("/health/ready").await.expect(200);
    let refused = program.serve().await.expect_err("its schema is not there");
    assert!(refused.stderr.contains("1 steps are pending"), "{refused:?}");

    sqlx::query("INSERT INTO seaql_migrations (version, applied_at) VALUES ($1, 0)")
        .bind(STEP)
        .execute(&mut superuser)
        .await
        .unwrap();
    let new = program.serve().await.unwrap();
    new.anonymous().get("/health/ready").await.expect(200);
}

/// Stands before processes, as a balancer does that knows connections and no requests: each new one goes to the next process
/// that is in service, and stays there.
struct Balancer {
    address: SocketAddr,
    in_service: Arc<Mutex<Vec<SocketAddr>>>,
    balancing: JoinHandle<()>,
}

impl Balancer {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let in_service: Arc<Mutex<Vec<SocketAddr>>> = Arc::default();
        let processes = Arc::clone(&in_service);
        let balancing = spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let next = {
                    let mut processes = processes.lock().unwrap_or_else(PoisonError::into_inner);
                    processes.rotate_left(1);
                    processes[0]
                };
                spawn(async move {
                    let mut process = TcpStream::connect(next).await.expect("it is in service");
                    let _ = copy_bidirectional(&mut client, &mut process).await;
                });
            }
        });
        Self {
            address,
            in_service,
            balancing,
        }
    }

    fn take_in(&self, process: &Serving) {
        self.change(|processes| processes.push(address(process)));
    }

    fn take_out(&self, process: &Serving) {
        self.change(|processes| processes.retain(|other| *other != address(process)));
    }

    fn change(&self, change: impl FnOnce(&mut Vec<SocketAddr>)) {
        change(&mut self.in_service.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.balancing.abort();
    }
}

fn address(process: &Serving) -> SocketAddr {
    process.url.strip_prefix("http://").unwrap().parse().unwrap()
}

/// Clients that keep their connections, and read and write one request after the other.
struct Load {
    stop: Arc<AtomicBool>,
    clients: Vec<(Arc<Done>, JoinHandle<Vec<String>>)>,
}

/// What a client has done without a failure.
#[derive(Default)]
struct Done {
    read: AtomicUsize,
    made: AtomicUsize,
}

impl Load {
    /// `count` clients; returns at once.
    fn begin(count: usize, url: &str, key: &str) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let begin = |_| {
            let done = Arc::<Done>::default();
            let asking = ask(url, key, Arc::clone(&stop), Arc::clone(&done));
            (done, spawn(asking))
        };
        Self {
            clients: (0..count).map(begin).collect(),
            stop,
        }
    }

    /// How many each client has made.
    fn made(&self) -> impl Iterator<Item = usize> {
        self.clients
            .iter()
            .map(|(done, _)| done.made.load(Ordering::Relaxed))
    }

    /// Waits until each client has been answered twice more.
    async fn goes_on(&self) {
        let before: Vec<_> = self.made().collect();
        wait_until("each client is answered", async || {
            self.made().zip(&before).all(|(now, before)| now >= before + 2)
        })
        .await;
    }

    /// Returns how many were read and made, and what failed.
    async fn end(self) -> (usize, usize, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        let (mut read, mut made, mut failures) = (0, 0, Vec::new());
        for (done, client) in self.clients {
            failures.extend(client.await.unwrap());
            read += done.read.load(Ordering::Relaxed);
            made += done.made.load(Ordering::Relaxed);
        }
        (read, made, failures)
    }
}

/// Asks until it is told to stop; returns what failed.
fn ask(
    url: &str,
    key: &str,
    stop: Arc<AtomicBool>,
    done: Arc<Done>,
) -> impl Future<Output = Vec<String>> + use<> {
    let (leads, key) = (format!("{url}/api/v1/leads"), key.to_owned());
    let client = reqwest::Client::builder()
        .no_proxy()
        .retry(reqwest::retry::never())
        .build()
        .unwrap();
    async move {
        let mut failures = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let post = client.post(&leads).json(&json!({ "name": "Ann" }));
            for (request, good, count) in [
                (client.get(&leads), StatusCode::OK, &done.read),
                (post, StatusCode::CREATED, &done.made),
            ] {
                let answered = async {
                    let answer = request.header("x-tenant-key", &key).send().await?;
                    let status = answer.status();
                    answer.bytes().await.map(|_| status)
                };
                match answered.await {
                    Ok(status) if status == good => _ = count.fetch_add(1, Ordering::Relaxed),
                    Ok(status) => failures.push(status.to_string()),
                    Err(error) => failures.push(format!("{error:?}")),
                }
            }
        }
        failures
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_under_load_fails_no_request() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database).with("FAIRLEAD__HTTP__DRAIN_MS", "1000");
    let balancer = Balancer::start().await;
    let mut processes = Vec::new();
    for _ in 0..2 {
        let process = program.serve().await.unwrap();
        balancer.take_in(&process);
        processes.push(process);
    }
    let acme = TestTenant::sign_up(processes[0].anonymous(), "acme").await;
    let key = acme.key(&["leads:read", "leads:write"]).await;
    let load = Load::begin(8, &format!("http://{}", balancer.address), &key);
    load.goes_on().await;

    // As the chart has it: out of the balancer, a while of going on, the signal, and another one that is ready comes in.
    let mut fresh = Vec::new();
    for old in processes {
        balancer.take_out(&old);
        sleep(Duration::from_millis(500)).await;
        old.signal("TERM");
        let ended = old.ended().await;
        assert!(ended.status.success(), "{ended:?}");
        load.goes_on().await;
        let new = program.serve().await.unwrap();
        new.anonymous().get("/health/ready").await.expect(200);
        balancer.take_in(&new);
        fresh.push(new);
        load.goes_on().await;
    }

    let (read, made, failures) = load.end().await;
    println!(
        "{} restarts, {read} reads, {made} writes, {} failures",
        fresh.len(),
        failures.len()
    );
    assert_eq!(failures, Vec::<String>::new());
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM leads")
        .fetch_one(&mut database.connect(DatabaseRole::Superuser).await)
        .await
        .unwrap();
    assert_eq!(usize::try_from(kept).unwrap(), made);
}
