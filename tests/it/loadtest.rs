//! The built-in load generator, against a server in another process.

use std::fs;

use serde_json::Value;
use support::process::{Ended, Program};

use crate::remote::Terminal;

impl Terminal {
    async fn load(&self, arguments: &[&str]) -> Ended {
        self.program.run(&[&["loadtest"], arguments].concat()).await
    }

    /// How many requests of a route the server has answered with success.
    async fn answered(&self, route: &str) -> u64 {
        let page = reqwest::get(self.server.metrics_url()).await.unwrap();
        let page = page.text().await.unwrap();
        let route = format!("route=\"{route}\"");
        let of_route = page.lines().filter(|line| {
            line.starts_with("http_request_duration_seconds_count{")
                && line.contains(&route)
                && line.contains("status_code=\"200\"")
                && line.contains("method=\"GET\"")
        });
        of_route
            .map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
            .sum()
    }
}

/// On a busy machine targets may be missed; the command has run all the same.
fn report(ended: &Ended) -> Value {
    let code = ended.status.code().expect("it ended by itself");
    assert!([0, 3].contains(&code), "{ended:?}");
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(report["targetsMet"], code == 0, "{report}");
    report
}

fn count(report: &Value, name: &str) -> u64 {
    report["total"][name].as_u64().unwrap()
}

#[tokio::test]
async fn what_the_report_counts_is_what_the_server_has_answered() {
    let terminal = Terminal::with(&["leads:read", "users:read"]).await;
    terminal.acme.lead("Ann").await;
    let routes = [
        ("listLeads", "/api/v1/leads"),
        ("leadStatistics", "/api/v1/leads/statistics"),
        ("getLead", "/api/v1/leads/{id}"),
    ];
    let mut before = Vec::new();
    for (_, route) in routes {
        before.push(terminal.answered(route).await);
    }

    let ended = terminal
        .load(&[
            "--scenario",
            "baseline",
            "--duration",
            "3s",
            "--rate",
            "40",
            "--json",
            "--out",
            "report.json",
        ])
        .await;

    let report = report(&ended);
    // The first of the rate is due at once, and the last before the end.
    assert_eq!(count(&report, "due"), 120, "{report}");
    let refused: u64 = report["total"]["refused"]
        .as_object()
        .unwrap()
        .values()
        .map(|count| count.as_u64().unwrap())
        .sum();
    assert_eq!(
        count(&report, "succeeded") + count(&report, "broken") + count(&report, "unsent") + refused,
        120,
        "{report}"
    );
    for ((operation, route), before) in routes.iter().zip(before) {
        let of_report = report["routes"].as_array().unwrap();
        let of_report = of_report
            .iter()
            .find(|found| found["operation"] == *operation)
            .unwrap();
        // Each is asked for once before it begins, and the list once more for ids.
        let asked_before = if *operation == "listLeads" { 2 } else { 1 };
        assert_eq!(
            terminal.answered(route).await - before,
            of_report["succeeded"].as_u64().unwrap() + asked_before,
            "{operation}"
        );
    }
    assert!(report["total"]["p95Ms"].as_f64().unwrap() > 0.0);
    let written = fs::read(terminal.program.data_dir.path().join("report.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), report);
}

#[tokio::test]
async fn each_scenario_ends_with_a_report() {
    let terminal = Terminal::with(&["leads:read"]).await;
    terminal.acme.lead("Ann").await;

    for scenario in ["stress", "spike", "endurance", "database"] {
        let ended = terminal
            .load(&["--scenario", scenario, "--duration", "2s", "--rate", "10"])
            .await;

        let code = ended.status.code();
        assert!([Some(0), Some(3)].contains(&code), "{scenario}: {ended:?}");
        for told in ["PHASE", "TARGET", "P95", "requests/s", "listUsers was left out"] {
            let is_expected = told != "listUsers was left out" || scenario != "database";
            assert!(
                !is_expected || ended.stdout.contains(told),
                "{scenario}: {told}: {ended:?}"
            );
        }
        assert_eq!(ended.stderr, "", "nothing is drawn where nobody looks");
    }
}

/// A server that stands still keeps all waiting who would have come meanwhile.
#[tokio::test]
async fn who_is_kept_waiting_by_a_server_that_stands_still_is_counted() {
    let terminal = Terminal::with(&["leads:read"]).await;
    let loading = terminal.program.start(&[
        "loadtest",
        "--scenario",
        "baseline",
        "--duration",
        "5s",
        "--rate",
        "40",
        "--connections",
        "2",
        "--json",
    ]);
    let busy = async || terminal.answered("/api/v1/leads").await > 5;
    support::wait_until("it is asked", busy).await;

    terminal.server.signal("STOP");
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    terminal.server.signal("CONT");

    let report = report(&loading.end().await);
    // Of two connections two requests alone would have been slow. Of the 60 that were due meanwhile more than half
    // have waited for a quarter of the time.
    let p95 = report["total"]["p95Ms"].as_f64().unwrap();
    assert!(p95 > 500.0, "{report}");
    assert_eq!(count(&report, "due"), 200, "{report}");
}

#[tokio::test]
async fn each_follower_is_told_of_each_lead_and_none_is_left_behind() {
    let terminal = Terminal::with(&["leads:read", "leads:write", "events:read"]).await;

    let ended = terminal
        .load(&[
            "--scenario",
            "websocket",
            "--duration",
            "3s",
            "--rate",
            "5",
            "--connections",
            "8",
            "--json",
        ])
        .await;

    let report = report(&ended);
    assert!(count(&report, "due") >= 8 * 5, "{report}");
    assert_eq!(
        count(&report, "succeeded"),
        count(&report, "due"),
        "each is told: {report}"
    );
    let left = terminal.acme.owner.get("/api/v1/leads").await.expect(200);
    assert_eq!(left["items"].as_array().unwrap().len(), 0, "{left}");
}

#[tokio::test]
async fn what_cannot_be_run_is_told_before_anything_is_asked() {
    let terminal = Terminal::with(&["events:read"]).await;

    let operators = terminal.load(&["--scenario", "api"]).await;
    let nothing = terminal
        .load(&["--scenario", "baseline", "--duration", "1s"])
        .await;
    let rate = terminal.load(&["--scenario", "baseline", "--rate", "0"]).await;
    let by_login = Program::unconfigured()
        .with("FAIRLEAD_URL", &terminal.server.url)
        .with("FAIRLEAD_PASSWORD", "never asked for")
        .run(&[
            "loadtest",
            "--scenario",
            "endurance",
            "--email",
            "ann@acme.example",
        ])
        .await;

    assert_eq!(operators.status.code(), Some(2), "{operators:?}");
    assert!(
        operators.stderr.contains("FAIRLEAD_OPERATOR_KEY"),
        "{operators:?}"
    );
    assert_eq!(nothing.status.code(), Some(1), "{nothing:?}");
    assert!(
        nothing
            .stderr
            .contains("listLeads was left out: it is answered by 403"),
        "{nothing:?}"
    );
    assert_eq!(rate.status.code(), Some(2), "{rate:?}");
    assert_eq!(by_login.status.code(), Some(2), "{by_login:?}");
    assert!(by_login.stderr.contains("FAIRLEAD_API_KEY"), "{by_login:?}");
}
