//! What the process tells Prometheus.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::StatusCode;
use serde_json::json;
use support::process::Program;
use support::{TestApp, TestDatabase, TestTenant, wait_until};

const LIST: &str = "/api/v1/leads?status=NEW";

/// A page of metrics, read as strictly as the format allows.
#[derive(Debug)]
struct Metrics(BTreeMap<(String, Labels), String>);

type Labels = BTreeMap<String, String>;

impl Metrics {
    async fn of(app: &TestApp) -> Self {
        let response = reqwest::get(app.metrics_url()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(
            response.headers()["content-type"],
            "text/plain; version=0.0.4; charset=utf-8"
        );
        Self::parse(&response.text().await.unwrap())
    }

    fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line must end, too");
        let (mut samples, mut described) = (BTreeMap::new(), BTreeSet::new());
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let (name, help) = described_by(line, "# HELP ");
            assert!(!help.is_empty(), "{name}");
            assert!(described.insert(name.to_owned()), "{name} is described twice");
            let (of, kind) = described_by(lines.next().unwrap(), "# TYPE ");
            assert_eq!(of, name);
            assert!(
                ["counter", "gauge", "histogram"].contains(&kind),
                "{name} is a {kind}"
            );
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
            while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
                let (series, value) = line.rsplit_once(' ').unwrap();
                let (of, labels) = series.split_once('{').unwrap_or((series, "}"));
                let is_part = kind == "histogram"
                    && ["_bucket", "_sum", "_count"]
                        .iter()
                        .any(|part| of.strip_suffix(part) == Some(name));
                assert!(
                    of == name || is_part,
                    "{line} stands below the description of {name}"
                );
                let figure: f64 = value.parse().unwrap();
                assert!(figure.is_finite() && figure >= 0.0, "{line}");
                let known = samples.insert((of.to_owned(), labels_of(labels)), value.to_owned());
                assert_eq!(known, None, "{line} is there twice");
            }
        }
        Self(samples)
    }

    /// The figure of a series that counts something.
    #[track_caller]
    fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let figure = self.find(name, labels);
        let figure = figure.unwrap_or_else(|| panic!("no {name}{labels:?} in {:#?}", self.0));
        figure.parse().unwrap()
    }

    /// The figure of a series that measures something.
    #[track_caller]
    fn measure(&self, name: &str) -> f64 {
        self.find(name, &[]).unwrap().parse().unwrap()
    }

    fn find(&self, name: &str, labels: &[(&str, &str)]) -> Option<&String> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.0.get(&(name.to_owned(), labels.iter().map(own).collect()))
    }

    fn operations(&self, operation: &str, result: &str, tenant: &str) -> u64 {
        let labels = [
            ("operation", operation),
            ("result", result),
            ("tenant_id", tenant),
        ];
        self.count("cache_operations_total", &labels)
    }

    /// Those who have series of their own, and `other`.
    fn tenants(&self) -> BTreeSet<&str> {
        let of_operations = self.0.keys().filter(|(name, _)| name == "cache_operations_total");
        of_operations
            .map(|(_, labels)| labels["tenant_id"].as_str())
            .collect()
    }
}

fn described_by<'a>(line: &'a str, prefix: &str) -> (&'a str, &'a str) {
    let rest = line
        .strip_prefix(prefix)
        .unwrap_or_else(|| panic!("expected {prefix:?}: {line}"));
    rest.split_once(' ').unwrap()
}

/// Reads `a="b",c="d"}`.
fn labels_of(mut text: &str) -> Labels {
    let mut labels = Labels::new();
    while text != "}" {
        let (name, rest) = text.split_once("=\"").unwrap();
        assert!(
            name.chars().all(|c| c.is_ascii_lowercase() || c == '_') && !name.is_empty(),
            "{name}"
        );
        let end = rest.find('"').unwrap();
        assert!(
            !rest[..end].contains('\\'),
            "no label of ours needs an escape: {rest}"
        );
        let known = labels.insert(name.to_owned(), rest[..end].to_owned());
        assert_eq!(known, None, "{name} twice");
        text = rest[end + 1..].trim_start_matches(',');
    }
    labels
}

async fn read(tenant: &TestTenant, times: usize) {
    for _ in 0..times {
        tenant.owner.get(LIST).await.expect(200);
    }
}

