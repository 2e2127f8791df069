//! What plans allow.

use fairlead::config::Config;
use futures_util::future::join_all;
use serde_json::{Value, json};
use support::stripe::{Stripe, TEAM};
use support::{Client, Response, TestApp, wait_until};

use super::bench::{SUBSCRIPTION, customer, has_plan, sells, tell};

const LEADS: &str = "/api/v1/leads";

fn of_few(config: &mut Config) {
    config.billing.free.max_leads = Some(10);
    config.billing.free.max_users = Some(2);
    config.billing.team.max_leads = Some(12);
}

async fn limits(client: &Client) -> Value {
    client.get(SUBSCRIPTION).await.expect(200)["limits"].clone()
}

fn limited(response: &Response) -> bool {
    response.status == 409 && response.problem() == "plan-limit-reached"
}

fn leads(number: usize) -> Value {
    let leads: Vec<Value> = (0..number).map(|_| json!({ "name": "Ann" })).collect();
    json!({ "leads": leads })
}

#[tokio::test]
async fn of_many_who_write_leads_at_once_as_many_succeed_as_the_plan_allows() {
    let app = TestApp::start_with(of_few).await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);

    let one_by_one = join_all((0..30).map(|_| acme.owner.post(LEADS, json!({ "name": "Ann" })))).await;

    let created = one_by_one.iter().filter(|answer| answer.status == 201).count();
    let refused = one_by_one.iter().filter(|answer| limited(answer)).count();
    assert_eq!((created, refused), (10, 20));
    let told = one_by_one.iter().find(|answer| limited(answer)).unwrap();
    assert_eq!(
        told.json()["detail"],
        "the plan FREE allows 10 leads, and the tenant has 10: subscribe to another plan, or remove some"
    );
    assert_eq!(
        limits(&acme.owner).await[0],
        json!({ "name": "leads", "maximum": 10, "used": 10 })
    );
    // Whoever removes one may write another; others are not held to what one has.
    let listed = acme.owner.get(LEADS).await.expect(200);
    let id = listed["items"][0]["id"].as_str().unwrap();
    acme.owner.delete(&format!("{LEADS}/{id}")).await;
    acme.lead("Bob").await;
    umbrella.lead("Cid").await;
}

#[tokio::test]
async fn leads_in_bulk_and_of_imports_are_held_to_the_plan_too() {
    let app = TestApp::start_with(of_few).await;
    let acme = app.tenant("acme").await;
    let bulk = async |number| acme.owner.post("/api/v1/leads/bulk", leads(number)).await;
    let import = async |rows: usize, prefer: Option<&str>| {
        let mut request = acme.owner.request(reqwest::Method::POST, "/api/v1/leads/import");
        request = request.header("content-type", "text/csv");
        if let Some(prefer) = prefer {
            request = request.header("prefer", prefer);
        }
        let file = format!("name\n{}", "Ann\n".repeat(rows));
        acme.owner.send(request.body(file)).await
    };

    assert!(limited(&bulk(11).await), "nothing of it is written");
    assert_eq!(limits(&acme.owner).await[0]["used"], 0);
    assert!(bulk(8).await.status.is_success());
    let many = join_all((0..5).map(|_| bulk(2))).await;
    let created = many.iter().filter(|answer| answer.status.is_success()).count();
    assert_eq!(created, 1);
    assert!(
        many.iter()
            .all(|answer| answer.status.is_success() || limited(answer))
    );
    let direct = import(1, None).await;
    assert!(limited(&direct), "{direct:?}");
    let begun = import(3, Some("respond-async")).await.expect(202);
    let path = format!("/api/v1/operations/{}", begun["id"].as_str().unwrap());
    let mut operation = Value::Null;
    wait_until("the import ends", async || {
        operation = acme.owner.get(&path).await.expect(200);
        operation["state"] == "failed"
    })
    .await;
    assert_eq!(limits(&acme.owner).await[0]["used"], 10);
}

#[tokio::test]
async fn of_many_who_are_invited_at_once_as_many_are_users_as_the_plan_allows() {
    let app = TestApp::start_with(of_few).await;
    let acme = app.tenant("acme").await;
    let invite = async |number: usize| {
        let body = json!({ "email": format!("{number}@acme.test"), "name": "Ann", "role": "AGENT" });
        acme.owner.post("/api/v1/users", body).await
    };

    let invited = join_all((0..6).map(invite)).await;

    let made: Vec<&Response> = invited.iter().filter(|answer| answer.status == 201).collect();
    assert_eq!(made.len(), 1);
    assert!(
        invited
            .iter()
            .all(|answer| answer.status == 201 || limited(answer))
    );
    assert_eq!(
        limits(&acme.owner).await[1],
        json!({ "name": "users", "maximum": 2, "used": 2 })
    );
    // A place that is given up is free, and whoever comes back needs one.
    let path = format!("/api/v1/users/{}", made[0].json()["user"]["id"].as_str().unwrap());
    acme.owner.delete(&path).await;
    assert_eq!(invite(7).await.status, 201);
    let back = acme.owner.patch(&path, json!({ "active": true })).await;
    assert!(limited(&back), "{back:?}");
}

#[tokio::test]
async fn another_plan_allows_more_from_the_moment_that_it_is_in_force() {
    let stripe = Stripe::stripe().await;
    let app = TestApp::start_with(|config| {
        sells(&stripe)(config);
        of_few(config);
    })
    .await;
    let (acme, id) = customer(&app, &stripe, "acme").await;
    let bulk = async |number| acme.owner.post("/api/v1/leads/bulk", leads(number)).await;
    assert!(bulk(10).await.status.is_success());
    assert!(limited(&bulk(2).await));

    let shown = stripe.with(|account| account.subscribe(&id, TEAM));
    tell(&app, "evt_1", "customer.subscription.created", &shown)
        .await
        .expect(200);
    has_plan(&acme, "TEAM").await;

    assert!(bulk(2).await.status.is_success());
    assert!(limited(&bulk(1).await));
    assert_eq!(
        limits(&acme.owner).await,
        json!([
            { "name": "leads", "maximum": 12, "used": 12 }, { "name": "users", "maximum": null, "used": 1 },
            { "name": "calls", "maximum": null, "used": 0 },
        ])
    );
    // What is there stays when the plan ends.
    stripe.with(|account| account.change(&id, |subscription| subscription["status"] = json!("canceled")));
    tell(&app, "evt_2", "customer.subscription.deleted", &shown)
        .await
        .expect(200);
    has_plan(&acme, "FREE").await;
    assert_eq!(
        limits(&acme.owner).await[0],
        json!({ "name": "leads", "maximum": 10, "used": 12 })
    );
    let listed = acme.owner.get(LEADS).await.expect(200);
    let lead = listed["items"][0]["id"].as_str().unwrap();
    let changed = acme
        .owner
        .patch(&format!("{LEADS}/{lead}"), json!({ "company": "Ltd" }))
        .await;
    assert_eq!(changed.status, 200);
}
