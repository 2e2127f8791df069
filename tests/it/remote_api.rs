//! Every operation of the API by the command line, against a server in another process.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::thread;

use serde_json::{Value, json};
use support::process::{Ended, Program};

use crate::remote::Terminal;

impl Terminal {
    /// With a key for what is called here.
    async fn for_calls() -> Self {
        Self::with(&["leads:read", "leads:write", "events:read"]).await
    }

    /// Calls an operation.
    async fn api(&self, arguments: &[&str]) -> Ended {
        self.program.run(&[&["api"], arguments].concat()).await
    }
}

fn code(ended: &Ended) -> i32 {
    ended.status.code().expect("it ended by itself")
}

fn told(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

#[tokio::test]
async fn a_lead_is_made_changed_listed_and_deleted_by_the_command_line() {
    let terminal = Terminal::for_calls().await;

    let made = terminal
        .api(&["createLead", "--body", "{\"name\": \"Ann\"}", "--json"])
        .await;
    let id = format!("id={}", told(&made)["id"].as_str().unwrap());
    let piped = terminal
        .program
        .run_on(&["api", "createLead", "--body", "-"], b"{\"name\": \"Bob\"}")
        .await;
    let changed = terminal
        .api(&[
            "updateLead",
            "--param",
            &id,
            "--param",
            "if-match=\"1\"",
            "--body",
            "{\"qualityScore\": 80}",
        ])
        .await;
    let listed = terminal
        .api(&["listLeads", "-p", "minScore=80", "-p", "q=Ann"])
        .await;
    let deleted = terminal.api(&["deleteLead", "--param", &id]).await;
    let gone = terminal.api(&["getLead", "--param", &id]).await;

    assert_eq!(code(&made), 0, "{made:?}");
    assert_eq!(code(&piped), 0, "{piped:?}");
    assert!(
        changed.stdout.lines().any(|line| line == "qualityScore   80"),
        "{changed:?}"
    );
    let lines: Vec<&str> = listed.stdout.lines().collect();
    assert!(
        lines[0].starts_with("ID ") && lines[0].contains("QUALITY SCORE"),
        "{listed:?}"
    );
    assert!(lines[1].contains("Ann"), "{listed:?}");
    assert_eq!((code(&deleted), &*deleted.stdout), (0, ""), "{deleted:?}");
    assert_eq!(code(&gone), 1, "{gone:?}");
    assert!(
        gone.stderr.starts_with("error: ") && gone.stderr.contains("(404)"),
        "{gone:?}"
    );
}

#[tokio::test]
async fn a_list_goes_on_to_its_end_if_it_is_told_to() {
    let terminal = Terminal::for_calls().await;
    for name in ["Ann", "Bob", "Cid", "Dee", "Eve"] {
        terminal.acme.lead(name).await;
    }

    let one = terminal.api(&["listLeads", "-p", "limit=2"]).await;
    let all = terminal.api(&["listLeads", "-p", "limit=2", "--all"]).await;
    let as_json = terminal
        .api(&["listLeads", "-p", "limit=2", "--all", "--json"])
        .await;
    let none = terminal.api(&["leadStatistics", "--all"]).await;

    assert_eq!(one.stdout.lines().filter(|line| line.contains("NEW")).count(), 2);
    assert!(one.stderr.contains("There is more"), "{one:?}");
    assert_eq!(all.stdout.lines().filter(|line| line.contains("NEW")).count(), 5);
    assert_eq!(told(&as_json)["items"].as_array().unwrap().len(), 5);
    assert_eq!(code(&none), 2, "{none:?}");
}

#[tokio::test]
async fn what_is_refused_is_told_with_its_reasons_once_and_to_programs_as_the_server_said_it() {
    let terminal = Terminal::for_calls().await;
    let wrong = ["createLead", "--body", "{\"name\": \"\", \"qualityScore\": 500}"];

    let ended = terminal.api(&wrong).await;
    let as_json = terminal.api(&[&wrong[..], &["--json"]].concat()).await;

    assert_eq!((code(&ended), code(&as_json)), (1, 1), "{ended:?}");
    assert!(
        ended.stderr.starts_with("error: Invalid input (422)\n"),
        "{ended:?}"
    );
    assert_eq!(ended.stderr.matches("qualityScore").count(), 1, "{ended:?}");
    let problem = told(&as_json);
    assert_eq!(
        (&problem["status"], &problem["type"]),
        (&json!(422), &json!("https://fairlead.dev/problems/invalid-input"))
    );
}

#[tokio::test]
async fn what_the_server_does_in_the_background_is_watched_to_its_end() {
    let terminal = Terminal::for_calls().await;
    terminal.acme.lead("Ann").await;

    let watched = terminal.api(&["beginLeadExport", "-p", "format=csv"]).await;
    let detached = terminal.api(&["beginLeadExport", "--detach"]).await;
    let lines = terminal.api(&["beginLeadExport", "--json"]).await;

    assert_eq!(code(&watched), 0, "{watched:?}");
    assert!(watched.stdout.contains("completed"), "{watched:?}");
    assert!(
        detached.stderr.contains("fairlead operations watch"),
        "{detached:?}"
    );
    let last: Value = serde_json::from_str(lines.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["event"], &last["operation"]["state"]),
        (&json!("ended"), &json!("completed"))
    );
}

