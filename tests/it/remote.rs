//! The command line that works with a server: files in and out, and operations watched, by the program itself against
//! another process of it.

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use sqlx::{Executor as _, PgConnection};
use support::database::DatabaseRole;
use support::process::{Ended, Program, Serving};
use support::tls::{Authority, TlsFront};
use support::{TestDatabase, TestTenant, wait_until};

/// A server with a tenant, and the program as somebody has it who works with that.
pub(crate) struct Terminal {
    pub(crate) server: Serving,
    pub(crate) database: TestDatabase,
    pub(crate) acme: TestTenant,
    pub(crate) program: Program,
}

impl Terminal {
    async fn open() -> Self {
        Self::with(&["leads:read", "leads:write"]).await
    }

    /// With a key of these scopes.
    pub(crate) async fn with(scopes: &[&str]) -> Self {
        let database = TestDatabase::create().await;
        let server = Program::on(&database).serve().await.unwrap();
        let acme = TestTenant::sign_up(server.anonymous(), "acme").await;
        let key = acme.key(scopes).await;
        let program = Program::unconfigured()
            .with("FAIRLEAD_URL", &server.url)
            .with("FAIRLEAD_API_KEY", &key);
        Self {
            server,
            database,
            acme,
            program,
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.program.data_dir.path().join(name)
    }

    /// Runs a command on files of its folder.
    async fn run(&self, command: &str) -> Ended {
        let arguments: Vec<&str> = command.split(' ').collect();
        self.program.run(&arguments).await
    }

    async fn superuser(&self) -> PgConnection {
        self.database.connect(DatabaseRole::Superuser).await
    }
}

fn code(ended: &Ended) -> i32 {
    ended.status.code().expect("it ended by itself")
}

fn lines(ended: &Ended) -> Vec<Value> {
    let lines = ended.stdout.lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn leads(count: usize) -> String {
    (0..count).fold("name,email\n".to_owned(), |mut file, number| {
        writeln!(file, "Lead {number},lead-{number}@a.example").unwrap();
        file
    })
}

/// Has nobody do operations until it is resumed.
async fn pause(database: &mut PgConnection) {
    database
        .execute("INSERT INTO job_pauses (queue, kind, reason, operator) VALUES ('imports', 'import-leads', 'a test', 'a test')")
        .await
        .unwrap();
}

#[tokio::test]
async fn what_is_imported_by_a_command_comes_out_by_another_as_the_server_streams_it() {
    let terminal = Terminal::open().await;
    let slug = terminal.acme.slug.clone();
    fs::write(terminal.file("leads.csv"), leads(2_500)).unwrap();

    let imported = terminal.run(&format!("import leads.csv --tenant {slug}")).await;
    let exported = terminal
        .run(&format!("export --tenant {slug} --out out.csv"))
        .await;
    let again = terminal.run("export --out out.csv").await;
    let printed = terminal.run("export --out - --format ndjson --search lead").await;

    assert_eq!(code(&imported), 0, "{imported:?}");
    assert!(imported.stdout.contains("2,500 leads created"), "{imported:?}");
    assert_eq!(code(&exported), 0, "{exported:?}");
    let streamed = terminal.acme.owner.get("/api/v1/leads/export").await.body;
    assert!(
        fs::read(terminal.file("out.csv")).unwrap() == streamed,
        "they differ"
    );
    assert!(!terminal.file("out.csv.part").exists());
    assert_eq!(code(&again), 2, "{again:?}");
    assert!(again.stderr.contains("--force"), "{again:?}");
    assert_eq!(lines(&printed).len(), 1_000, "{}", printed.stderr);
    // Nothing is drawn where nobody looks.
    assert_eq!(imported.stderr, "");
}

#[tokio::test]
async fn nothing_is_exported_where_the_file_cannot_be_written_and_nobodys_file_is_lost() {
    let terminal = Terminal::open().await;
    fs::write(terminal.file("out.csv.part"), "mine").unwrap();

    let nowhere = terminal.run("export --out nowhere/out.csv").await;
    let taken = terminal.run("export --out out.csv").await;

    assert_eq!((code(&nowhere), code(&taken)), (1, 2), "{nowhere:?} {taken:?}");
    assert!(nowhere.stderr.contains("nowhere/out.csv.part"), "{nowhere:?}");
    assert!(taken.stderr.contains("out.csv.part"), "{taken:?}");
    assert_eq!(fs::read_to_string(terminal.file("out.csv.part")).unwrap(), "mine");
    let listed = terminal.acme.owner.get("/api/v1/operations").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 0, "{listed}");
}

#[tokio::test]
async fn rows_that_are_rejected_are_told_and_the_exit_code_says_so() {
    let terminal = Terminal::open().await;
    fs::write(
        terminal.file("leads.csv"),
        "name,email\nAnn,ann@a.example\nBob,nobody\n",
    )
    .unwrap();

    let ended = terminal.run("import leads.csv").await;
    let as_json = terminal.run("import leads.csv --json --skip-duplicates").await;
    let listed = terminal.run("operations list").await;
    let told = lines(&as_json);
    let last = &told.last().unwrap()["operation"];
    let shown = terminal
        .run(&format!("operations show {}", last["id"].as_str().unwrap()))
        .await;

    assert_eq!(code(&ended), 3, "{ended:?}");
    assert!(
        ended
            .stdout
            .contains("1 lead created, 0 left out as known, 1 row rejected")
            && ended.stdout.contains("3     email"),
        "{ended:?}"
    );
    assert_eq!(code(&as_json), 3, "{as_json:?}");
    assert_eq!(told.last().unwrap()["event"], "ended");
    assert_eq!(
        (&last["result"]["skipped"], &last["result"]["failed"]),
        (&1.into(), &1.into())
    );
    assert_eq!(listed.stdout.lines().count(), 3, "{listed:?}");
    assert!(
        shown.stdout.contains("email") && shown.stdout.contains("begun"),
        "{shown:?}"
    );
}

#[tokio::test]
async fn what_comes_by_standard_input_is_imported() {
    let terminal = Terminal::open().await;
    let file = b"{\"name\": \"Ann\"}\n{\"name\": \"Bob\"}\n";

    let unnamed = terminal.program.run_on(&["import", "-"], file).await;
    let ended = terminal
        .program
        .run_on(&["import", "-", "--format", "ndjson"], file)
        .await;

    assert_eq!(code(&unnamed), 2, "{unnamed:?}");
    assert_eq!(code(&ended), 0, "{ended:?}");
    assert!(ended.stdout.contains("2 leads created"), "{ended:?}");
}

#[tokio::test]
async fn what_is_no_file_is_told_before_the_server_is_asked() {
    let terminal = Terminal::open().await;
    fs::create_dir(terminal.file("leads.csv")).unwrap();
    let nowhere = terminal
        .program
        .clone()
        .with("FAIRLEAD_URL", "http://127.0.0.1:1");

    let absent = nowhere.run(&["import", "nope.csv"]).await;
    let directory = nowhere.run(&["import", "leads.csv"]).await;

    for (ended, told) in [
        (absent, "there is no file nope.csv: name a CSV or NDJSON file"),
        (directory, "leads.csv is a directory: name a CSV or NDJSON file"),
    ] {
        assert_eq!(code(&ended), 2, "{ended:?}");
        assert!(ended.stderr.contains(told), "{ended:?}");
        assert!(!ended.stderr.contains("idempotency-key"), "{ended:?}");
    }
}

#[tokio::test]
async fn nothing_is_begun_by_a_wrong_credential_or_in_another_tenant() {
    let terminal = Terminal::open().await;
    fs::write(terminal.file("leads.csv"), leads(1)).unwrap();
    fs::write(terminal.file("password"), format!("{}\n", support::PASSWORD)).unwrap();
    let with = |name: &str, value: &str| terminal.program.clone().with(name, value);
    let import = ["import", "leads.csv"];
    let email = terminal.acme.owner_email.clone();

    let elsewhere = terminal.run("import leads.csv --tenant umbrella").await;
    let stranger = with("FAIRLEAD_API_KEY", "tk_none").run(&import).await;
    let nobody = with("FAIRLEAD_API_KEY", "").run(&import).await;
    let nowhere = with("FAIRLEAD_URL", "http://127.0.0.1:1").run(&import).await;
    let person = with("FAIRLEAD_API_KEY", "")
        .run(&[
            "import",
            "leads.csv",
            "--email",
            &email,
            "--password-file",
            "password",
        ])
        .await;

    assert_eq!(
        (code(&elsewhere), code(&nobody)),
        (2, 2),
        "{elsewhere:?} {nobody:?}"
    );
    assert!(elsewhere.stderr.contains("not of umbrella"), "{elsewhere:?}");
    assert_eq!(
        (code(&stranger), code(&nowhere)),
        (1, 1),
        "{stranger:?} {nowhere:?}"
    );
    assert!(stranger.stderr.contains("401"), "{stranger:?}");
    assert_eq!(code(&person), 0, "{person:?}");
    let listed = terminal.acme.owner.get("/api/v1/operations").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1, "{listed}");
    let open = "SELECT count(*) FROM sessions WHERE revoked_at IS NULL";
    let open: i64 = sqlx::query_scalar(open)
        .fetch_one(&mut terminal.superuser().await)
        .await
        .unwrap();
    assert_eq!(open, 1, "the one who signed up has the only session");
}

