//! Redis fails in every way under two processes that serve and write. Nobody is refused, and two seconds after it is back
//! nobody is shown what was changed before, by either.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fairlead_devstack::Service;
use serde_json::{Value, json};
use support::{Client, TestDatabase, TestTenant, repetitions};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::cache::{RedisProxy, RedisServer};
use super::cached_reads::LIST;
use super::cached_together::{at, program, until_shared};

/// How late a change may be shown by the other process while all is well: a tenth of a second, on a machine of one's own.
const SEEN_WITHIN: Duration = Duration::from_secs(1);
const SETTLES_WITHIN: Duration = Duration::from_secs(2);
const READERS: usize = 4;

/// What was answered to the writer.
#[derive(Clone, Copy, Debug)]
struct Write {
    process: usize,
    at: Instant,
    value: u64,
}

/// What the readers go by, and what they have found.
#[derive(Debug, Default)]
struct Watch {
    writes: Mutex<Vec<Write>>,
    /// Whether the processes need not hear of each other now.
    is_excused: AtomicBool,
    stop: AtomicBool,
    reads: AtomicUsize,
    /// Reads that had to show what the other process had answered.
    bound: AtomicUsize,
    faults: Mutex<Vec<String>>,
}

impl Watch {
    /// The least that a read that begins now may show, and whether the other process has a part in that.
    fn least(&self, process: usize) -> (u64, bool) {
        let is_bound = !self.is_excused.load(Ordering::SeqCst);
        let writes = self.writes.lock().unwrap();
        let binding = writes
            .iter()
            .filter(|write| write.process == process || (is_bound && write.at.elapsed() > SEEN_WITHIN));
        (binding.map(|write| write.value).max().unwrap_or(0), is_bound)
    }

