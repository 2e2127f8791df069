//! Private services start, answer, and end with their owner, however it ends.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use fairlead_devstack::{
    Durability, Endpoint, ProcessId, Root, Service, Signal, Stack, StackError, StackOptions, control, erase,
    running_postgres, wait_until,
};

const LIMIT: Duration = Duration::from_mins(1);
const ALL: [Service; 4] = [
    Service::Postgres,
    Service::Replica,
    Service::Redis,
    Service::RabbitMq,
];

#[test]
fn all_services_start_side_by_side_answer_and_are_gone_after_a_stop() {
    let stack = Stack::start(temporary(), &|_| {}).unwrap();
    let shared = &stack;
    let [_, _, redis, rabbitmq] = thread::scope(|scope| {
        ALL.map(|service| scope.spawn(move || shared.ensure(service).unwrap()))
            .map(|start| start.join().unwrap())
    });
    let processes = recorded(stack.folder());
    let folder = stack.folder().to_owned();

    let primary = stack.postgres().unwrap();
    primary
        .run_sql("postgres", "CREATE TABLE t (n INT); INSERT INTO t VALUES (42)")
        .unwrap();
    let replica = stack.replica().unwrap();
    assert!(wait_until(LIMIT, || replica
        .run_sql("postgres", "SELECT n FROM t")
        .is_ok_and(|n| n == "42")));
    assert_eq!(
        replica.run_sql("postgres", "SELECT pg_is_in_recovery()").unwrap(),
        "t"
    );
    assert!(answers_ping(&redis));
    assert!(answers_amqp(&rabbitmq));
    assert_eq!(processes.len(), 5, "the four services, and epmd for RabbitMQ");
    stack.stop();

    assert!(processes.iter().all(|process| !process.is_alive()));
    assert!(!folder.exists());
    assert!(matches!(stack.ensure(Service::Redis), Err(StackError::Closed)));
}

#[test]
fn a_new_database_measures_statements_and_advises_on_indexes() {
    let stack = Stack::start(temporary(), &|_| {}).unwrap();
    let primary = stack.postgres().unwrap();

    primary.run_sql("postgres", "CREATE DATABASE fresh").unwrap();
    let extensions = primary
        .run_sql(
            "fresh",
            "SELECT string_agg(extname, ' ' ORDER BY extname) FROM pg_extension",
        )
        .unwrap();

    assert_eq!(extensions, "hypopg pg_stat_statements plpgsql");
    primary
        .run_sql("fresh", "SELECT count(*) FROM pg_stat_statements")
        .unwrap();
}

#[test]
fn the_database_admits_nobody_without_the_password() {
    let stack = Stack::start(temporary(), &|_| {}).unwrap();
    let primary = stack.postgres().unwrap();

    // Password authentication is the only kind there is, and TCP on the loopback address the only way in.
    let kinds = primary
        .run_sql("postgres", "SELECT DISTINCT auth_method FROM pg_hba_file_rules")
        .unwrap();
    let doors = primary
        .run_sql("postgres", "SELECT setting FROM pg_settings WHERE name IN ('listen_addresses', 'unix_socket_directories') ORDER BY name")
        .unwrap();
    let failure = primary
        .run_sql("postgres", "SELECT 1; SELECT 1/0; SELECT 2")
        .unwrap_err();

    assert_eq!(kinds, "scram-sha-256");
    assert_eq!(doors, "127.0.0.1");
    assert!(failure.to_string().contains("division by zero"), "{failure}");
    assert!(!format!("{primary:?}").contains(&password_in(&primary.superuser_url("postgres"))));
}

#[test]
fn a_service_can_be_paused_killed_and_restarted_on_its_port() {
    let stack = Stack::start(temporary(), &|_| {}).unwrap();
    let redis = stack.ensure(Service::Redis).unwrap();
    let primary = stack.postgres().unwrap();

    stack.pause(Service::Redis).unwrap();
    assert!(!answers_ping(&redis));
    stack.resume(Service::Redis).unwrap();
    assert!(answers_ping(&redis));

    stack.kill(Service::Postgres).unwrap();
    assert!(primary.run_sql("postgres", "SELECT 1").is_err());
    stack.restart(Service::Postgres).unwrap();
    assert_eq!(primary.run_sql("postgres", "SELECT 1").unwrap(), "1");

    stack.kill(Service::Redis).unwrap();
    assert!(!answers_ping(&redis));
    stack.restart(Service::Redis).unwrap();
    assert!(answers_ping(&redis));

    // A paused server must not outlive a stop, either.
    stack.pause(Service::Postgres).unwrap();
    let processes = recorded(stack.folder());
    stack.stop();
    assert!(processes.iter().all(|process| !process.is_alive()));
}

#[test]
fn nothing_is_left_of_a_killed_owner() {
    let (mut owner, folder) = spawn_owner("temporary", &["postgres", "replica", "redis", "rabbitmq"]);
    let processes = recorded(&folder);
    assert_eq!(processes.len(), 5);

    owner.kill().unwrap();
    owner.wait().unwrap();

    assert!(wait_until(LIMIT, || processes
        .iter()
        .all(|process| !process.is_alive())));
    assert!(wait_until(LIMIT, || !folder.exists()));
}

