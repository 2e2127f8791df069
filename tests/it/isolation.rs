//! Who may call what, derived from the specification: an operation cannot be forgotten, only explained.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use fairlead::SystemIds;
use fairlead_api::spec;
use fairlead_domain::access::{ApiScope, POLICY, Role};
use fairlead_domain::clock::Ids as _;
use reqwest::Method;
use serde_json::{Value, json};
use support::{Client, Response, TestApp, TestTenant};

/// Operations that need no credential. The list may only shrink.
const PUBLIC: [&str; 9] = [
    "acceptInvitation",
    "getHealth",
    "getHealthV1",
    "getJwks",
    "getLiveness",
    "getReadiness",
    "login",
    "refresh",
    "signUp",
];

/// What a test must know to call an operation: what the id in its path names, and a request that it accepts.
struct Case {
    operation: &'static str,
    thing: Option<Thing>,
    query: &'static str,
    body: Body,
}

/// What an id in a path names.
#[derive(Clone, Copy, Debug)]
enum Thing {
    Activity,
    ApiKey,
    Carrier,
    Lead,
    User,
}

enum Body {
    Nothing,
    /// Takes a number that no other request of the test has.
    Json(fn(usize) -> Value),
    Text(&'static str, &'static str),
}

const fn case(operation: &'static str) -> Case {
    Case { operation, thing: None, query: "", body: Body::Nothing }
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
const CASES: &[Case] = &[
    case("assignLead").of(Thing::Lead).json(|_| json!({ "agentId": null })),
    case("createApiKey").json(|_| json!({ "name": "a key", "scopes": ["leads:read"] })),
    case("createCarrier").json(|n| json!({ "name": format!("Carrier {n}") })),
    case("createLead").json(|_| json!({ "name": "Ann" })),
    case("createLeads").json(|_| json!({ "leads": [{ "name": "Ann" }] })),
    case("deactivateUser").of(Thing::User),
    case("deleteActivity").of(Thing::Activity),
    case("deleteCarrier").of(Thing::Carrier),
    case("deleteLead").of(Thing::Lead),
    case("exportLeads"),
    case("getActivity").of(Thing::Activity),
    case("getCarrier").of(Thing::Carrier),
    case("getDatabaseSize"),
    case("getLead").of(Thing::Lead),
    case("getLimits"),
    case("getMe"),
    case("getTenant"),
    case("getUsage"),
    case("getUser").of(Thing::User),
    case("importLeads").text("text/csv", "name\nAnn\n"),
    case("inviteUser").json(|n| json!({ "email": format!("user-{n}@new.test"), "name": "New", "role": "VIEWER" })),
    case("leadStatistics"),
    case("listActivities"),
    case("listActivitiesOfLead").of(Thing::Lead),
    case("listAgents"),
    case("listApiKeys"),
    case("listCarriers"),
    case("listLeads"),
    case("listUsers"),
    case("logActivity").of(Thing::Lead).json(|_| json!({ "type": "NOTE", "subject": "a note" })),
    case("logout"),
    case("revokeApiKey").of(Thing::ApiKey),
    case("searchLeads").query("?q=ann"),
    case("updateActivity").of(Thing::Activity).json(|_| json!({ "subject": "changed" })),
    case("updateCarrier").of(Thing::Carrier).json(|_| json!({ "active": false })),
    case("updateLead").of(Thing::Lead).json(|_| json!({ "company": "Changed Ltd" })),
    case("updateLeads").json(|_| json!([{ "id": SystemIds.next(), "data": { "company": "Changed Ltd" } }])),
    case("updateTenant").json(|n| json!({ "name": format!("Tenant {n}") })),
    case("updateUser").of(Thing::User).json(|_| json!({ "name": "Changed" })),
];

/// An operation as the specification has it.
#[derive(Clone, Debug)]
struct Operation {
    id: String,
    method: Method,
    path: String,
    /// The action that needs a permit.
    permit: Option<String>,
    /// The names of the credentials it takes; none: it is public.
    credentials: BTreeSet<String>,
}

impl Operation {
    fn takes(&self, credential: &str) -> bool {
        self.credentials.contains(credential)
    }

    fn has_id(&self) -> bool {
        self.path.contains('{')
    }
}

fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(&spec::openapi_json()).expect("the specification is JSON");
    let paths = document["paths"].as_object().expect("the specification has paths");
    let mut operations = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().expect("a path has operations") {
            let security = operation["security"].as_array().into_iter().flatten();
            operations.push(Operation {
                id: operation["operationId"].as_str().expect("an operation has an id").to_owned(),
                method: method.to_uppercase().parse().expect("a method"),
                path: path.clone(),
                permit: operation["x-permit"].as_str().map(str::to_owned),
                credentials: security
                    .flat_map(|scheme| scheme.as_object().expect("a scheme is an object").keys().cloned())
                    .collect(),
            });
        }
    }
    operations.sort_by(|left, right| left.id.cmp(&right.id));
    operations
}