    fn complain(&self, fault: String) {
        self.faults.lock().unwrap().push(fault);
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

/// Writes by turns in both processes.
async fn write(watch: Arc<Watch>, clients: [Client; 2], lead: String) {
    for value in 1.. {
        if watch.is_over() {
            return;
        }
        let process = usize::try_from(value % 2).unwrap();
        let body = json!({ "company": format!("Ltd {value}") });
        let answer = clients[process].patch(&lead, body).await;
        if answer.status.is_success() {
            let at = Instant::now();
            watch.writes.lock().unwrap().push(Write { process, at, value });
        } else {
            watch.complain(format!("a write in process {process}: {answer:?}"));
        }
        sleep(Duration::from_millis(50)).await;
    }
}

async fn read(watch: Arc<Watch>, process: usize, client: Client, lead: String) {
    while !watch.is_over() {
        for path in [LIST, &lead] {
            let (least, was_bound) = watch.least(process);
            let answer = client.get(path).await;
            watch.reads.fetch_add(1, Ordering::Relaxed);
            if answer.status != 200 {
                watch.complain(format!("a read in process {process}: {answer:?}"));
                continue;
            }
            let shown = company(&answer.json());
            let still_bound = !watch.is_excused.load(Ordering::SeqCst);
            watch
                .bound
                .fetch_add(usize::from(was_bound && still_bound), Ordering::Relaxed);
            if shown < least && was_bound == still_bound {
                watch.complain(format!(
                    "process {process} shows {shown}, not {least}: {answer:?}"
                ));
            }
        }
        sleep(Duration::from_millis(5)).await;
    }
}

fn company(answer: &Value) -> u64 {
    let lead = answer.get("items").map_or(answer, |items| &items[0]);
    let company = lead["company"].as_str().unwrap_or("Ltd 0");
    company.trim_start_matches("Ltd ").parse().unwrap()
}

/// Serves and writes before, while and after Redis fails.
#[expect(clippy::print_stdout, reason = "what was measured")]
async fn survives<Fail, Mend>(what: &str, fail: Fail, mend: Mend)
where
    Fail: AsyncFn(&RedisServer, &[RedisProxy; 2]),
    Mend: AsyncFn(&RedisServer, &[RedisProxy; 2]),
{
    let (database, redis) = (TestDatabase::create().await, RedisServer::start().await);
    let proxies = [
        RedisProxy::start(redis.url()).await,
        RedisProxy::start(redis.url()).await,
    ];
    let program = program(&database, &redis);
    let through = |proxy: &RedisProxy| program.clone().with("FAIRLEAD__CACHE__REDIS__URL", proxy.url());
    let servers = [
        through(&proxies[0]).serve().await.unwrap(),
        through(&proxies[1]).serve().await.unwrap(),
    ];
    for server in &servers {
        until_shared(server).await;
    }
    let acme = TestTenant::sign_up(servers[0].anonymous(), "acme").await;
    let lead = format!("/api/v1/leads/{}", acme.lead("Ann").await);
    let clients = [acme.owner.clone(), at(&acme.owner, &servers[1])];
    let watch = Arc::new(Watch::default());
    let mut tasks: Vec<JoinHandle<()>> = (0..READERS)
        .map(|reader| {
            let (process, client) = (reader % 2, clients[reader % 2].clone());
            fairlead_telemetry::spawn(read(Arc::clone(&watch), process, client, lead.clone()))
        })
        .collect();
    tasks.push(fairlead_telemetry::spawn(write(
        Arc::clone(&watch),
        clients,
        lead.clone(),
    )));

    for _ in 0..repetitions(1) {
        sleep(SETTLES_WITHIN).await;
        watch.is_excused.store(true, Ordering::SeqCst);
        fail(&redis, &proxies).await;
        sleep(Duration::from_millis(1_500)).await;
        mend(&redis, &proxies).await;
        sleep(SETTLES_WITHIN).await;
        watch.is_excused.store(false, Ordering::SeqCst);
        sleep(SETTLES_WITHIN).await;
    }
    watch.stop.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }

    let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
    println!(
        "{what}: {} writes, {} reads, of which {} had to show those of the other process",
        watch.writes.lock().unwrap().len(),
        count(&watch.reads),
        count(&watch.bound),
    );
    assert_eq!(*watch.faults.lock().unwrap(), Vec::<String>::new());
    assert!(count(&watch.bound) > 20, "hardly anything was looked at");
}

#[tokio::test]
async fn processes_survive_a_redis_that_is_killed() {
    survives(
        "killed",
        async |redis, _| redis.with(|stack| stack.kill(Service::Redis).unwrap()).await,
        async |redis, _| redis.with(|stack| stack.restart(Service::Redis).unwrap()).await,
    )
    .await;
}

#[tokio::test]
async fn processes_survive_a_redis_that_freezes() {
    survives(
        "frozen",
        async |redis, _| redis.with(|stack| stack.pause(Service::Redis).unwrap()).await,
        async |redis, _| redis.with(|stack| stack.resume(Service::Redis).unwrap()).await,
    )
    .await;
}

#[tokio::test]
async fn processes_survive_a_redis_that_is_emptied() {
    let empty = async |redis: &RedisServer| redis.command::<()>(&redis::cmd("FLUSHALL")).await;
    survives(
        "emptied",
        async |redis, _| {
            for _ in 0..10 {
                empty(redis).await;
                sleep(Duration::from_millis(20)).await;
            }
        },
        async |redis, _| empty(redis).await,
    )
    .await;
}

#[tokio::test]
async fn processes_survive_a_redis_that_answers_half_a_second_late() {
    let slow_by = |proxies: &[RedisProxy; 2], delay| {
        for proxy in proxies {
            proxy.slow_by(delay);
        }
    };
    survives(
        "slowed by 500 ms",
        async |_, proxies| slow_by(proxies, Duration::from_millis(500)),
        async |_, proxies| slow_by(proxies, Duration::ZERO),
    )
    .await;
}