#[test]
fn data_survive_a_killed_owner_and_even_a_killed_watchdog() {
    let root = Scratch::new("survive");
    let (mut owner, folder) = spawn_owner(root.path(), &["postgres", "replica"]);
    let primary = running_postgres(&folder).unwrap();
    primary
        .run_sql("postgres", "CREATE TABLE t AS SELECT 42 AS n")
        .unwrap();
    let before = recorded(&folder);

    // All at once, as when a container is killed, except that the services live on.
    let watchdog = children_of(owner.id())
        .into_iter()
        .find(|id| !before.contains(id))
        .unwrap();
    watchdog.signal(Signal::Kill);
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert!(before.iter().all(|process| process.is_alive()));

    let stack = Stack::start(persistent(&folder), &|_| {}).unwrap();
    assert_eq!(
        stack
            .postgres()
            .unwrap()
            .run_sql("postgres", "SELECT n FROM t")
            .unwrap(),
        "42"
    );
    // It may not have received the row before it was stopped.
    let replica = stack.replica().unwrap();
    assert!(wait_until(LIMIT, || {
        replica
            .run_sql("postgres", "SELECT n FROM t")
            .is_ok_and(|n| n == "42")
    }));
    assert_eq!(stack.postgres().unwrap().port(), primary.port());
    assert!(before.iter().all(|process| !process.is_alive()));
}

#[test]
fn a_next_owner_waits_for_what_cleans_up_after_a_killed_one() {
    let root = Scratch::new("handover");
    let (mut owner, folder) = spawn_owner(root.path(), &["postgres"]);

    owner.kill().unwrap();
    owner.wait().unwrap();
    let stack = Stack::start(persistent(&folder), &|_| {}).unwrap();
    let process = recorded(&folder);

    assert_eq!(
        stack.postgres().unwrap().run_sql("postgres", "SELECT 1").unwrap(),
        "1"
    );
    assert!(process.iter().all(|process| process.is_alive()));
}

#[test]
fn a_folder_has_one_owner() {
    let root = Scratch::new("owner");
    let stack = Stack::open(persistent(root.path())).unwrap();

    let refusal = Stack::open(persistent(root.path())).unwrap_err();
    assert!(matches!(refusal, StackError::InUse { owner: Some(pid), .. } if pid == std::process::id()));
    assert!(matches!(erase(root.path()), Err(StackError::InUse { .. })));

    stack.stop();
    erase(root.path()).unwrap();
    assert!(!root.path().exists());
}

#[test]
fn data_of_another_major_version_are_refused_with_the_fix() {
    let root = Scratch::new("major");
    let stack = Stack::start(persistent(root.path()), &|_| {}).unwrap();
    let folder = stack.folder().to_owned();
    drop(stack);
    fs::write(folder.join("postgres/data/PG_VERSION"), "9\n").unwrap();

    let refusal = Stack::start(persistent(&folder), &|_| {})
        .unwrap_err()
        .to_string();

    assert!(refusal.contains("made by PostgreSQL 9"), "{refusal}");
    assert!(
        refusal.contains("postgresql-9") && refusal.contains("--fresh"),
        "{refusal}"
    );
}

#[test]
fn processes_of_a_run_share_its_services() {
    let stack = Arc::new(Stack::open(temporary()).unwrap());
    let control = control::serve(Arc::clone(&stack)).unwrap();
    let ask = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_devstack"));
        let output = command
            .args(["shared", "redis"])
            .env(control::VARIABLE, control.socket())
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };

    let (first, second) = (ask(), ask());

    let redis: Endpoint = serde_json::from_str(&first).unwrap();
    assert!(answers_ping(&redis));
    assert_eq!(first, second);
    assert_eq!(recorded(stack.folder()).len(), 1);
}

fn temporary() -> StackOptions {
    StackOptions {
        root: Root::Temporary,
        durability: Durability::Fast,
    }
}

fn persistent(folder: &Path) -> StackOptions {
    StackOptions {
        root: Root::Persistent(folder.to_owned()),
        durability: Durability::Safe,
    }
}

/// A name for a persistent folder, erased in the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(env::temp_dir().join(format!("fairlead-test-{name}-{}", std::process::id())))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !thread::panicking() {
            erase(&self.0).unwrap();
        }
    }
}

/// Starts another process that owns a stack, and returns once its services answer.
fn spawn_owner(root: impl AsRef<std::ffi::OsStr>, services: &[&str]) -> (Child, PathBuf) {
    let mut owner = Command::new(env!("CARGO_BIN_EXE_devstack"))
        .arg(root)
        .args(services)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(owner.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap);
    let folder = serde_json::from_str(&lines.next().unwrap()).unwrap();
    assert_eq!(lines.take(services.len()).count(), services.len());
    (owner, folder)
}

fn recorded(folder: &Path) -> Vec<ProcessId> {
    let records = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path().join("process"));
    let texts = records.filter_map(|record| fs::read_to_string(record).ok());
    texts
        .filter_map(|text| ProcessId::of(text.split(' ').next()?.parse().ok()?))
        .collect()
}

fn children_of(pid: u32) -> Vec<ProcessId> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children
        .split_whitespace()
        .filter_map(|child| ProcessId::of(child.parse().unwrap()))
        .collect()
}

fn password_in(url: &str) -> String {
    let (_, rest) = url.split_once("://").unwrap();
    let (credentials, _) = rest.split_once('@').unwrap();
    credentials.split_once(':').unwrap().1.to_owned()
}

fn answers_ping(redis: &Endpoint) -> bool {
    let password = password_in(&redis.url);
    exchange(
        redis.port,
        format!("AUTH {password}\r\nPING\r\n").as_bytes(),
        b"+OK\r\n+PONG\r\n",
    )
}

fn answers_amqp(rabbitmq: &Endpoint) -> bool {
    exchange(rabbitmq.port, b"AMQP\x00\x00\x09\x01", b"\x01\x00\x00")
}

fn exchange(port: u16, question: &[u8], expected: &[u8]) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else {
        return false;
    };
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut answer = vec![0; expected.len()];
    stream.write_all(question).is_ok() && stream.read_exact(&mut answer).is_ok() && answer == expected
}
