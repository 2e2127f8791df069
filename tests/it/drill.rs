//! A backup is worth what its restore is: both are made here, by the script that operators have.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fairlead_devstack::{Durability, Postgres, Root, Stack, StackOptions};
use fairlead_migrations::{BootstrapPasswords, bootstrap_sql};
use serde_json::json;
use support::process::{Program, Serving};
use support::{Client, TempFolder, TestTenant, wait_until};

const DATABASE: &str = "fairlead";
const PASSWORD: &str = "a password of the drill";

/// A PostgreSQL of its own: roles belong to a whole server.
struct Server {
    postgres: Postgres,
    _stack: Stack,
}

impl Server {
    fn start() -> Self {
        tokio::task::block_in_place(|| {
            let options = StackOptions {
                root: Root::Temporary,
                // As one that is meant to last: the program says what it thinks of one that is not.
                durability: Durability::Safe,
            };
            let stack = Stack::start(options, &|_| {}).unwrap();
            let postgres = stack.postgres().unwrap();
            Self {
                postgres,
                _stack: stack,
            }
        })
    }

    /// Makes the roles, or gives them the passwords of this test.
    fn bootstrap(&self) {
        let sql = bootstrap_sql(&BootstrapPasswords {
            owner: PASSWORD,
            app: PASSWORD,
            system: PASSWORD,
        });
        self.run("postgres", &sql);
    }

    fn url(&self, role: &str) -> String {
        let password = PASSWORD.replace(' ', "%20");
        format!(
            "postgres://{role}:{password}@127.0.0.1:{}/{DATABASE}",
            self.postgres.port()
        )
    }

    fn program(&self) -> Program {
        Program::at(["fairlead_app", "fairlead_system", "fairlead_owner"].map(|role| self.url(role)))
    }

    /// Runs SQL as the superuser.
    fn run(&self, database: &str, sql: &str) -> String {
        tokio::task::block_in_place(|| self.postgres.run_sql(database, sql)).unwrap()
    }

    /// Has the server count transactions for a while, as one that has served has.
    fn age(&self) {
        let transactions =
            "DO $$ BEGIN FOR number IN 1..10000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$";
        self.run(DATABASE, transactions);
    }

    /// Each table with its rows and what is in them, but for the log of events, which begins anew.
    fn content(&self) -> String {
        let tables = self.run(
            DATABASE,
            "SELECT schemaname || '.' || tablename FROM pg_tables
             WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
                 AND tablename !~ '^(events(_.*)?|event_readers|inbox)$'
             ORDER BY 1",
        );
        let content = tables.lines().map(|table| {
            format!("SELECT '{table}', count(*), md5(string_agg(t::text, ';' ORDER BY t::text)) FROM {table} AS t;")
        });
        self.run(DATABASE, &content.collect::<String>())
    }
}

fn run(command: &mut Command) -> Output {
    tokio::task::block_in_place(|| command.output()).unwrap()
}

