//! How many waits for the database an operation costs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use reqwest::{Method, RequestBuilder};
use serde_json::json;
use support::process::{Program, Serving};
use support::{Client, TestDatabase, TestTenant, wait_until};

use crate::isolation::operations;

/// They tell as long as the client listens, and wait for the database as often as there is something to be told.
const STREAMS: [&str; 3] = [
    "/api/v1/events/stream",
    "/api/v1/operations/{id}/stream",
    "/api/v1/ws",
];
/// How its target ends that sends a file of any length: who it is of, the first part, and that there is no other.
const FILE: (&str, u64) = ("/result", 3);

/// The paths of all reads that a tenant's own may ask for.
fn reads_of_tenants() -> Vec<String> {
    let all = operations().into_iter();
    let of_tenants = all.filter(|read| {
        read.method == Method::GET
            && !read.permits.is_empty()
            && !read.permits.iter().any(|permit| permit == "Operator")
            && !STREAMS.contains(&read.path.as_str())
    });
    of_tenants.map(|read| read.path).collect()
}

/// Whether a target is one of a path with names in it.
fn is_of(target: &str, path: &str) -> bool {
    let target = target.split('?').next().unwrap_or(target);
    let (mut parts, mut names) = (target.split('/'), path.split('/'));
    loop {
        match (parts.next(), names.next()) {
            (None, None) => return true,
            (Some(part), Some(name)) if part == name || name.starts_with('{') => {}
            _ => return false,
        }
    }
}

/// Has the leads written to a file, and returns the operation that has.
async fn exported(owner: &Client) -> String {
    let request = owner.request(Method::POST, "/api/v1/leads/export");
    let begun = owner.send(request).await.expect(202);
    let id = begun["id"].as_str().unwrap().to_owned();
    wait_until("the file is written", async || {
        let shown = owner.get(&format!("/api/v1/operations/{id}")).await.expect(200);
        shown["state"] == "completed"
    })
    .await;
    id
}

/// Makes a webhook that nobody listens at, which is of no matter here, and begins a replay for it.
async fn replayed(owner: &Client) -> (String, String) {
    let webhook = json!({ "url": "http://127.0.0.1:9/", "events": ["lead_deleted"] });
    let webhook = owner.post("/api/v1/webhooks", webhook).await.expect(201);
    let webhook = webhook["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/webhooks/{webhook}/replay");
    let replay = owner.post(&path, json!({ "cursor": null })).await.expect(202);
    (webhook, replay["id"].as_str().unwrap().to_owned())
}

/// Every operation that asks the database, as often as it takes for its statements to be prepared, and then once more.
#[tokio::test]
async fn operations_cost_as_many_round_trips_as_the_table_says() {
    let database = TestDatabase::create().await;
    // One connection a role: what is prepared once stays so.
    let mut program = Program::on(&database);
    for (key, value) in [
        ("DB_POOL_MIN", "1"),
        ("DB_POOL_MAX", "1"),
        ("FAIRLEAD__DATABASE__SYSTEM_POOL__MIN", "1"),
        ("FAIRLEAD__DATABASE__SYSTEM_POOL__MAX", "1"),
        // What is kept costs nothing, and is not what is counted here.
        ("FAIRLEAD__CACHE__RESPONSES__ENABLED", "false"),
        ("FAIRLEAD__WEBHOOKS__ALLOW_HTTP", "true"),
        ("FAIRLEAD__WEBHOOKS__ALLOWED_NETWORKS", "127.0.0.1/32"),
    ] {
        program = program.with(key, value);
    }
    let serving = program.serve().await.unwrap();
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let owner = &acme.owner;
    let lead = owner
        .post("/api/v1/leads", json!({ "name": "Ann", "source": "web" }))
        .await
        .expect(201);
    let lead = lead["id"].as_str().unwrap();
    let activity = owner
        .post(
            &format!("/api/v1/leads/{lead}/activities"),
            json!({ "type": "NOTE", "subject": "Hello" }),
        )
        .await
        .expect(201);
    let activity = activity["id"].as_str().unwrap();
    let carrier = owner
        .post("/api/v1/carriers", json!({ "name": "Carrier" }))
        .await
        .expect(201);
    let carrier = carrier["id"].as_str().unwrap();
    let operation = exported(owner).await;
    let (webhook, replay) = replayed(owner).await;

    let reads = [
        "/api/v1/auth/me".to_owned(),
        "/api/v1/tenant".to_owned(),
        "/api/v1/tenant/api-keys".to_owned(),
        "/api/v1/limits".to_owned(),
        "/api/v1/usage".to_owned(),
        "/api/v1/usage/days".to_owned(),
        "/api/v1/users".to_owned(),
        format!("/api/v1/users/{}", acme.owner_id),
        "/api/v1/agents".to_owned(),
        "/api/v1/leads".to_owned(),
        "/api/v1/leads?status=NEW".to_owned(),
        "/api/v1/leads?include=activities".to_owned(),
        "/api/v1/leads?page=1".to_owned(),
        "/api/v1/leads/statistics".to_owned(),
        "/api/v1/leads/search?q=Ann".to_owned(),
        format!("/api/v1/leads/{lead}"),
        format!("/api/v1/leads/{lead}?include=activities"),
        format!("/api/v1/leads/{lead}/activities"),
        "/api/v1/activities".to_owned(),
        format!("/api/v1/activities/{activity}"),
        "/api/v1/carriers".to_owned(),
        format!("/api/v1/carriers/{carrier}"),
        "/api/v1/events?limit=2".to_owned(),
        "/api/v1/events?type=lead_created".to_owned(),
        "/api/v1/analytics/vitals".to_owned(),
        "/api/v1/billing/subscription".to_owned(),
        "/api/v1/leads/export".to_owned(),
        "/api/v1/operations".to_owned(),
        format!("/api/v1/operations/{operation}"),
        format!("/api/v1/operations/{operation}/result"),
        "/api/v1/webhooks".to_owned(),
        format!("/api/v1/webhooks/{webhook}"),
        format!("/api/v1/webhooks/{webhook}/deliveries"),
        format!("/api/v1/webhooks/{webhook}/replays/{replay}"),
    ];
    for path in reads_of_tenants() {
        let is_measured = reads.iter().any(|read| is_of(read, &path));
        assert!(is_measured, "{path} is not measured: nobody knows what it costs");
    }
    let mut table = Table::default();
    for path in &reads {
        table
            .measure(&serving, owner, Method::GET, path, "", |request, _| request)
            .await;
    }
    for (read, (_, round_trips)) in &table.0 {
        let most = if read.ends_with(FILE.0) { FILE.1 } else { 2 };
        assert!(*round_trips <= most, "{read} waits {round_trips} times");
    }
    table
        .measure_writes(&serving, owner, &format!("/api/v1/leads/{lead}"))
        .await;

    let names = [
        (lead, "{lead}"),
        (activity, "{activity}"),
        (carrier, "{carrier}"),
        (&acme.owner_id, "{user}"),
        (&operation, "{operation}"),
        (&webhook, "{webhook}"),
        (&replay, "{replay}"),
    ];
    table.compare_with_golden(&names);
}

