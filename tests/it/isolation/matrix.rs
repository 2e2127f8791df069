//! The matrix: every operation of the specification, and a request that it accepts.

use std::collections::BTreeSet;

use fairlead::{SystemClock, SystemIds};
use fairlead_api::spec;
use fairlead_domain::clock::{Clock as _, Ids as _};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use support::{Client, Response, TestTenant, wait_until};

/// What a test must know to call an operation: what the id in its path names, and a request that it accepts.
pub(super) struct Case {
    pub(super) operation: &'static str,
    pub(super) thing: Option<Thing>,
    query: &'static str,
    body: Body,
}

/// What an id in a path names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Thing {
    Act,
    Activity,
    Alert,
    AlertRule,
    ApiKey,
    Carrier,
    Connection,
    DeadJob,
    Delivery,
    Export,
    Job,
    Lead,
    Objective,
    Operation,
    Queue,
    Replay,
    Request,
    Resource,
    Schedule,
    Table,
    Tenant,
    Upstream,
    User,
    Webhook,
}

enum Body {
    Nothing,
    /// Takes a number that no other request of the test has.
    Json(fn(usize) -> Value),
    Text(&'static str, &'static str),
}

const fn case(operation: &'static str) -> Case {
    Case {
        operation,
        thing: None,
        query: "",
        body: Body::Nothing,
    }
}

impl Case {
    const fn of(mut self, thing: Thing) -> Self {
        self.thing = Some(thing);
        self
    }

    const fn json(mut self, body: fn(usize) -> Value) -> Self {
        self.body = Body::Json(body);
        self
    }

    const fn text(mut self, media_type: &'static str, text: &'static str) -> Self {
        self.body = Body::Text(media_type, text);
        self
    }

    const fn query(mut self, query: &'static str) -> Self {
        self.query = query;
        self
    }
}