#[tokio::test]
async fn a_hit_a_miss_and_a_change_are_counted_by_kind_and_tenant() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    read(&acme, 3).await;
    let before = Metrics::of(&app).await;
    let hits = |metrics: &Metrics, level| {
        metrics.count(
            "cache_hits_total",
            &[("level", level), ("key_type", "leads.list")],
        )
    };
    assert_eq!((hits(&before, "l1"), hits(&before, "l2")), (2, 0));
    assert_eq!(before.operations("hit", "success", &acme.id), 2);
    assert_eq!(before.operations("miss", "success", &acme.id), 1);
    assert_eq!(before.operations("set", "success", &acme.id), 1);
    assert_eq!(before.operations("miss", "error", &acme.id), 0);

    acme.lead("Ann").await;
    read(&acme, 2).await;

    let after = Metrics::of(&app).await;
    assert_eq!(hits(&after, "l1"), 3);
    assert_eq!(after.operations("miss", "success", &acme.id), 2);
    assert_eq!(after.operations("set", "success", &acme.id), 2);
    assert_eq!(
        after.operations("delete", "success", &acme.id),
        before.operations("delete", "success", &acme.id) + 1
    );
    assert_eq!(after.count("cache_loads_total", &[("key_type", "leads.list")]), 2);
    assert!(after.count("cache_memory_bytes", &[]) > 0);
}

#[tokio::test]
async fn so_many_tenants_have_series_of_their_own_and_the_others_one() {
    let app = TestApp::start_with(|config| config.metrics.tenants = 1).await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    read(&acme, 6).await;
    read(&umbrella, 3).await;

    let first = Metrics::of(&app).await;
    assert_eq!(first.tenants(), [&*acme.id, "other"].into());
    assert_eq!(first.operations("hit", "success", &acme.id), 5);
    assert_eq!(first.operations("hit", "success", "other"), 2);

    // The other one asks more now; what it did before stays where it was told of.
    read(&umbrella, 10).await;
    let second = Metrics::of(&app).await;
    assert_eq!(second.tenants(), [&*umbrella.id, "other"].into());
    assert_eq!(second.operations("hit", "success", &umbrella.id), 12);
    assert_eq!(second.operations("hit", "success", "other"), 2);

    read(&acme, 4).await;
    let third = Metrics::of(&app).await;
    assert_eq!(third.operations("hit", "success", "other"), 6);
}

#[tokio::test]
async fn the_pools_the_nodes_and_the_process_are_told_of() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.lead("Ann").await;

    let of_pool = |role| [("node", "primary"), ("role", role)];
    // Work of the background waits until its connections are opened.
    wait_until("nobody waits for a connection", async || {
        let metrics = Metrics::of(&app).await;
        ["app", "system"].map(|role| metrics.count("db_pool_waiting", &of_pool(role))) == [0, 0]
    })
    .await;
    let metrics = Metrics::of(&app).await;

    for role in ["app", "system"] {
        let labels = of_pool(role);
        assert!(metrics.count("db_pool_max_connections", &labels) > 0, "{role}");
        assert_eq!(metrics.count("db_pool_timeouts_total", &labels), 0, "{role}");
        for state in ["active", "idle"] {
            let labels = [("node", "primary"), ("role", role), ("state", state)];
            metrics.count("db_pool_connections", &labels);
        }
    }
    let lent = metrics.count("db_pool_lent_total", &[("node", "primary"), ("role", "app")]);
    assert!(lent >= 1, "{lent}");
    let serving = [("node", "primary"), ("role", "primary")];
    assert_eq!(metrics.count("db_node_serving", &serving), 1);
    assert_eq!(
        metrics.find("db_replica_lag_seconds", &[("node", "primary")]),
        None,
        "a primary is behind nobody"
    );
    assert!(metrics.measure("process_resident_memory_bytes") > 1e6);
    assert!(metrics.measure("process_cpu_seconds_total") > 0.0);
    assert!(metrics.count("process_open_fds", &[]) > 5);
}