/// The operations that need a credential, each with its case.
fn matrix() -> Vec<(Operation, &'static Case)> {
    let operations = operations().into_iter().filter(|operation| !operation.credentials.is_empty());
    operations
        .map(|operation| {
            let case = CASES.iter().find(|case| case.operation == operation.id);
            let Operation { id, method, path, .. } = &operation;
            let case = case.unwrap_or_else(|| {
                panic!(
                    "tests/it/isolation.rs does not know {id} ({method} {path}): add to CASES what the id in its path \
                     names, and a query and a body that it accepts"
                )
            });
            assert_eq!(operation.has_id(), case.thing.is_some(), "{id}: say in CASES what {path} names");
            (operation, case)
        })
        .collect()
}

/// Sends an operation's request; all that are made with the same `number` are alike to the byte.
async fn call(client: &Client, (operation, case): (&Operation, &Case), id: &str, number: usize) -> Response {
    let path = match operation.path.split_once('{').map(|(before, rest)| (before, rest.split_once('}'))) {
        Some((before, Some((_, after)))) => format!("{before}{id}{after}"),
        _ => operation.path.clone(),
    };
    let request = client
        .request(operation.method.clone(), &format!("{path}{}", case.query))
        .header("x-request-id", format!("request-{number}"))
        .header("traceparent", format!("00-{:032x}-{:016x}-01", number + 1, number + 1));
    client
        .send(match &case.body {
            Body::Nothing => request,
            Body::Json(body) => request.json(&body(number)),
            Body::Text(media_type, text) => request.header("content-type", *media_type).body(*text),
        })
        .await
}

/// Makes one of these in a tenant and returns its id. An agent changes only what it wrote itself, hence `author`.
async fn make(thing: Thing, tenant: &TestTenant, author: &Client, number: usize) -> String {
    let owner = &tenant.owner;
    let made = match thing {
        Thing::Lead => return tenant.lead("Ann").await,
        Thing::Activity => {
            let lead = tenant.lead("Ann").await;
            let note = json!({ "type": "NOTE", "subject": "a note" });
            author.post(&format!("/api/v1/leads/{lead}/activities"), note).await.expect(201)
        }
        Thing::ApiKey => {
            let key = json!({ "name": "a key", "scopes": ["leads:read"] });
            owner.post("/api/v1/tenant/api-keys", key).await.expect(201)
        }
        Thing::Carrier => {
            let carrier = json!({ "name": format!("Made carrier {number}") });
            owner.post("/api/v1/carriers", carrier).await.expect(201)
        }
        Thing::User => {
            let user = json!({ "email": format!("made-{number}@made.test"), "name": "Made", "role": "VIEWER" });
            owner.post("/api/v1/users", user).await.expect(201)["user"].clone()
        }
    };
    made["id"].as_str().expect("what was made has an id").to_owned()
}

#[test]
fn the_operations_without_credentials_are_the_known_ones() {
    let operations = operations();

    let public: Vec<&str> = operations
        .iter()
        .filter(|operation| operation.credentials.is_empty())
        .map(|operation| operation.id.as_str())
        .collect();

    assert_eq!(public, PUBLIC);
}