/// An export to a pipe that takes no more than it holds, when it is full.
async fn into_a_full_pipe(terminal: &Terminal) -> Child {
    let child = terminal
        .program
        .command(&["export", "--out", "-", "--format", "ndjson"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let written = || {
        let io = fs::read_to_string(format!("/proc/{}/io", child.id())).unwrap_or_default();
        let written = io.lines().find_map(|line| line.strip_prefix("wchar: "));
        written
            .and_then(|bytes| bytes.parse::<u64>().ok())
            .unwrap_or_default()
    };
    // A pipe holds 64 KiB, of which the last are not written whole.
    let (mut last, mut same) = (0, 0);
    wait_until("the pipe is full", async || {
        let now = written();
        same = if now == last && now > 32 << 10 {
            same + 1
        } else {
            0
        };
        last = now;
        same > 20
    })
    .await;
    child
}

#[tokio::test]
async fn a_pipe_that_is_full_keeps_nobody_from_ending_it_and_one_that_is_closed_ends_it_quietly() {
    let terminal = Terminal::open().await;
    fs::write(terminal.file("leads.csv"), leads(3_000)).unwrap();
    let imported = terminal.run("import leads.csv").await;
    assert_eq!(code(&imported), 0, "{imported:?}");

    let mut interrupted = into_a_full_pipe(&terminal).await;
    let kill = format!("kill -INT {}", interrupted.id());
    Command::new("sh").args(["-c", &kill]).status().unwrap();
    let mut closed = into_a_full_pipe(&terminal).await;
    drop(closed.stdout.take());

    for (child, expected) in [(&mut interrupted, 130), (&mut closed, 0)] {
        let mut status = None;
        wait_until("it ends", async || {
            status = child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        assert_eq!(status.unwrap().code(), Some(expected));
    }
    let told = |child: Child| {
        let mut text = String::new();
        child.stderr.unwrap().read_to_string(&mut text).unwrap();
        text
    };
    assert!(told(interrupted).contains("operations fetch"));
    assert_eq!(told(closed), "");
}

#[tokio::test]
async fn a_server_with_a_certificate_of_ones_own_authority_is_worked_with_once_that_is_named() {
    let terminal = Terminal::open().await;
    let authority = Authority::create();
    let address = terminal.server.url.strip_prefix("http://").unwrap();
    let front = TlsFront::start(address, &authority).await;
    fs::write(terminal.file("ca.pem"), authority.pem()).unwrap();
    let program = terminal
        .program
        .clone()
        .with("FAIRLEAD_URL", &format!("https://localhost:{}", front.port()));
    let list = ["operations", "list"];

    let unknown = program.run(&list).await;
    let named = program.run(&["operations", "list", "--ca-file", "ca.pem"]).await;
    let by_environment = program
        .clone()
        .with("FAIRLEAD_CA_FILE", "ca.pem")
        .run(&list)
        .await;
    let missing = program.run(&["operations", "list", "--ca-file", "no.pem"]).await;

    assert_eq!(code(&unknown), 1, "{unknown:?}");
    assert!(unknown.stderr.contains("--ca-file"), "{unknown:?}");
    assert_eq!(
        (code(&named), code(&by_environment)),
        (0, 0),
        "{named:?} {by_environment:?}"
    );
    assert_eq!(code(&missing), 1, "{missing:?}");
    assert!(missing.stderr.contains("no.pem"), "{missing:?}");
}

#[tokio::test]
async fn who_stops_watching_does_not_stop_the_work() {
    let terminal = Terminal::open().await;
    let mut database = terminal.superuser().await;
    fs::write(terminal.file("leads.csv"), leads(10)).unwrap();
    pause(&mut database).await;

    let watching = terminal.program.start(&["import", "leads.csv", "--json"]);
    wait_until("it watches", async || !watching.printed().is_empty()).await;
    watching.signal("INT");
    let left = watching.end().await;
    let id = lines(&left)[0]["operation"]["id"].as_str().unwrap().to_owned();
    let open = terminal.run(&format!("operations show {id} --json")).await;
    let cancelled = terminal.run(&format!("operations cancel {id}")).await;
    let watched = terminal.run(&format!("operations watch {id}")).await;
    let again = terminal.run(&format!("operations cancel {id}")).await;

    assert_eq!(code(&left), 130, "{left:?}");
    assert!(
        left.stderr.contains(&format!("operations cancel {id}")),
        "{left:?}"
    );
    assert_eq!(
        serde_json::from_str::<Value>(&open.stdout).unwrap()["state"],
        "queued"
    );
    assert_eq!(code(&cancelled), 0, "{cancelled:?}");
    assert_eq!(code(&watched), 4, "{watched:?}");
    assert_eq!(code(&again), 0, "{again:?}");
}

#[tokio::test]
async fn who_watches_comes_back_to_a_server_that_was_started_again() {
    let database = TestDatabase::create().await;
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let program = Program::on(&database)
        .with("FAIRLEAD__HTTP__PORT", &port.to_string())
        .with("FAIRLEAD__JOBS__IMPORTS__CONCURRENCY", "0");
    let server = program.serve().await.unwrap();
    let acme = TestTenant::sign_up(server.anonymous(), "acme").await;
    let key = acme.key(&["leads:read", "leads:write"]).await;
    let client = Program::unconfigured()
        .with("FAIRLEAD_URL", &server.url)
        .with("FAIRLEAD_API_KEY", &key);
    fs::write(client.data_dir.path().join("leads.csv"), leads(1_500)).unwrap();

    let watching = client.start(&["import", "leads.csv", "--json"]);
    wait_until("it watches", async || !watching.printed().is_empty()).await;
    server.signal("KILL");
    server.ended().await;
    wait_until("it has noticed", async || {
        watching.told().iter().any(|line| line.contains("looking again"))
    })
    .await;
    let _second = program
        .with("FAIRLEAD__JOBS__IMPORTS__CONCURRENCY", "2")
        .serve()
        .await
        .unwrap();
    let ended = watching.end().await;

    assert_eq!(code(&ended), 0, "{ended:?}");
    let told = lines(&ended);
    let last = told.last().unwrap();
    assert_eq!(
        (&last["event"], &last["operation"]["result"]["successful"]),
        (&"ended".into(), &1_500.into())
    );
}
