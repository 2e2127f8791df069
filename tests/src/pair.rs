//! A primary and a replica of one test's own, to be paused, killed and starved.

use std::sync::Arc;

use fairlead_devstack::{Durability, Postgres, Root, Service, Stack, StackOptions};
use fairlead_migrations::{BootstrapPasswords, bootstrap_sql};
use serde_json::Value;
use tokio::task::block_in_place;

use crate::Client;
use crate::process::{Program, Serving};

const DATABASE: &str = "fairlead";
const PASSWORD: &str = "test";

/// Two servers, the second of which follows the first, with a migrated database. Gone when dropped.
///
/// Its methods block: tests run them on a runtime with several threads.
#[derive(Debug)]
pub struct TestPair {
    stack: Arc<Stack>,
    primary: Postgres,
    replica: Postgres,
}

impl TestPair {
    /// Starts both, and returns a program that knows of them.
    pub async fn start() -> (Self, Program) {
        let pair = block_in_place(|| {
            let options = StackOptions {
                root: Root::Temporary,
                durability: Durability::Safe,
            };
            let stack = Stack::start(options, &|_| {}).expect("a primary starts");
            Self {
                primary: stack.postgres().expect("it has started"),
                replica: stack.replica().expect("a replica starts"),
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
        let primary = pair.primary.port();
        let program = Program::at([
            url("fairlead_app", primary),
            url("fairlead_system", primary),
            url("fairlead_owner", primary),
        ])
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

    /// Runs SQL on the primary as the superuser.
    pub fn on_primary(&self, database: &str, sql: &str) -> String {
        block_in_place(|| self.primary.run_sql(database, sql)).expect("the primary takes it")
    }

    /// Runs SQL on the replica as the superuser.
    pub fn on_replica(&self, sql: &str) -> String {
        block_in_place(|| self.replica.run_sql(DATABASE, sql)).expect("the replica takes it")
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