#[tokio::test]
async fn operators_ask_by_their_own_credential_and_files_come_as_they_are() {
    let terminal = Terminal::for_calls().await;
    terminal.acme.lead("Ann").await;

    let key = terminal.database.operator_key("olga").await;
    let olga = terminal.program.clone().with("FAIRLEAD_OPERATOR_KEY", &key);
    let status = olga.run(&["api", "getPerformanceStatus", "--json"]).await;
    let queues = olga.run(&["api", "getJobMetrics"]).await;
    let report = olga
        .run(&["api", "getPerformanceReport", "-p", "format=markdown"])
        .await;
    let nobody = terminal.api(&["getPerformanceStatus"]).await;
    let ready = terminal.api(&["getReadiness"]).await;
    let file = terminal.api(&["exportLeads", "-p", "format=csv"]).await;
    let person = terminal.api(&["createApiKey", "--body", "{}"]).await;

    assert_eq!(code(&status), 0, "{status:?}");
    assert!(told(&status).is_object());
    assert!(queues.stdout.contains("imports"), "{queues:?}");
    assert!(report.stdout.starts_with('#'), "{report:?}");
    assert_eq!(code(&nobody), 2, "{nobody:?}");
    assert!(nobody.stderr.contains("FAIRLEAD_OPERATOR_KEY"), "{nobody:?}");
    assert_eq!(code(&ready), 0, "{ready:?}");
    assert!(
        file.stdout.starts_with("id,") && file.stdout.contains("Ann"),
        "{file:?}"
    );
    assert_eq!(code(&person), 2, "{person:?}");
    assert!(person.stderr.contains("--email"), "{person:?}");
}

#[tokio::test]
async fn what_there_is_is_listed_and_each_is_explained_without_a_server() {
    let program = Program::unconfigured();

    let listed = program.run(&["api", "--list", "--filter", "lead"]).await;
    let as_json = program.run(&["api", "--list", "--json"]).await;
    let explained = program.run(&["api", "updateLead", "--help"]).await;
    let itself = program.run(&["api", "--help"]).await;
    let misspelt = program.run(&["api", "listLead"]).await;
    let socket = program.run(&["api", "openWebSocket"]).await;
    let bash = program.run(&["completions", "bash"]).await;
    let page = program.run(&["man"]).await;
    let pages = program.run(&["man", "--out", "pages"]).await;

    assert!(
        listed.stdout.contains("createLead") && !listed.stdout.contains("getJob"),
        "{listed:?}"
    );
    assert!(told(&as_json).as_array().unwrap().len() > 100);
    assert!(
        explained.stdout.contains("PATCH /api/v1/leads/{id}"),
        "{explained:?}"
    );
    assert!(itself.stdout.contains("--param"), "{itself:?}");
    assert_eq!((code(&misspelt), code(&socket)), (2, 2));
    assert!(misspelt.stderr.contains("but listLeads"), "{misspelt:?}");
    assert!(
        bash.stdout.contains("getPerformanceStatus"),
        "no operation is completed"
    );
    assert!(page.stdout.contains(".TH fairlead 1"), "{page:?}");
    assert_eq!(code(&pages), 0, "{pages:?}");
    let written = program.data_dir.path().join("pages");
    for name in ["fairlead.1", "fairlead-api.1", "fairlead-operations-watch.1"] {
        assert!(written.join(name).is_file(), "{name}");
    }
}

#[tokio::test]
async fn what_goes_on_ends_once_nobody_reads_it_any_more() {
    let terminal = Terminal::for_calls().await;
    let mut following = terminal
        .program
        .command(&["api", "streamEvents", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // As `head -1` does.
    let mut printed = BufReader::new(following.stdout.take().unwrap());
    let first = thread::spawn(move || {
        let mut line = String::new();
        printed.read_line(&mut line).map(|_| line)
    });

    let mut ended = None;
    support::wait_until("it has ended", async || {
        terminal.acme.lead("Ann").await;
        ended = following.try_wait().unwrap();
        ended.is_some()
    })
    .await;

    assert_eq!(ended.unwrap().code(), Some(0));
    let first: Value = serde_json::from_str(&first.join().unwrap().unwrap()).unwrap();
    assert_eq!(first["event"], "lead_created", "{first}");
}