/// Statements and round trips by operation.
#[derive(Default)]
struct Table(BTreeMap<String, (u64, u64)>);

impl Table {
    async fn measure_writes(&mut self, serving: &Serving, owner: &Client, lead_path: &str) {
        self.measure(
            serving,
            owner,
            Method::POST,
            "/api/v1/leads",
            "",
            |request, number| request.json(&json!({ "name": format!("Lead {number}"), "source": "web" })),
        )
        .await;
        self.measure(
            serving,
            owner,
            Method::POST,
            "/api/v1/leads",
            ", with a key",
            |request, number| {
                let keyed = request.header("idempotency-key", format!("key-{number}"));
                keyed.json(&json!({ "name": format!("Lead {number}"), "source": "web" }))
            },
        )
        .await;
        self.measure(serving, owner, Method::PATCH, lead_path, "", |request, number| {
            request.json(&json!({ "company": format!("Company {number}") }))
        })
        .await;
        self.measure(
            serving,
            owner,
            Method::PATCH,
            lead_path,
            ", with a key",
            |request, number| {
                let keyed = request.header("idempotency-key", format!("change-{number}"));
                keyed.json(&json!({ "company": format!("Keyed company {number}") }))
            },
        )
        .await;
        self.measure(
            serving,
            owner,
            Method::POST,
            &format!("{lead_path}/activities"),
            "",
            |request, number| request.json(&json!({ "type": "NOTE", "subject": format!("Note {number}") })),
        )
        .await;
        self.measure(
            serving,
            owner,
            Method::POST,
            "/api/v1/carriers",
            "",
            |request, number| request.json(&json!({ "name": format!("Carrier {number}") })),
        )
        .await;
    }

    async fn measure(
        &mut self,
        serving: &Serving,
        client: &Client,
        method: Method,
        path: &str,
        note: &str,
        fill: impl Fn(RequestBuilder, usize) -> RequestBuilder,
    ) {
        let mut last = None;
        for number in 0..3 {
            let id = format!("{}-{number}", self.0.len());
            let request = client
                .request(method.clone(), path)
                .header("x-request-id", id.clone());
            let answer = client.send(fill(request, number)).await;
            assert!(answer.status.is_success(), "{method} {path}: {answer:?}");
            wait_until("the request is logged", async || {
                last = serving.events().into_iter().find_map(|event| {
                    let is_it = event["request.id"] == id.as_str() && event["db.round_trips"].is_number();
                    is_it.then(|| (event["db.statements"].as_u64(), event["db.round_trips"].as_u64()))
                });
                last.is_some()
            })
            .await;
        }
        let (statements, round_trips) = last.unwrap();
        self.0.insert(
            format!("{method} {path}{note}"),
            (statements.unwrap(), round_trips.unwrap()),
        );
    }

    fn compare_with_golden(&self, names: &[(&str, &str)]) {
        let mut text = "# What an operation costs the database\n\n\
            Written from real requests by `UPDATE_GOLDEN=1 cargo xtask test round_trips`; the test compares.\n\
            Statements are prepared by then.\n\
            A round trip is a wait for the database on the request's path: of a read, one for each statement; of a \
            write, one for each statement whose answer is needed before it can go on, and one for the commit with \
            all others. Answers that are kept cost none, and are left out here.\n\n\
            | operation | statements | round trips |\n|---|---|---|\n"
            .to_owned();
        for (operation, (statements, round_trips)) in &self.0 {
            let operation = names
                .iter()
                .fold(operation.clone(), |text, (id, name)| text.replace(id, name));
            writeln!(text, "| {operation} | {statements} | {round_trips} |").unwrap();
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("it/round_trips.md");
        if update_golden() {
            fs::write(&path, &text).unwrap();
        }
        let golden = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(text, golden);
    }
}

#[expect(clippy::disallowed_methods, reason = "how the run's owner tells the test")]
fn update_golden() -> bool {
    std::env::var_os("UPDATE_GOLDEN").is_some()
}