#[test]
fn the_matrix_has_no_case_for_an_operation_that_is_gone() {
    let matrix = matrix();

    let gone: Vec<&str> = CASES
        .iter()
        .map(|case| case.operation)
        .filter(|id| !matrix.iter().any(|(operation, _)| operation.id == *id))
        .collect();

    assert_eq!(gone, Vec::<&str>::new());
}

#[tokio::test]
async fn every_operation_but_the_public_ones_refuses_who_has_not_proved_who_it_is() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (nobody, key) = (app.anonymous(), acme.key(&["leads:read"]).await);
    let id = SystemIds.next().to_string();
    let strangers = [
        ("no credential", nobody.clone()),
        ("no token", nobody.with_token("")),
        ("a made-up token", nobody.with_token("eyJhbGciOiJub25lIn0.e30.")),
        ("a made-up operator", nobody.with_token("op_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")),
        ("a made-up key", nobody.with_key("tk_none")),
        ("a key with another secret", nobody.with_key(&with_other_end(&key))),
    ];

    let matrix = matrix();
    for (operation, case) in &matrix {
        for (who, stranger) in &strangers {
            let response = call(stranger, (operation, case), &id, 0).await;
            let answer = (response.status.as_u16(), response.problem());
            assert_eq!(answer, (401, "not-authenticated".to_owned()), "{} with {who}", operation.id);
            assert!(response.header("www-authenticate").is_some(), "{response:?}");
        }
    }
    println!("{} operations × {} strangers: all refused", matrix.len(), strangers.len());
}

/// Changes a character well inside the random part.
fn with_other_end(secret: &str) -> String {
    let (head, tail) = secret.split_at(secret.len() - 8);
    let other = if tail.starts_with('A') { "B" } else { "A" };
    format!("{head}{other}{}", &tail[1..])
}

/// Somebody who calls every operation.
struct Identity {
    name: String,
    client: Client,
    /// Whether the policy table permits an action.
    may: Box<dyn Fn(&str) -> bool>,
}

async fn identities(app: &TestApp, tenant: &TestTenant) -> Vec<Identity> {
    let mut identities = Vec::new();
    for role in Role::ALL {
        let name = role.as_str();
        let client = match role {
            Role::Owner => tenant.owner.clone(),
            _ => tenant.user(&format!("{}@acme.test", name.to_lowercase()), name).await.1,
        };
        let may = move |action: &str| {
            POLICY.iter().any(|rule| rule.name == action && rule.roles.contains(&role))
        };
        identities.push(Identity { name: name.to_owned(), client, may: Box::new(may) });
    }
    for scope in ApiScope::ALL {
        let name = scope.as_str();
        let may = move |action: &str| POLICY.iter().any(|rule| rule.name == action && rule.scope == Some(scope));
        let client = tenant.machine(&[name]).await;
        identities.push(Identity { name: name.to_owned(), client, may: Box::new(may) });
    }
    let operator = Identity {
        name: "operator".to_owned(),
        client: app.operator("olga").await,
        may: Box::new(|action| action == "Operator"),
    };
    identities.push(operator);
    identities
}

#[tokio::test]
async fn each_identity_may_do_what_the_policy_says_and_no_more() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let identities = identities(&app, &acme).await;
    let matrix = matrix();
    let (mut number, mut table) = (0, heading(&identities));

    for (operation, case) in &matrix {
        let permit = operation.permit.as_deref();
        write!(table, "| {} | {} |", operation.id, permit.unwrap_or("any credential")).unwrap();
        for identity in &identities {
            number += 1;
            let expected = match permit {
                Some(action) => (identity.may)(action),
                // Whoever is in the tenant. A session can only be ended by whoever has one.
                None => identity.name != "operator" && (operation.id != "logout" || !identity.name.contains(':')),
            };
            let id = match case.thing {
                Some(thing) if expected => make(thing, &acme, author(identity, &acme), number).await,
                _ => SystemIds.next().to_string(),
            };
            let client = if operation.id == "logout" { anew(&app, &acme, identity).await } else { identity.client.clone() };

            let response = call(&client, (operation, case), &id, number).await;

            let (operation, who) = (&operation.id, &identity.name);
            if expected {
                assert!(response.status.is_success(), "{operation} by {who}: {response:?}");
            } else {
                assert_eq!(response.status, 403, "{operation} by {who}: {response:?}");
                assert_eq!(response.problem(), "not-permitted", "{operation} by {who}");
            }
            table.push_str(if response.status.is_success() { " ✓ |" } else { " – |" });
        }
        table.push('\n');
    }
    println!("{} operations × {} identities: {number} answers", matrix.len(), identities.len());
    assert_golden("roles.md", &table);
}