#[tokio::test]
async fn metrics_and_the_api_are_not_served_at_each_others_port() {
    let app = TestApp::start().await;

    assert_eq!(app.anonymous().get("/metrics").await.status, 404);
    let elsewhere = app.metrics_url().replace("/metrics", "/health/live");
    assert_eq!(
        reqwest::get(elsewhere).await.unwrap().status(),
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn without_a_cache_there_are_metrics_of_all_else() {
    let app = TestApp::start_with(|config| config.cache.responses.enabled = false).await;

    let metrics = Metrics::of(&app).await;

    assert!(metrics.0.keys().all(|(name, _)| !name.starts_with("cache_")));
    assert!(metrics.count("process_open_fds", &[]) > 0);
}

#[tokio::test]
async fn a_port_that_is_taken_stops_the_start_and_metrics_can_be_switched_off() {
    let database = TestDatabase::create().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let program = Program::on(&database).with("FAIRLEAD__METRICS__PORT", &port);

    let refused = program.serve().await.unwrap_err();

    assert!(!refused.status.success());
    assert!(
        refused.stderr.contains("FAIRLEAD__METRICS__PORT"),
        "{}",
        refused.stderr
    );
    let serving = program
        .with("FAIRLEAD__METRICS__ENABLED", "false")
        .serve()
        .await
        .unwrap();
    serving.anonymous().get("/health/live").await.expect(200);
}

#[tokio::test]
async fn requests_are_timed_by_method_route_and_status() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    read(&acme, 3).await;
    assert_eq!(acme.owner.get("/api/v1/nowhere").await.status, 404);

    let metrics = Metrics::of(&app).await;

    let times = |route, status| {
        let labels = [("method", "GET"), ("route", route), ("status_code", status)];
        let mut all = labels.to_vec();
        all.push(("le", "+Inf"));
        let count = metrics.count("http_request_duration_seconds_count", &labels);
        assert_eq!(count, metrics.count("http_request_duration_seconds_bucket", &all));
        let sum = metrics
            .find("http_request_duration_seconds_sum", &labels)
            .unwrap();
        assert!(sum.parse::<f64>().unwrap() > 0.0);
        count
    };
    assert_eq!(times("/api/v1/leads", "200"), 3);
    assert_eq!(times("unknown", "404"), 1);
}

#[tokio::test]
async fn requests_are_timed_by_tenant_and_nobodys_apart() {
    let app = TestApp::start_with(|config| config.metrics.tenants = 1).await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    let requests = |metrics: &Metrics, tenant: &str| {
        metrics.count(
            "http_tenant_request_duration_seconds_count",
            &[("tenant_id", tenant)],
        )
    };
    read(&acme, 9).await;
    let before = Metrics::of(&app).await;
    read(&acme, 3).await;
    read(&umbrella, 2).await;
    assert_eq!(app.anonymous().get("/api/v1/leads").await.status, 401);

    let metrics = Metrics::of(&app).await;

    let grown = |tenant| requests(&metrics, tenant) - requests(&before, tenant);
    assert_eq!((grown(&acme.id), grown("other"), grown("unknown")), (3, 2, 1));
}

#[tokio::test]
async fn statements_are_timed_by_what_they_do_and_to_what() {
    let app = TestApp::start_with(|config| config.cache.responses.enabled = false).await;
    let acme = app.tenant("acme").await;
    let reads = |metrics: &Metrics| {
        let labels = [("operation", "select"), ("table", "leads")];
        metrics.count("db_query_duration_seconds_count", &labels)
    };
    read(&acme, 1).await;
    let before = Metrics::of(&app).await;

    read(&acme, 4).await;

    assert_eq!(reads(&Metrics::of(&app).await), reads(&before) + 4);
}

#[tokio::test]
async fn leads_are_counted_by_what_is_done_with_them() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (first, second) = (acme.lead("Ann").await, acme.lead("Ben").await);
    let path = |lead| format!("/api/v1/leads/{lead}");
    let change = json!({ "company": "Changed Ltd" });
    acme.owner.patch(&path(&first), change).await.expect(200);
    acme.owner.delete(&path(&second)).await.expect(204);

    let metrics = Metrics::of(&app).await;

    let count = |operation, source| {
        let labels = [
            ("operation", operation),
            ("source", source),
            ("tenant_id", acme.id.as_str()),
        ];
        metrics.count("leads_processed_total", &labels)
    };
    let counts = ["create", "update", "delete"].map(|operation| count(operation, "api"));
    assert_eq!((counts, count("create", "import")), ([2, 1, 1], 0));
}

#[tokio::test]
async fn connections_are_counted_while_they_are_open() {
    let app = TestApp::start().await;
    let open = async || Metrics::of(&app).await.count("active_connections", &[]);
    let before = open().await;
    let address = app.url().trim_start_matches("http://").to_owned();

    let held: Vec<_> = (0..5)
        .map(|_| std::net::TcpStream::connect(&address).unwrap())
        .collect();

    wait_until("all are counted", async || open().await == before + 5).await;
    drop(held);
    wait_until("none is counted", async || open().await == before).await;
}