/// The matrix: every operation that needs a credential.
pub(super) const CASES: &[Case] = &[
    case("acknowledgeAlert").of(Thing::Alert),
    case("analyzeQuery").json(
        |_| json!({ "sql": "SELECT id FROM leads", "tenantId": "01934f6e-7b1a-7cc3-98a4-0242ac120001" }),
    ),
    case("archiveEvents").json(|_| json!({ "strategy": "delete", "before": "2020-01-01" })),
    case("assignLead")
        .of(Thing::Lead)
        .json(|_| json!({ "agentId": null })),
    case("beginLeadExport"),
    case("beginLeadScoring").json(|_| json!({ "ids": [SystemIds.next()] })),
    case("buildIndex").json(|_| json!({ "table": "leads", "columns": ["tenant_id", "name"] })),
    case("cancelAct").of(Thing::Act),
    case("cancelOperation").of(Thing::Operation),
    case("changeAlertRule")
        .of(Thing::AlertRule)
        .json(|_| json!({ "warning": 0.8 })),
    case("changeObjective")
        .of(Thing::Objective)
        .json(|_| json!({ "target": 0.99 })),
    case("cleanUpConnections"),
    case("cleanUpMemory").json(|_| json!({ "level": "caches" })),
    case("clearCache"),
    case("clearTenantCache").of(Thing::Tenant),
    case("closeCircuitBreaker")
        .of(Thing::Upstream)
        .json(|_| json!({ "reason": "a test" })),
    case("createAlertRule")
        .json(|n| json!({ "key": format!("rule-{n}"), "metric": "queueDepth", "warning": 1e9 })),
    case("createApiKey").json(|_| json!({ "name": "a key", "scopes": ["leads:read"] })),
    case("createCarrier").json(|n| json!({ "name": format!("Carrier {n}") })),
    case("createLead").json(|_| json!({ "name": "Ann" })),
    case("createLeads").json(|_| json!({ "leads": [{ "name": "Ann" }] })),
    case("createWebhook").json(|_| json!({ "url": "https://example.com/" })),
    case("deactivateUser").of(Thing::User),
    case("deleteActivity").of(Thing::Activity),
    case("deleteAlertRule").of(Thing::AlertRule),
    case("deleteCarrier").of(Thing::Carrier),
    case("deleteJobSchedule").of(Thing::Schedule),
    case("deleteLead").of(Thing::Lead),
    case("deleteOperationResult").of(Thing::Export),
    case("deleteWebhook").of(Thing::Webhook),
    case("drainQueue")
        .of(Thing::Queue)
        .json(|_| json!({ "reason": "a test" })),
    case("editDeadJob")
        .of(Thing::DeadJob)
        .json(|_| json!({ "payload": null })),
    case("endAlertSilence").of(Thing::AlertRule),
    case("endConnection").of(Thing::Connection),
    case("explainCacheKey")
        .query("?tenantId=01934f6e-7b1a-7cc3-98a4-0242ac120001&key=leads.list?status%3DNEW"),
    case("exportLeads"),
    case("getAct").of(Thing::Act),
    case("getActivity").of(Thing::Activity),
    case("getAdmission"),
    case("getAlert").of(Thing::Alert),
    case("getAlertRule").of(Thing::AlertRule),
    case("getCacheHitRate"),
    case("getCacheMetrics"),
    case("getCacheWarmEarnings"),
    case("getCapacity"),
    case("getCapacityForecast").of(Thing::Resource),
    case("getCarrier").of(Thing::Carrier),
    case("getConnectionPools"),
    case("getDatabaseSize"),
    case("getIndexingStrategy"),
    case("getJob").of(Thing::Job),
    case("getJobMetrics"),
    case("getLead").of(Thing::Lead),
    case("getLimits"),
    case("getMe"),
    case("getMemoryStats"),
    case("getOperation").of(Thing::Operation),
    case("getOperationResult").of(Thing::Export),
    case("getPerformanceDashboard"),
    case("getPerformanceHealth"),
    case("getPerformanceReport"),
    case("getPerformanceStats"),
    case("getPerformanceStatus"),
    case("getPerformanceTrends"),
    case("getRateLimitUse"),
    case("getReplay").of(Thing::Replay),
    case("getSlowRequest").of(Thing::Request),
    case("getSubscription"),
    case("getTableStats").of(Thing::Table),
    case("getTenant"),
    case("getTenantCacheStats").of(Thing::Tenant),
    case("getUsage"),
    case("getUsageByDay"),
    case("getUser").of(Thing::User),
    case("getWebVitals"),
    case("getWebhook").of(Thing::Webhook),
    case("importLeads").text("text/csv", "name\nAnn\n"),
    case("invalidateCache").json(|_| json!({ "namespace": "leads.list" })),
    case("initializePerformance"),
    case("inviteUser")
        .json(|n| json!({ "email": format!("user-{n}@new.test"), "name": "New", "role": "VIEWER" })),
    case("leadStatistics"),
    case("listActs"),
    case("listActivities"),
    case("listActivitiesOfLead").of(Thing::Lead),
    case("listAgents"),
    case("listAlertRules"),
    case("listAlerts"),
    case("listApiKeys"),
    case("listBottlenecks"),
    case("listCarriers"),
    case("listCircuitBreakers"),
    case("listConnections"),
    case("listDeadJobs").of(Thing::Queue),
    case("listDeliveries").of(Thing::Webhook),
    case("listEndpoints"),
    case("listEvents"),
    case("listIndexSuggestions"),
    case("listJobSchedules"),
    case("listJobs").query("?queue=maintenance"),
    case("listLeads"),
    case("listNoisyNeighbours"),
    case("listObjectives"),
    case("listOperations"),
    case("listSlowQueries"),
    case("listSlowRequests"),
    case("listTenantsTaken"),
    case("listUsers"),
    case("listWebVitals"),
    case("listWebhooks"),
    case("logActivity")
        .of(Thing::Lead)
        .json(|_| json!({ "type": "NOTE", "subject": "a note" })),
    case("logout"),
    case("openCircuitBreaker")
        .of(Thing::Upstream)
        .json(|_| json!({ "reason": "a test" })),
    case("openWebSocket"),
    case("optimize").json(|_| json!({})),
    case("optimizeTable").of(Thing::Table),
    case("pauseQueue")
        .of(Thing::Queue)
        .json(|_| json!({ "reason": "a test", "until": "2999-01-01T00:00:00Z" })),
    case("pingWebhook").of(Thing::Webhook),
    case("recordWebVitals")
        .json(|_| json!({ "items": [{ "name": "LCP", "value": 1200, "page": "/leads" }] })),
    case("releaseMemory"),
    case("replayEvents")
        .of(Thing::Webhook)
        .json(|_| json!({ "cursor": null })),
    case("requestRefund").json(|n| {
        json!({
            "tenantId": "01934f6e-7b1a-7cc3-98a4-0242ac120001", "reference": format!("case {n}"), "payment": "pi_1",
            "reason": "a test",
        })
    }),
    case("resetPerformance"),
    case("resumeQueue").of(Thing::Queue),
    case("retryDelivery").of(Thing::Delivery),
    case("retryFailedJobs").of(Thing::Queue),
    case("revokeApiKey").of(Thing::ApiKey),
    case("rotateWebhookSecret").of(Thing::Webhook).json(|_| json!({})),
    case("sayCommand").json(|_| json!({ "transcript": "how many leads do we have" })),
    case("scheduleJob").json(
        |_| json!({ "name": "a test", "queue": "maintenance", "kind": "clear-jobs", "cron": "0 0 1 1 *" }),
    ),
    case("scoreLead").of(Thing::Lead),
    case("searchLeads").query("?q=ann"),
    case("silenceAlert")
        .of(Thing::Alert)
        .json(silence),
    case("silenceAlertRule")
        .of(Thing::AlertRule)
        .json(silence),
    case("startCheckout").json(|_| json!({ "plan": "TEAM" })),
    case("streamEvents"),
    case("streamOperation").of(Thing::Operation),
    case("streamPerformance"),
    case("subscribeLead")
        .of(Thing::Lead)
        .json(|_| json!({ "consent": true })),
    case("summarizeActivities").of(Thing::Lead),
    case("updateActivity")
        .of(Thing::Activity)
        .json(|_| json!({ "subject": "changed" })),
    case("updateCarrier")
        .of(Thing::Carrier)
        .json(|_| json!({ "active": false })),
    case("updateLead")
        .of(Thing::Lead)
        .json(|_| json!({ "company": "Changed Ltd" })),
    case("updateLeads").json(|_| json!([{ "id": SystemIds.next(), "data": { "company": "Changed Ltd" } }])),
    case("updateTenant").json(|n| json!({ "name": format!("Tenant {n}") })),
    case("updateUser")
        .of(Thing::User)
        .json(|_| json!({ "name": "Changed" })),
    case("updateWebhook")
        .of(Thing::Webhook)
        .json(|_| json!({ "description": "changed" })),
    case("warmCache").json(|_| json!({ "datasets": ["statistics"] })),
    case("writeIndexMigration").json(|_| json!({})),
];