/// Who writes what an identity then changes: the identity itself where it can.
fn author<'a>(identity: &'a Identity, tenant: &'a TestTenant) -> &'a Client {
    if (identity.may)("WriteActivities") { &identity.client } else { &tenant.owner }
}

/// The same user in another session, which may end; a machine as it is.
async fn anew(app: &TestApp, tenant: &TestTenant, identity: &Identity) -> Client {
    if Role::parse(&identity.name).is_none() {
        return identity.client.clone();
    }
    let email = match identity.name.as_str() {
        "OWNER" => tenant.owner_email.clone(),
        name => format!("{}@acme.test", name.to_lowercase()),
    };
    let login = json!({ "email": email, "password": support::PASSWORD });
    let tokens = app.anonymous().post("/api/v1/auth/login", login).await.expect(200);
    app.anonymous().with_token(tokens["accessToken"].as_str().expect("a token"))
}

fn heading(identities: &[Identity]) -> String {
    let mut table = "# Who may call what\n\n\
        Written from real answers by `UPDATE_GOLDEN=1 cargo xtask test isolation`; the test compares.\n\
        The columns with a colon are API keys of that one scope.\n\n\
        | operation | permit |"
        .to_owned();
    for identity in identities {
        write!(table, " {} |", identity.name).unwrap();
    }
    write!(table, "\n|{}\n", "---|".repeat(identities.len() + 2)).unwrap();
    table
}

/// Compares with the file, or writes it where the environment says so.
#[expect(clippy::disallowed_methods, reason = "a switch for people who run tests is no configuration")]
fn assert_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("it").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        golden == text,
        "{name} is not what the server answers; if the change is meant, run the test with UPDATE_GOLDEN=1 and review \
         the difference. The answers:\n{text}"
    );
}

#[tokio::test]
async fn another_tenants_thing_is_missing_like_one_that_never_was() {
    let app = TestApp::start().await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    let machine = umbrella.machine(&ApiScope::ALL.map(ApiScope::as_str)).await;
    let strangers = [("bearerAuth", &umbrella.owner), ("tenantKey", &machine)];
    let (mut number, mut pairs) = (0, 0);

    for (operation, case) in &matrix() {
        let Some(thing) = case.thing else { continue };
        for (credential, stranger) in strangers {
            if !operation.takes(credential) {
                continue;
            }
            number += 1;
            let acmes = make(thing, &acme, &acme.owner, number).await;
            let nobodys = SystemIds.next().to_string();

            let foreign = call(stranger, (operation, case), &acmes, number).await;
            let missing = call(stranger, (operation, case), &nobodys, number).await;

            let what = format!("{} with {credential}", operation.id);
            assert_eq!((foreign.status.as_u16(), foreign.problem()), (404, "not-found".to_owned()), "{what}");
            assert_eq!(missing.status, 404, "{what}");
            assert_eq!(foreign.body, missing.body, "{what}: {foreign:?}\n{missing:?}");
            assert_eq!(names(&foreign), names(&missing), "{what}");
            // The request was one that works: its own tenant succeeds with it, and finds the thing unharmed.
            let own = call(&acme.owner, (operation, case), &acmes, number).await;
            assert!(own.status.is_success(), "{what}: {own:?}");
            pairs += 1;
        }
    }
    println!("{pairs} pairs of answers were alike to the byte");
}

