//! Many leads at once: created, changed, each judged by itself.

use std::sync::Arc;

use fairlead_domain::Id;
use fairlead_domain::access::{ChangeLeads, Permit, SystemScope};
use fairlead_domain::events::Source;
use fairlead_domain::identity::UserId;
use fairlead_domain::leads::{self, BulkOutcome, Duplicates, LeadDraft, RawLead};
use fairlead_domain::store::Store as _;
use fairlead_telemetry::request::{self, RequestContext};
use serde_json::{Value, json};
use support::database::DatabaseRole;
use support::{TestApp, connect_store};

#[tokio::test]
async fn good_leads_are_created_and_bad_ones_are_told() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({ "leads": [
        { "name": "Ann", "email": "ann@a.example" },
        { "name": "", "email": "nobody" },
        { "name": "Bob", "shoeSize": 44 },
        { "name": "Cid", "assignedTo": "01934f6e-7b1a-7cc3-98a4-0242ac120002" },
        { "name": "Dee" },
    ] });

    let result = acme.owner.post("/api/v1/leads/bulk", body).await.expect(200);

    assert_eq!(
        (&result["successful"], &result["failed"], &result["skipped"]),
        (&json!(2), &json!(3), &json!(0))
    );
    let told: Vec<(u64, String)> = result["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| {
            let pointers: Vec<&str> = error["errors"]
                .as_array()
                .unwrap()
                .iter()
                .map(|fault| fault["pointer"].as_str().unwrap())
                .collect();
            (error["index"].as_u64().unwrap(), pointers.join(" "))
        })
        .collect();
    assert_eq!(told[0], (1, "/leads/1/name /leads/1/email".to_owned()));
    assert_eq!(told[1].0, 2);
    assert_eq!(told[2], (3, "/leads/3/assignedTo".to_owned()));
    let list = acme.owner.get("/api/v1/leads?page=0").await.expect(200);
    assert_eq!(list["total"], 2);
}

#[tokio::test]
async fn duplicates_are_skipped_by_normalised_address_or_number() {
    let app = TestApp::start().await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    let known = json!({ "name": "Known", "email": "Ann@Example.com", "phone": "+1 (555) 010-0123" });
    acme.owner.post("/api/v1/leads", known).await.expect(201);
    let leads = json!([
        { "name": "Same address", "email": "ANN@example.COM" },
        { "name": "Same number", "phone": "1 555 0100123" },
        { "name": "New", "email": "bob@example.com" },
        { "name": "Repeats the one before", "email": "BOB@example.com" },
        { "name": "Has neither" },
        { "name": "Has neither" },
    ]);
    let body = json!({ "leads": leads, "skipDuplicates": true });

    let result = acme
        .owner
        .post("/api/v1/leads/bulk", body.clone())
        .await
        .expect(200);
    let elsewhere = umbrella.owner.post("/api/v1/leads/bulk", body).await.expect(200);

    assert_eq!(
        (&result["successful"], &result["skipped"]),
        (&json!(3), &json!(3))
    );
    assert_eq!(
        (&elsewhere["successful"], &elsewhere["skipped"]),
        (&json!(5), &json!(1))
    );
}

#[tokio::test]
async fn two_imports_that_skip_duplicates_at_once_create_each_lead_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let leads: Vec<Value> = (0..200)
        .map(|index| json!({ "name": "Lead", "email": format!("lead{index}@example.com") }))
        .collect();
    let body = json!({ "leads": leads, "skipDuplicates": true, "batchSize": 50 });

    let (one, other) = tokio::join!(
        acme.owner.post("/api/v1/leads/bulk", body.clone()),
        acme.owner.post("/api/v1/leads/bulk", body.clone())
    );

    let count = |result: Value| result["successful"].as_u64().unwrap();
    assert_eq!(count(one.expect(200)) + count(other.expect(200)), 200);
    assert_eq!(
        acme.owner.get("/api/v1/leads?page=0&limit=1").await.expect(200)["total"],
        200
    );
}

#[tokio::test]
async fn a_thousand_leads_go_in_at_once_and_one_more_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lead = json!({ "name": "Lead", "email": "same@example.com" });

    let most = acme
        .owner
        .post(
            "/api/v1/leads/bulk",
            json!({ "leads": vec![lead.clone(); 1_000] }),
        )
        .await;
    let more = acme
        .owner
        .post("/api/v1/leads/bulk", json!({ "leads": vec![lead; 1_001] }))
        .await;

    assert_eq!(most.expect(200)["successful"], 1_000);
    assert_eq!(more.problem(), "invalid-input");
}

#[tokio::test]
async fn a_repeated_bulk_request_with_the_same_key_changes_nothing_more() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let send = || {
        let request = acme.owner.request(reqwest::Method::POST, "/api/v1/leads/bulk");
        let leads = vec![json!({ "name": "Lead" }); 250];
        acme.owner.send(
            request
                .header("idempotency-key", "bulk-1")
                .json(&json!({ "leads": leads })),
        )
    };

    let (first, again) = (send().await, send().await);

    assert_eq!(first.expect(200), again.expect(200));
    assert_eq!(
        acme.owner.get("/api/v1/leads?page=0&limit=1").await.expect(200)["total"],
        250
    );
}