/// Until tomorrow.
fn silence(_: usize) -> Value {
    let until = SystemClock.now() + time::Duration::DAY;
    let until = until.format(&time::format_description::well_known::Rfc3339);
    json!({ "reason": "a test", "until": until.expect("a moment can be written") })
}

/// An operation as the specification has it.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(super) id: String,
    pub(crate) method: Method,
    pub(crate) path: String,
    /// The actions of which one must be permitted; none: any caller will do.
    pub(crate) permits: Vec<String>,
    /// The names of the credentials it takes; none: it is public.
    pub(super) credentials: BTreeSet<String>,
    pub(super) takes_key: bool,
    pub(super) description: String,
}

impl Operation {
    pub(super) fn takes(&self, credential: &str) -> bool {
        self.credentials.contains(credential)
    }

    /// Whether it may change something.
    pub(super) fn is_unsafe(&self) -> bool {
        !self.method.is_safe()
    }

    fn has_id(&self) -> bool {
        self.path.contains('{')
    }
}

pub(crate) fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(&spec::openapi_json()).expect("the specification is JSON");
    let paths = document["paths"]
        .as_object()
        .expect("the specification has paths");
    let mut operations = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().expect("a path has operations") {
            let mut parameters = operation["parameters"].as_array().into_iter().flatten();
            let security = operation["security"].as_array().into_iter().flatten();
            operations.push(Operation {
                id: operation["operationId"]
                    .as_str()
                    .expect("an operation has an id")
                    .to_owned(),
                method: method.to_uppercase().parse().expect("a method"),
                path: path.clone(),
                permits: permits(&operation["x-permit"]),
                credentials: security
                    .flat_map(|scheme| scheme.as_object().expect("a scheme is an object").keys().cloned())
                    .collect(),
                takes_key: parameters.any(|parameter| parameter["name"] == "Idempotency-Key"),
                description: operation["description"].as_str().unwrap_or_default().to_owned(),
            });
        }
    }
    operations.sort_by(|left, right| left.id.cmp(&right.id));
    operations
}

