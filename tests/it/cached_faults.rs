//! Redis fails in every way under two processes that serve and write. Nobody is refused, and two seconds after it is back
//! nobody is shown what was changed before, by either.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
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
/// How long a process may take to find out that Redis is back. It looks ten times a second; a machine that others keep
/// busy may let it wait for its turn.
const BACK_WITHIN: Duration = Duration::from_secs(5);
/// Nobody waits longer for an answer, whatever Redis does and the machine beside: each command to it is given up after
/// 50 ms, and after three of these nobody asks.
const ANSWERED_WITHIN: Duration = Duration::from_secs(3);
const READERS: usize = 4;

/// What was answered to the writer.
#[derive(Clone, Copy, Debug)]
struct Write {
    process: usize,
    at: Instant,
    value: u64,
}

/// Nobody writes.
const NOBODY: u8 = u8::MAX;

/// What the readers go by, and what they have found.
#[derive(Debug, Default)]
struct Watch {
    /// The process that is written in. What the other shows then it has heard of: had it written lately itself, it would
    /// know better than it has heard.
    writer: AtomicU8,
    writes: Mutex<Vec<Write>>,
    /// Whether the processes need not hear of each other now.
    is_excused: AtomicBool,
    stop: AtomicBool,
    reads: AtomicUsize,
    /// Reads that had to show what the other process had answered, and nothing younger of their own.
    bound: AtomicUsize,
    faults: Mutex<Vec<String>>,
    /// Of all answers.
    longest_wait: Mutex<Duration>,
}

impl Watch {
    /// The least that a read that begins now may show: of what it was answered in its own process, and in the other.
    fn least(&self, process: usize) -> [u64; 2] {
        let hears = !self.is_excused.load(Ordering::SeqCst);
        let writes = self.writes.lock().unwrap();
        let last = |binds: &dyn Fn(&Write) -> bool| {
            let values = writes
                .iter()
                .filter(|write| binds(write))
                .map(|write| write.value);
            values.max().unwrap_or(0)
        };
        [
            last(&|write| write.process == process),
            last(&|write| write.process != process && hears && write.at.elapsed() > SEEN_WITHIN),
        ]
    }

    async fn write_in(&self, process: u8, time: Duration) {
        self.writer.store(process, Ordering::SeqCst);
        sleep(time).await;
    }

    fn note_wait(&self, wait: Duration) {
        let mut longest = self.longest_wait.lock().unwrap();
        *longest = wait.max(*longest);
    }

    fn complain(&self, fault: String) {
        self.faults.lock().unwrap().push(fault);
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

async fn write(watch: Arc<Watch>, clients: [Client; 2], lead: String) {
    let mut value = 0;
    while !watch.is_over() {
        let process = usize::from(watch.writer.load(Ordering::SeqCst));
        if process >= clients.len() {
            sleep(Duration::from_millis(5)).await;
            continue;
        }
        value += 1;
        let body = json!({ "company": format!("Ltd {value}") });
        let asked = Instant::now();
        let answer = clients[process].patch(&lead, body).await;
        watch.note_wait(asked.elapsed());
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
            let was_excused = watch.is_excused.load(Ordering::SeqCst);
            let [own, others] = watch.least(process);
            let asked = Instant::now();
            let answer = client.get(path).await;
            watch.note_wait(asked.elapsed());
            watch.reads.fetch_add(1, Ordering::Relaxed);
            if answer.status != 200 {
                watch.complain(format!("a read in process {process}: {answer:?}"));
                continue;
            }
            let shown = company(&answer.json());
            // What begins while they do not hear each other binds nobody.
            let is_excused = was_excused || watch.is_excused.load(Ordering::SeqCst);
            let is_bound = others > own && !is_excused;
            watch.bound.fetch_add(usize::from(is_bound), Ordering::Relaxed);
            if shown < own || (is_bound && shown < others) {
                watch.complain(format!(
                    "process {process} shows {shown}, not {own} of its own or {others} of the other: {answer:?}"
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
        watch.write_in(0, SETTLES_WITHIN).await;
        watch.is_excused.store(true, Ordering::SeqCst);
        fail(&redis, &proxies).await;
        watch.write_in(0, Duration::from_millis(500)).await;
        watch.write_in(1, Duration::from_secs(1)).await;
        mend(&redis, &proxies).await;
        let mended = Instant::now();
        // Nobody writes any more what would show the other what it has missed.
        watch.writer.store(NOBODY, Ordering::SeqCst);
        for server in &servers {
            until_shared(server).await;
        }
        let back_after = mended.elapsed();
        println!("{what}: trusted again after {back_after:?}");
        assert!(
            back_after < BACK_WITHIN,
            "a process came back after {back_after:?}"
        );
        sleep(SETTLES_WITHIN.saturating_sub(back_after)).await;
        watch.is_excused.store(false, Ordering::SeqCst);
        sleep(SEEN_WITHIN).await;
        watch.write_in(1, SETTLES_WITHIN).await;
    }
    watch.stop.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }

    let count = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
    let longest_wait = *watch.longest_wait.lock().unwrap();
    println!(
        "{what}: {} writes, {} reads, of which {} had to show those of the other process; answered after {:?} at the \
         longest",
        watch.writes.lock().unwrap().len(),
        count(&watch.reads),
        count(&watch.bound),
        longest_wait,
    );
    assert_eq!(*watch.faults.lock().unwrap(), Vec::<String>::new());
    assert!(longest_wait < ANSWERED_WITHIN, "{longest_wait:?}");
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