fn names(response: &Response) -> BTreeSet<&str> {
    response.headers.keys().map(reqwest::header::HeaderName::as_str).collect()
}

#[tokio::test]
async fn an_id_in_a_body_or_query_does_not_tell_another_tenants_thing_from_one_that_never_was() {
    let app = TestApp::start().await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    let (agent, _) = acme.agent("agent@acme.test", json!({})).await;
    let (lead, umbrellas) = (acme.lead("Ann").await, umbrella.lead("Bob").await);
    let (nobodys, lead_path) = (SystemIds.next().to_string(), format!("/api/v1/leads/{umbrellas}"));
    let owner = &umbrella.owner;
    let send = async |method: Method, path: &str, body: Value| {
        let trace = "00-0000000000000000000000000000000a-000000000000000b-01";
        let request = owner.request(method, path).header("traceparent", trace);
        let response = owner.send(request.json(&body)).await;
        (response.status, String::from_utf8(response.body).unwrap())
    };

    for (foreign, missing) in [(&agent, &nobodys), (&acme.owner_id, &nobodys), (&lead, &nobodys)] {
        let answers = async |id: &str| {
            let bulk = json!([{ "id": id, "data": { "company": "Ours now" } }]);
            let closed = json!({ "name": "Cid", "status": "CLOSED", "closeReason": "LOST", "assignedTo": id });
            let assigned = json!([{ "id": umbrellas, "data": { "assignedTo": id } }]);
            let closed_and_assigned =
                json!([{ "id": umbrellas, "data": { "status": "CLOSED", "closeReason": "LOST", "assignedTo": id } }]);
            [
                send(Method::POST, "/api/v1/leads", json!({ "name": "Cid", "assignedTo": id })).await,
                send(Method::POST, "/api/v1/leads", closed.clone()).await,
                send(Method::POST, "/api/v1/leads/bulk", json!({ "leads": [closed] })).await,
                send(Method::POST, &format!("{lead_path}/assign"), json!({ "agentId": id })).await,
                send(Method::PATCH, &lead_path, json!({ "assignedTo": id })).await,
                send(Method::PATCH, "/api/v1/leads/bulk", bulk).await,
                send(Method::PATCH, "/api/v1/leads/bulk", assigned).await,
                send(Method::PATCH, "/api/v1/leads/bulk", closed_and_assigned).await,
                send(Method::GET, &format!("/api/v1/leads?assignedTo={id}"), json!({})).await,
                send(Method::GET, &format!("/api/v1/activities?actorId={id}"), json!({})).await,
            ]
            .map(|(status, body)| (status, body.replace(id, "<id>")))
        };
        assert_eq!(answers(foreign).await, answers(missing).await);
    }
    let untouched = acme.owner.get(&format!("/api/v1/leads/{lead}")).await.expect(200);
    assert_eq!((&untouched["company"], &untouched["version"]), (&Value::Null, &json!(1)));
}

#[tokio::test]
async fn lists_counts_and_searches_are_of_the_callers_tenant() {
    let app = TestApp::start().await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    for name in ["Ann Common", "Bob Common"] {
        acme.lead(name).await;
    }
    let umbrellas = umbrella.lead("Cid Common").await;

    let listed = umbrella.owner.get("/api/v1/leads").await.expect(200);
    let found = umbrella.owner.get("/api/v1/leads/search?q=common").await.expect(200);
    let counted = umbrella.owner.get("/api/v1/leads/statistics").await.expect(200);
    let usage = umbrella.owner.get("/api/v1/usage").await.expect(200);
    let users = umbrella.owner.get("/api/v1/users").await.expect(200);

    let ids = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().expect("a list has items");
        items.iter().map(|item| item["id"].as_str().expect("an item has an id").to_owned()).collect()
    };
    assert_eq!(ids(&listed), [umbrellas.clone()]);
    assert_eq!(ids(&found), [umbrellas]);
    assert_eq!(counted["total"], 1);
    assert_eq!((&usage["leads"], &usage["users"]), (&json!(1), &json!(1)));
    assert_eq!(ids(&users), [umbrella.owner_id.clone()]);
}