fn permits(permit: &Value) -> Vec<String> {
    let some = permit.as_array().into_iter().flatten();
    let names = permit.as_str().into_iter().chain(some.filter_map(Value::as_str));
    names.map(str::to_owned).collect()
}

/// The operations that need a credential, each with its case.
pub(super) fn matrix() -> Vec<(Operation, &'static Case)> {
    let operations = operations()
        .into_iter()
        .filter(|operation| !operation.credentials.is_empty());
    operations
        .map(|operation| {
            let case = CASES.iter().find(|case| case.operation == operation.id);
            let Operation { id, method, path, .. } = &operation;
            let case = case.unwrap_or_else(|| {
                panic!(
                    "tests/it/isolation/matrix.rs does not know {id} ({method} {path}): add to CASES what the id in its path \
                     names, and a query and a body that it accepts"
                )
            });
            assert_eq!(operation.has_id(), case.thing.is_some(), "{id}: say in CASES what {path} names");
            (operation, case)
        })
        .collect()
}

/// Sends an operation's request; all that are made with the same `number` are alike to the byte.
pub(super) async fn call(
    client: &Client,
    (operation, case): (&Operation, &Case),
    id: &str,
    number: usize,
) -> Response {
    client.send(request(client, (operation, case), id, number)).await
}

/// The request that [`call`] sends.
pub(super) fn request(
    client: &Client,
    (operation, case): (&Operation, &Case),
    id: &str,
    number: usize,
) -> RequestBuilder {
    let request = bare(client, operation, id, number, case.query);
    match &case.body {
        Body::Nothing => request,
        Body::Json(body) => request.json(&body(number)),
        Body::Text(media_type, text) => request.header("content-type", *media_type).body(*text),
    }
}

/// The same with another body or, where there is none, with another id in its path or another query.
pub(super) fn altered(
    client: &Client,
    (operation, case): (&Operation, &Case),
    id: &str,
    number: usize,
) -> RequestBuilder {
    let same = || bare(client, operation, id, number, case.query);
    match &case.body {
        Body::Json(body) => same()
            .header("content-type", "application/json")
            .body(format!("{} ", body(number))),
        Body::Text(media_type, text) => same()
            .header("content-type", *media_type)
            .body(format!("{text}{text}")),
        Body::Nothing if case.thing.is_some() => {
            let other = SystemIds.next().to_string();
            bare(client, operation, &other, number, case.query)
        }
        Body::Nothing => bare(client, operation, id, number, "?status=NEW"),
    }
}