async fn serve(program: &Program) -> Serving {
    program.serve().await.unwrap_or_else(|ended| panic!("{ended:?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_is_restored_elsewhere_whole_and_serves() {
    let source = Server::start();
    source.bootstrap();
    source.run(
        "postgres",
        &format!("CREATE DATABASE {DATABASE} OWNER fairlead_owner"),
    );
    let migrated = source.program().run(&["migrate"]).await;
    assert!(migrated.status.success(), "{migrated:?}");
    source.age();
    let serving = serve(&source.program()).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let umbrella = TestTenant::sign_up(serving.anonymous(), "umbrella").await;
    let lead = acme.lead("Ann").await;
    umbrella.lead("Bob").await;
    wait_until("the lead is counted", async || {
        leads_counted(&acme.owner).await == 1
    })
    .await;
    serving.signal("TERM");
    let ended = serving.ended().await;
    assert!(ended.status.success(), "{ended:?}");
    let content = source.content();
    assert!(content.contains("public.leads|2|"), "{content}");

    // Row-level security binds even the owner: a dump of its would leave rows out, so there is none.
    let folder = TempFolder::new("drill");
    let of_owner = run(Command::new("pg_dump")
        .arg(source.url("fairlead_owner"))
        .arg("--file=/dev/null"));
    let said = String::from_utf8_lossy(&of_owner.stderr);
    assert!(
        !of_owner.status.success() && said.contains("row-level security"),
        "{said}"
    );

    let target = Server::start();
    let superuser = target.postgres.superuser_url("postgres");
    let (_, credentials) = superuser.split_once("://postgres:").unwrap();
    let (password, _) = credentials.split_once('@').unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let drill = run(Command::new("sh")
        .arg(root.join("deploy/backup/restore-drill.sh"))
        .arg(source.postgres.superuser_url(DATABASE))
        .arg(format!("127.0.0.1:{}", target.postgres.port()))
        .arg(folder.path())
        .env("PGPASSWORD", password)
        .env("FAIRLEAD", binary()));

    let told = String::from_utf8_lossy(&drill.stdout);
    assert!(
        drill.status.success(),
        "{told}\n{}",
        String::from_utf8_lossy(&drill.stderr)
    );
    println!("{told}");
    assert!(told.contains("tenants 2, leads 2"), "{told}");
    assert_eq!(target.content(), content);
    target.bootstrap();
    let serving = serve(&target.program()).await;
    let owner = acme.at(&serving.url).log_in().await;
    let restored = owner.get(&format!("/api/v1/leads/{lead}")).await.expect(200);
    assert_eq!(restored["name"], "Ann");
    let other = umbrella.at(&serving.url).log_in().await;
    assert_eq!(other.get(&format!("/api/v1/leads/{lead}")).await.status, 404);
    heard_and_counted(&owner).await;
}

/// What happens after a restore is in the log, and consumers are told of it.
async fn heard_and_counted(owner: &Client) {
    let made = owner
        .post("/api/v1/leads", json!({ "name": "Cid" }))
        .await
        .expect(201);
    wait_until("the new lead is in the log of events", async || {
        let page = owner.get("/api/v1/events?type=lead_created").await.expect(200);
        let items = page["items"].as_array().unwrap();
        items.iter().any(|event| event["aggregateid"] == made["id"])
    })
    .await;
    wait_until("the new lead is counted", async || {
        leads_counted(owner).await == 2
    })
    .await;
}

async fn leads_counted(owner: &Client) -> u64 {
    let usage = owner.get("/api/v1/usage/days").await.expect(200);
    let items = usage["items"].as_array().unwrap();
    let of_leads = items.iter().filter(|item| item["type"] == "lead_created");
    of_leads.map(|item| item["events"].as_u64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_moment_before_a_mistake_is_brought_back() {
    let source = Server::start();
    source.bootstrap();
    source.run(
        "postgres",
        &format!("CREATE DATABASE {DATABASE} OWNER fairlead_owner"),
    );
    let migrated = source.program().run(&["migrate"]).await;
    assert!(migrated.status.success(), "{migrated:?}");
    let serving = serve(&source.program()).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    acme.lead("Ann").await;
    let folder = TempFolder::new("drill");
    open_to_all(folder.path());
    let port = free_port();

    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let drill = run(Command::new("sh")
        .arg(root.join("deploy/backup/point-in-time-drill.sh"))
        .arg(source.postgres.superuser_url(DATABASE))
        .arg(folder.path())
        .arg("DELETE FROM leads")
        .env("PORT", port.to_string()));

    let told = String::from_utf8_lossy(&drill.stdout);
    let stop = StopsServer(folder.path().join("data"));
    assert!(
        drill.status.success(),
        "{told}\n{}",
        String::from_utf8_lossy(&drill.stderr)
    );
    println!("{told}");
    assert_eq!(source.run(DATABASE, "SELECT count(*) FROM leads"), "0");
    let before = source.postgres.port().to_string();
    let urls = ["fairlead_app", "fairlead_system", "fairlead_owner"];
    let program = Program::at(urls.map(|role| source.url(role).replace(&before, &port.to_string())));
    // It takes a moment until it has come to the end of its recovery, and is written to.
    let mut restored = program.serve().await;
    wait_until("the server that was brought back is written to", async || {
        if restored.is_err() {
            restored = program.serve().await;
        }
        restored.is_ok()
    })
    .await;
    let restored = restored.unwrap();
    let leads = acme.at(&restored.url).owner.get("/api/v1/leads").await;
    // Keys that sign are of the other program's folder: one logs in again.
    assert_eq!(leads.status, 401);
    let owner = acme.at(&restored.url).log_in().await;
    let leads = owner.get("/api/v1/leads").await.expect(200);
    assert_eq!(leads["items"][0]["name"], "Ann");
    acme.at(&restored.url)
        .log_in()
        .await
        .post("/api/v1/leads", json!({ "name": "Bob" }))
        .await
        .expect(201);
    drop(restored);
    drop(stop);
}

/// A server that a script has left running.
struct StopsServer(PathBuf);

impl Drop for StopsServer {
    fn drop(&mut self) {
        let script = "pid=$(head -n 1 \"$1/postmaster.pid\" 2>/dev/null) && kill -QUIT \"$pid\" && \
                      while kill -0 \"$pid\" 2>/dev/null; do sleep 0.1; done";
        let _ = Command::new("sh")
            .args(["-c", script, "stop"])
            .arg(&self.0)
            .status();
    }
}

/// Root's scripts become another user there.
fn open_to_all(folder: &Path) {
    fs::set_permissions(folder, Permissions::from_mode(0o777)).unwrap();
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// The program that the tests of processes run.
fn binary() -> PathBuf {
    Program::unconfigured().command(&[]).get_program().into()
}