#[tokio::test]
async fn many_leads_are_changed_and_each_refusal_says_why() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let foreign = app.tenant("umbrella").await.lead("Foreign").await;
    let (ann, bob) = (acme.lead("Ann").await, acme.lead("Bob").await);
    let body = json!([
        { "id": ann, "data": { "status": "CONTACTED", "qualityScore": 30 } },
        { "id": bob, "data": { "status": "QUALIFIED" } },
        { "id": foreign, "data": { "name": "Mine now" } },
        { "id": bob, "version": 7, "data": { "name": "Late" } },
        { "id": "nonsense", "data": {} },
    ]);

    let result = acme.owner.patch("/api/v1/leads/bulk", body).await.expect(200);

    assert_eq!((&result["successful"], &result["failed"]), (&json!(1), &json!(4)));
    assert_eq!(result["ids"], json!([ann]));
    let refused: Vec<u64> = result["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["index"].as_u64().unwrap())
        .collect();
    assert_eq!(refused, [1, 2, 3, 4]);
    let read = acme
        .owner
        .get(&format!("/api/v1/leads/{ann}?include=activities"))
        .await
        .expect(200);
    assert_eq!(
        (&read["status"], &read["version"]),
        (&json!("CONTACTED"), &json!(2))
    );
    assert_eq!(read["activities"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_bulk_request_that_names_a_full_agent_fills_its_room_and_rejects_the_rest() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (agent, _) = acme.agent("agent@acme.test", json!({ "maxOpenLeads": 3 })).await;
    let leads = vec![json!({ "name": "Lead", "assignedTo": agent }); 5];

    let result = acme
        .owner
        .post("/api/v1/leads/bulk", json!({ "leads": leads }))
        .await
        .expect(200);

    assert_eq!((&result["successful"], &result["failed"]), (&json!(3), &json!(2)));
    let agents = acme.owner.get("/api/v1/agents").await.expect(200);
    assert_eq!(agents["items"][0]["agent"]["openLeads"], 3);
}

#[tokio::test]
async fn a_skipped_duplicate_takes_no_room_of_its_agent() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (agent, _) = acme.agent("agent@acme.test", json!({ "maxOpenLeads": 2 })).await;
    let known = json!({ "name": "Known", "email": "ann@example.com" });
    acme.owner.post("/api/v1/leads", known).await.expect(201);
    let leads = json!([
        { "name": "Known", "email": "Ann@example.com", "assignedTo": agent },
        { "name": "First", "email": "bob@example.com", "assignedTo": agent },
        { "name": "Repeats the first", "email": "BOB@example.com", "assignedTo": agent },
        { "name": "Second", "email": "cid@example.com", "assignedTo": agent },
        { "name": "Too many", "email": "dee@example.com", "assignedTo": agent },
        // What was not created cannot be repeated.
        { "name": "For nobody", "email": "dee@example.com" },
    ]);

    let result = acme
        .owner
        .post(
            "/api/v1/leads/bulk",
            json!({ "leads": leads, "skipDuplicates": true }),
        )
        .await
        .expect(200);

    assert_eq!(
        (&result["successful"], &result["skipped"], &result["failed"]),
        (&json!(3), &json!(2), &json!(1))
    );
    assert_eq!(result["errors"][0]["index"], 4);
    let agents = acme.owner.get("/api/v1/agents").await.expect(200);
    assert_eq!(agents["items"][0]["agent"]["openLeads"], 2);
}

#[tokio::test]
async fn agents_are_locked_by_one_statement_however_many_there_are() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut agents: Vec<UserId> = Vec::new();
    for number in 0..12 {
        let full = json!({ "maxOpenLeads": 0 });
        let (agent, _) = acme.agent(&format!("agent{number}@acme.test"), full).await;
        agents.push(Id::from_uuid(agent.parse().unwrap()));
    }
    let store = connect_store(app.database.url(DatabaseRole::App), 1).await;
    #[expect(clippy::disallowed_methods, reason = "the test acts as the platform")]
    let system = SystemScope::new("test");
    let permit = Permit::<ChangeLeads>::system(&system, Id::from_uuid(acme.id.parse().unwrap()));
    let create_for = async |agents: &[UserId]| -> BulkOutcome {
        let drafts = agents.iter().map(|agent| draft_for(*agent)).enumerate().collect();
        let mut uow = store.begin(permit.scope()).await.unwrap();
        leads::create_many(&mut *uow, &permit, drafts, Duplicates::Keep, Source::Api)
            .await
            .unwrap()
    };

    let mut statements = Vec::new();
    for named in [&agents[..1], &agents[..]] {
        let request = Arc::new(RequestContext::from_headers(None, None, None));
        let outcome = request::scope(Arc::clone(&request), create_for(named)).await;
        assert_eq!(outcome.rejected.len(), named.len(), "all are full");
        statements.push(request.database_work().statements);
    }

    assert_eq!(statements, [1, 1]);
}

fn draft_for(agent: UserId) -> LeadDraft {
    let raw = RawLead {
        name: "Lead".to_owned(),
        ..RawLead::default()
    };
    let mut draft = LeadDraft::parse(raw).unwrap();
    draft.assigned_to = Some(agent);
    draft
}
