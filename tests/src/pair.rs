//! A primary and a replica of one test's own, to be paused, killed and starved.

use std::sync::Arc;

use fairlead_devstack::{Durability, Postgres, Root, Service, Stack, StackOptions};
use fairlead_migrations::{BootstrapPasswords, bootstrap_sql};
use serde_json::Value;
use tokio::task::block_in_place;

use crate::Client;
use crate::process::{Program, Serving};
use crate::wait_until;

const DATABASE: &str = "fairlead";
const PASSWORD: &str = "test";
/// Of requests, of cross-tenant work, and of migrations.
const ROLES: [&str; 3] = ["fairlead_app", "fairlead_system", "fairlead_owner"];

/// Two servers, the second of which follows the first, with a migrated database. Gone when dropped.
///
/// Its methods block: tests run them on a runtime with several threads.
#[derive(Debug)]
pub struct TestPair {
    stack: Arc<Stack>,
    primary: Postgres,
    replica: Postgres,
    second: Option<Postgres>,
}

impl TestPair {
    /// Starts both, and returns a program that knows of them.
    pub async fn start() -> (Self, Program) {
        Self::start_with(|_| None).await
    }

    /// Starts a second replica besides. The program does not know of that one yet: see [`TestPair::read_url`].
    pub async fn start_with_two_replicas() -> (Self, Program) {
        Self::start_with(|stack| Some(stack.second_replica().expect("another one starts"))).await
    }

    async fn start_with(second: impl FnOnce(&Stack) -> Option<Postgres>) -> (Self, Program) {
        let pair = block_in_place(|| {
            let options = StackOptions {
                root: Root::Temporary,
                durability: Durability::Safe,
            };
            let stack = Stack::start(options, &|_| {}).expect("a primary starts");
            Self {
                primary: stack.postgres().expect("it has started"),
                replica: stack.replica().expect("a replica starts"),
                second: second(&stack),
                stack: Arc::new(stack),
            }
        });
        let passwords = BootstrapPasswords {
            owner: PASSWORD,
            app: PASSWORD,
            system: PASSWORD,
        };
        pair.on_primary("postgres", &bootstrap_sql(&passwords));
        pair.on_primary(
            "postgres",
            &format!("CREATE DATABASE {DATABASE} OWNER fairlead_owner"),
        );
        let program = Program::at(ROLES.map(|role| url(role, pair.primary.port())))
            .with("DATABASE_READ_URL", &url("fairlead_app", pair.replica.port()))
            // Tests of servers count the reads that come to them. Tests of the cache set this themselves.
            .with("FAIRLEAD__CACHE__RESPONSES__ENABLED", "false")
            // A machine that is busy with other tests is slow, not gone. Tests of being slow set these themselves.
            .with("FAIRLEAD__DATABASE__MONITOR__TIMEOUT_MS", "10000")
            .with("FAIRLEAD__DATABASE__MONITOR__MAX_LAG_MS", "10000");
        let migrated = program.run(&["migrate"]).await;
        assert!(migrated.status.success(), "{migrated:?}");
        (pair, program)
    }

    /// The program, with another server for its primary; who called it before is known there, too.
    #[must_use]
    pub fn led_by(&self, service: Service, program: Program) -> Program {
        let urls = ROLES.map(|role| url(role, self.server(service).port()));
        let keys = ["URL", "SYSTEM_URL", "OWNER_URL"];
        keys.iter().zip(urls).fold(program, |program, (key, url)| {
            program.with(&format!("FAIRLEAD__DATABASE__{key}"), &url)
        })
    }

    /// Where the program reads from a server.
    pub fn read_url(&self, service: Service) -> String {
        url(ROLES[0], self.server(service).port())
    }

    pub fn port(&self, service: Service) -> u16 {
        self.server(service).port()
    }

    /// How the superuser reaches a server.
    pub fn superuser_url(&self, service: Service) -> String {
        self.server(service).superuser_url(DATABASE)
    }

    /// Runs SQL on a server as the superuser.
    pub fn run_on(&self, service: Service, sql: &str) -> String {
        block_in_place(|| self.server(service).run_sql(DATABASE, sql)).expect("the server takes it")
    }

    fn server(&self, service: Service) -> &Postgres {
        match service {
            Service::Postgres => &self.primary,
            Service::Replica => &self.replica,
            Service::SecondReplica => self.second.as_ref().expect("it was asked for"),
            Service::Redis | Service::RabbitMq => panic!("{service} is no database"),
        }
    }

    /// Runs SQL on the primary as the superuser.
    pub fn on_primary(&self, database: &str, sql: &str) -> String {
        block_in_place(|| self.primary.run_sql(database, sql)).expect("the primary takes it")
    }

    /// Runs SQL on the replica as the superuser.
    pub fn on_replica(&self, sql: &str) -> String {
        self.run_on(Service::Replica, sql)
    }

    /// Waits until the replica has all that is written by now.
    pub async fn wait_until_replayed(&self) {
        let written = self.on_primary(DATABASE, "SELECT pg_current_wal_insert_lsn()");
        let has_it = format!("SELECT pg_last_wal_replay_lsn() >= '{written}'");
        wait_until("the replica has what is written", async || {
            self.on_replica(&has_it) == "t"
        })
        .await;
    }

    /// Ends a server at once, as a crash would.
    pub fn kill(&self, service: Service) {
        block_in_place(|| self.stack.kill(service)).expect("it runs");
    }

    /// Starts a server again.
    pub fn restart(&self, service: Service) {
        block_in_place(|| self.stack.restart(service)).expect("it starts again");
    }

    /// Freezes a server: connections stay open, and nothing answers.
    pub fn pause(&self, service: Service) {
        self.stack.pause(service).expect("it runs");
    }

    pub fn resume(&self, service: Service) {
        self.stack.resume(service).expect("it was paused");
    }
}

/// A caller of the server who holds an operator's credential.
pub async fn operator(program: &Program, serving: &Serving) -> Client {
    let made = program
        .run(&["operator", "create", "--name", "test", "--json"])
        .await;
    assert!(made.status.success(), "{made:?}");
    let told: Value = serde_json::from_str(&made.stdout).expect("JSON was asked for");
    serving
        .anonymous()
        .with_token(told["operatorKey"].as_str().expect("a key"))
}

fn url(role: &str, port: u16) -> String {
    format!("postgres://{role}:{PASSWORD}@127.0.0.1:{port}/{DATABASE}")
}