fn bare(client: &Client, operation: &Operation, id: &str, number: usize, query: &str) -> RequestBuilder {
    let path = fill(&operation.path, id);
    client
        .request(operation.method.clone(), &format!("{path}{query}"))
        .header("x-request-id", format!("request-{number}"))
        .header(
            "traceparent",
            format!("00-{:032x}-{:016x}-01", number + 1, number + 1),
        )
}

/// Puts an id in its place. Where a path has two, `id` is both with a slash between them, or stands for each.
fn fill(path: &str, id: &str) -> String {
    let mut ids = id.split('/').chain(id.split('/').next_back());
    let mut parts = path.split('{');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_, after) = part.split_once('}').expect("a parameter ends");
        filled.push_str(ids.next().expect("no path has more than two ids"));
        filled.push_str(after);
    }
    filled
}

/// Makes one of these in a tenant and returns its id. An agent changes only what it wrote itself, and
/// operators alone see jobs, hence `author`.
pub(super) async fn make(thing: Thing, tenant: &TestTenant, author: &Client, number: usize) -> String {
    let owner = &tenant.owner;
    if matches!(thing, Thing::Operation | Thing::Export) {
        make_place(owner).await;
    }
    let made = match thing {
        Thing::Lead => return tenant.lead("Ann").await,
        Thing::Export => export(owner).await,
        // Whoever may not import follows exports alone.
        Thing::Operation => {
            let file = author.request(Method::POST, "/api/v1/leads/import");
            let file = file
                .header("content-type", "text/csv")
                .header("prefer", "respond-async");
            let begun = author.send(file.body("name\nAnn\n")).await;
            if begun.status == 403 {
                export(author).await
            } else {
                begun.expect(202)
            }
        }
        Thing::Tenant => return tenant.id.clone(),
        Thing::Queue => return "lead-processing".to_owned(),
        Thing::Resource => return "sockets".to_owned(),
        Thing::Table => return "leads".to_owned(),
        Thing::Act => {
            let path = "/api/v1/performance/database/optimize-table/leads";
            author.send(author.request(Method::POST, path)).await.expect(202)
        }
        // The test has configured it.
        Thing::Upstream => return "ai".to_owned(),
        // The test has put one there.
        Thing::Alert => return alert(author).await,
        Thing::AlertRule => return rule(author).await,
        Thing::Objective => {
            rule(author).await;
            return "availability".to_owned();
        }
        // It comes with the platform.
        Thing::Schedule => return "clear-jobs".to_owned(),
        Thing::Request => return slow_request(author).await,
        Thing::Job => job(author, "queue=maintenance").await,
        Thing::Connection => {
            let stream = owner.request(Method::GET, "/api/v1/events/stream").send().await;
            // It stays open for as long as the test runs.
            std::mem::forget(stream.expect("the server answers"));
            let path = "/api/v1/performance/websocket/connections?limit=200";
            let connections = author.get(path).await.expect(200);
            connections["items"]
                .as_array()
                .and_then(|all| all.last())
                .expect("it is there")
                .clone()
        }
        // The test has put one there.
        Thing::DeadJob => job(author, "queue=lead-processing&state=dead").await,
        Thing::Activity => {
            let lead = tenant.lead("Ann").await;
            let note = json!({ "type": "NOTE", "subject": "a note" });
            author
                .post(&format!("/api/v1/leads/{lead}/activities"), note)
                .await
                .expect(201)
        }
        Thing::ApiKey => {
            let key = json!({ "name": "a key", "scopes": ["leads:read"] });
            owner.post("/api/v1/tenant/api-keys", key).await.expect(201)
        }
        Thing::Carrier => {
            let carrier = json!({ "name": format!("Made carrier {number}") });
            owner.post("/api/v1/carriers", carrier).await.expect(201)
        }
        Thing::Webhook => return webhook(owner).await,
        Thing::Delivery => return delivery(owner).await,
        Thing::Replay => return replay(owner).await,
        Thing::User => {
            let user =
                json!({ "email": format!("made-{number}@made.test"), "name": "Made", "role": "VIEWER" });
            owner.post("/api/v1/users", user).await.expect(201)["user"].clone()
        }
    };
    made["id"].as_str().expect("what was made has an id").to_owned()
}

