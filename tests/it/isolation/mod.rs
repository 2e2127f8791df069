//! Who may call what, derived from the specification: an operation cannot be forgotten, only explained.

mod keys;
mod matrix;
mod roles;

use std::collections::BTreeSet;

use fairlead::SystemIds;
use fairlead_domain::access::ApiScope;
use fairlead_domain::clock::Ids as _;
use reqwest::Method;
use serde_json::{Value, json};
use support::{Response, TestApp};

pub(crate) use matrix::operations;
use matrix::{CASES, call, lets_in, make, matrix};

/// Operations that need no credential. The list may only shrink.
const PUBLIC: [&str; 10] = [
    "acceptInvitation",
    "getHealth",
    "getHealthV1",
    "getJwks",
    "getLiveness",
    "getReadiness",
    "login",
    "receiveStripeEvent",
    "refresh",
    "signUp",
];

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
        (
            "a made-up operator",
            nobody.with_token("op_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ),
        ("a made-up key", nobody.with_key("tk_none")),
        (
            "a key with another secret",
            nobody.with_key(&with_other_end(&key)),
        ),
    ];

    let matrix = matrix();
    for (operation, case) in &matrix {
        for (who, stranger) in &strangers {
            let response = call(stranger, (operation, case), &id, 0).await;
            let answer = (response.status.as_u16(), response.problem());
            assert_eq!(
                answer,
                (401, "not-authenticated".to_owned()),
                "{} with {who}",
                operation.id
            );
            assert!(response.header("www-authenticate").is_some(), "{response:?}");
        }
    }
    println!(
        "{} operations × {} strangers: all refused",
        matrix.len(),
        strangers.len()
    );
}

/// Changes a character well inside the random part.
fn with_other_end(secret: &str) -> String {
    let (head, tail) = secret.split_at(secret.len() - 8);
    let other = if tail.starts_with('A') { "B" } else { "A" };
    format!("{head}{other}{}", &tail[1..])
}

#[tokio::test]
async fn another_tenants_thing_is_missing_like_one_that_never_was() {
    // Operations that were begun might end before they are cancelled.
    let app = TestApp::start_with(|config| config.jobs.imports.concurrency = 0).await;
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
            assert_eq!(
                (foreign.status.as_u16(), foreign.problem()),
                (404, "not-found".to_owned()),
                "{what}"
            );
            assert_eq!(missing.status, 404, "{what}");
            assert_eq!(foreign.body, missing.body, "{what}: {foreign:?}\n{missing:?}");
            assert_eq!(names(&foreign), names(&missing), "{what}");
            // The request was one that works: its own tenant succeeds with it, and finds the thing unharmed.
            let own = call(&acme.owner, (operation, case), &acmes, number).await;
            assert!(lets_in(&own), "{what}: {own:?}");
            pairs += 1;
        }
    }
    println!("{pairs} pairs of answers were alike to the byte");
}

fn names(response: &Response) -> BTreeSet<&str> {
    response
        .headers
        .keys()
        .map(reqwest::header::HeaderName::as_str)
        .collect()
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
            let closed =
                json!({ "name": "Cid", "status": "CLOSED", "closeReason": "LOST", "assignedTo": id });
            let assigned = json!([{ "id": umbrellas, "data": { "assignedTo": id } }]);
            let closed_and_assigned = json!([{ "id": umbrellas, "data": { "status": "CLOSED", "closeReason": "LOST", "assignedTo": id } }]);
            [
                send(
                    Method::POST,
                    "/api/v1/leads",
                    json!({ "name": "Cid", "assignedTo": id }),
                )
                .await,
                send(Method::POST, "/api/v1/leads", closed.clone()).await,
                send(Method::POST, "/api/v1/leads/bulk", json!({ "leads": [closed] })).await,
                send(
                    Method::POST,
                    &format!("{lead_path}/assign"),
                    json!({ "agentId": id }),
                )
                .await,
                send(Method::PATCH, &lead_path, json!({ "assignedTo": id })).await,
                send(Method::PATCH, "/api/v1/leads/bulk", bulk).await,
                send(Method::PATCH, "/api/v1/leads/bulk", assigned).await,
                send(Method::PATCH, "/api/v1/leads/bulk", closed_and_assigned).await,
                send(Method::GET, &format!("/api/v1/leads?assignedTo={id}"), json!({})).await,
                send(
                    Method::GET,
                    &format!("/api/v1/activities?actorId={id}"),
                    json!({}),
                )
                .await,
            ]
            .map(|(status, body)| (status, body.replace(id, "<id>")))
        };
        assert_eq!(answers(foreign).await, answers(missing).await);
    }
    let untouched = acme.owner.get(&format!("/api/v1/leads/{lead}")).await.expect(200);
    assert_eq!(
        (&untouched["company"], &untouched["version"]),
        (&Value::Null, &json!(1))
    );
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
    let found = umbrella
        .owner
        .get("/api/v1/leads/search?q=common")
        .await
        .expect(200);
    let counted = umbrella.owner.get("/api/v1/leads/statistics").await.expect(200);
    let usage = umbrella.owner.get("/api/v1/usage").await.expect(200);
    let users = umbrella.owner.get("/api/v1/users").await.expect(200);

    let ids = |list: &Value| -> Vec<String> {
        let items = list["items"].as_array().expect("a list has items");
        items
            .iter()
            .map(|item| item["id"].as_str().expect("an item has an id").to_owned())
            .collect()
    };
    let own = [umbrellas];
    assert_eq!((ids(&listed), ids(&found)), (own.to_vec(), own.to_vec()));
    assert_eq!(counted["total"], 1);
    assert_eq!((&usage["leads"], &usage["users"]), (&json!(1), &json!(1)));
    assert_eq!(ids(&users), [umbrella.owner_id.as_str()]);
}