/// A tenant has only so many operations that have not ended.
async fn make_place(owner: &Client) {
    let listed = owner.get("/api/v1/operations").await.expect(200);
    let all = listed["items"].as_array().expect("a list has items");
    for open in all.iter().filter(|operation| operation["state"] == "queued") {
        let id = open["id"].as_str().expect("an operation has an id");
        let path = format!("/api/v1/operations/{id}");
        // One that a worker has begun meanwhile ends by itself, or soon.
        owner.delete(&path).await;
        wait_until("it has ended", async || {
            !owner.get(&path).await.expect(200)["finishedAt"].is_null()
        })
        .await;
    }
}

/// The slowest of each route is kept, so there is one.
async fn slow_request(operator: &Client) -> String {
    let kept = operator
        .get("/api/v1/performance/slow-requests")
        .await
        .expect(200);
    kept["items"][0]["requestId"]
        .as_str()
        .expect("one is kept")
        .to_owned()
}

async fn export(client: &Client) -> Value {
    let begun = client.request(Method::POST, "/api/v1/leads/export");
    client.send(begun).await.expect(202)
}

/// Whether an answer is one to somebody who may. One who asks for the result of an operation that nobody does is told to
/// wait, whoever asks by a plain request for a socket to come by WebSocket, and whoever pays or is to be paid that nothing
/// is for sale, and whoever subscribes a lead that there is no list.
pub(super) fn lets_in(response: &Response) -> bool {
    let told = [
        "result-not-ready",
        "not-for-sale",
        "never-paid",
        "not-measured",
        "not-subscribable",
    ];
    response.status.is_success()
        || response.status == 426
        || (response.status == 409 && told.contains(&response.problem().as_str()))
}

/// One whose receiver does not exist.
async fn webhook(owner: &Client) -> String {
    let webhook = json!({ "url": "https://receiver.invalid/" });
    let made = owner.post("/api/v1/webhooks", webhook).await.expect(201);
    made["id"].as_str().expect("what was made has an id").to_owned()
}

/// With its webhook.
async fn delivery(owner: &Client) -> String {
    let webhook = webhook(owner).await;
    let ping = format!("/api/v1/webhooks/{webhook}/ping");
    owner.send(owner.request(Method::POST, &ping)).await.expect(202);
    let mut id = None;
    wait_until("the ping is on its way", async || {
        let path = format!("/api/v1/webhooks/{webhook}/deliveries");
        let listed = owner.get(&path).await.expect(200);
        id = listed["items"][0]["id"].as_str().map(str::to_owned);
        id.is_some()
    })
    .await;
    format!("{webhook}/{}", id.expect("it was waited for"))
}

/// With its webhook.
async fn replay(owner: &Client) -> String {
    let webhook = webhook(owner).await;
    let path = format!("/api/v1/webhooks/{webhook}/replay");
    let begun = owner.post(&path, json!({ "cursor": null })).await.expect(202);
    format!(
        "{webhook}/{}",
        begun["id"].as_str().expect("what was made has an id")
    )
}

async fn job(operator: &Client, query: &str) -> Value {
    let path = format!("/api/v1/performance/jobs?{query}");
    operator.get(&path).await.expect(200)["items"][0].clone()
}

async fn alert(operator: &Client) -> String {
    let alerts = operator
        .get("/api/v1/performance/alerts?rule=memory-growth")
        .await
        .expect(200);
    let id = alerts["items"][0]["id"].as_str();
    id.expect("the test has put one there").to_owned()
}

/// Rules are written down once the server serves.
async fn rule(operator: &Client) -> String {
    wait_until("the rules are there", async || {
        operator
            .get("/api/v1/performance/alerts/rules/memory")
            .await
            .status
            == 200
    })
    .await;
    "memory".to_owned()
}
