//! Who takes a lead: by name or the best with room, never more than there is room for.

use serde_json::json;
use support::database::DatabaseRole;
use support::process::Program;
use support::{TestApp, TestTenant, wait_until};

async fn open_leads(acme: &TestTenant, agent: &str) -> u64 {
    let user = acme
        .owner
        .get(&format!("/api/v1/users/{agent}"))
        .await
        .expect(200);
    user["agent"]["openLeads"].as_u64().expect("an agent has a load")
}

#[tokio::test]
async fn fifty_assignments_at_once_fill_every_agent_to_its_maximum_and_no_further() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut agents = Vec::new();
    for (index, room) in [10, 15, 5].into_iter().enumerate() {
        let email = format!("agent{index}@acme.test");
        agents.push((acme.agent(&email, json!({ "maxOpenLeads": room })).await.0, room));
    }
    let mut leads = Vec::new();
    for index in 0..50 {
        leads.push(acme.lead(&format!("Lead {index}")).await);
    }

    let assigned = futures_util::future::join_all(leads.iter().map(|lead| {
        let owner = &acme.owner;
        async move {
            owner
                .post(&format!("/api/v1/leads/{lead}/assign"), json!({}))
                .await
        }
    }))
    .await;

    let granted = assigned
        .iter()
        .filter(|response| response.status.as_u16() == 200)
        .count();
    let refused = assigned.iter().filter(|response| response.status.as_u16() == 409);
    assert_eq!(granted, 30);
    for response in refused {
        assert_eq!(response.problem(), "no-agent-free");
    }
    for (agent, room) in agents {
        assert_eq!(open_leads(&acme, &agent).await, room);
        let list = acme
            .owner
            .get(&format!("/api/v1/leads?assignedTo={agent}&page=0"))
            .await
            .expect(200);
        assert_eq!(list["total"], room);
    }
}

#[tokio::test]
async fn fifty_named_assignments_at_once_stop_at_the_agents_maximum() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (agent, _) = acme.agent("agent@acme.test", json!({ "maxOpenLeads": 7 })).await;
    let mut leads = Vec::new();
    for index in 0..50 {
        leads.push(acme.lead(&format!("Lead {index}")).await);
    }

    let assigned = futures_util::future::join_all(leads.iter().map(|lead| {
        let (owner, body) = (&acme.owner, json!({ "agentId": agent }));
        async move { owner.post(&format!("/api/v1/leads/{lead}/assign"), body).await }
    }))
    .await;

    assert_eq!(
        assigned
            .iter()
            .filter(|response| response.status.as_u16() == 200)
            .count(),
        7
    );
    assert!(
        assigned
            .iter()
            .filter(|response| response.status.as_u16() != 200)
            .all(|r| r.problem() == "agent-full")
    );
    assert_eq!(open_leads(&acme, &agent).await, 7);
}

#[tokio::test]
async fn the_best_agent_matches_first_then_rates_highest_then_holds_least() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (top, _) = acme
        .agent("top@acme.test", json!({ "rating": 90, "state": "NY" }))
        .await;
    let (home, _) = acme
        .agent(
            "home@acme.test",
            json!({ "rating": 10, "specializations": ["Home"] }),
        )
        .await;
    let (texan, _) = acme
        .agent("texan@acme.test", json!({ "rating": 20, "state": "tx" }))
        .await;
    let assign = async |lead: serde_json::Value| {
        let lead = acme.owner.post("/api/v1/leads", lead).await.expect(201);
        let path = format!("/api/v1/leads/{}/assign", lead["id"].as_str().unwrap());
        acme.owner.post(&path, json!({})).await.expect(200)["assignedTo"]
            .as_str()
            .unwrap()
            .to_owned()
    };

    assert_eq!(
        assign(json!({ "name": "a", "insuranceType": "HOME" })).await,
        home
    );
    assert_eq!(
        assign(json!({ "name": "b", "customFields": { "State": "TX" } })).await,
        texan
    );
    assert_eq!(
        assign(json!({ "name": "c", "insuranceType": "marine" })).await,
        top
    );
}

#[tokio::test]
async fn closing_frees_the_agent_and_reopening_needs_room() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (agent, _) = acme.agent("agent@acme.test", json!({ "maxOpenLeads": 1 })).await;
    let create = |name: &'static str| {
        acme.owner
            .post("/api/v1/leads", json!({ "name": name, "assignedTo": agent }))
    };
    let first = create("first").await.expect(201);
    let first = format!("/api/v1/leads/{}", first["id"].as_str().unwrap());

    assert_eq!(create("too many").await.problem(), "agent-full");
    acme.owner
        .patch(&first, json!({ "status": "CLOSED", "closeReason": "LOST" }))
        .await
        .expect(200);
    create("second").await.expect(201);
    let reopened = acme.owner.patch(&first, json!({ "status": "CONTACTED" })).await;

    assert_eq!(reopened.problem(), "agent-full");
    assert_eq!(open_leads(&acme, &agent).await, 1);
}

#[tokio::test]
async fn who_is_no_active_agent_of_the_tenant_takes_no_lead() {
    let app = TestApp::start().await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    let (foreign, _) = umbrella.agent("agent@umbrella.test", json!({})).await;
    let (left, _) = acme.agent("left@acme.test", json!({})).await;
    assert_eq!(
        acme.owner
            .delete(&format!("/api/v1/users/{left}"))
            .await
            .status
            .as_u16(),
        204
    );
    let lead = acme.lead("Ann").await;

    for user in [&foreign, &left, &acme.owner_id] {
        let body = json!({ "agentId": user });
        let response = acme
            .owner
            .post(&format!("/api/v1/leads/{lead}/assign"), body)
            .await;
        assert_eq!(
            (response.status.as_u16(), response.problem().as_str()),
            (422, "invalid-input"),
            "{user}"
        );
    }
}

#[tokio::test]
async fn an_agent_takes_only_for_itself() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (me, agent) = acme.agent("me@acme.test", json!({ "rating": 1 })).await;
    let (other, _) = acme.agent("other@acme.test", json!({ "rating": 99 })).await;
    let lead = acme.lead("Ann").await;
    let path = format!("/api/v1/leads/{lead}/assign");

    let for_other = agent.post(&path, json!({ "agentId": other })).await;
    let automatic = agent.post(&path, json!({})).await.expect(200);

    assert_eq!(for_other.status.as_u16(), 403);
    assert_eq!(automatic["assignedTo"], me.as_str());
}

#[tokio::test]
async fn the_load_of_agents_is_what_the_leads_say_whoever_writes_them_at_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut agents = Vec::new();
    for number in 0..3 {
        let email = format!("agent{number}@acme.test");
        agents.push(acme.agent(&email, json!({ "maxOpenLeads": 40 })).await.0);
    }
    let owner = &acme.owner;
    let agents = &agents;
    // Some of all of this is refused: because an agent is full, or somebody else was there first.
    let write = async |number: usize| {
        let (agent, other) = (&agents[number % 3], &agents[(number + 1) % 3]);
        for round in 0..6 {
            let new = json!({ "name": format!("Lead {number} {round}"), "assignedTo": agent });
            let created = owner.post("/api/v1/leads", new).await;
            let lead = match created.status.as_u16() {
                201 => created.json()["id"].as_str().unwrap().to_owned(),
                _ => continue,
            };
            let path = format!("/api/v1/leads/{lead}");
            match round {
                0 => drop(owner.patch(&path, json!({ "assignedTo": other })).await),
                1 => drop(owner.patch(&path, json!({ "assignedTo": null })).await),
                2 | 3 => {
                    let close = json!({ "status": "CLOSED", "closeReason": "LOST" });
                    owner.patch(&path, close).await.expect(200);
                    if round == 3 {
                        owner.patch(&path, json!({ "status": "CONTACTED" })).await;
                    }
                }
                4 => drop(owner.delete(&path).await),
                _ => drop(
                    owner
                        .post(&format!("{path}/assign"), json!({ "agentId": other }))
                        .await,
                ),
            }
        }
        let bulk: Vec<_> = (0..5)
            .map(|_| json!({ "name": "Bulk", "assignedTo": agent }))
            .collect();
        owner.post("/api/v1/leads/bulk", json!({ "leads": bulk })).await;
    };

    futures_util::future::join_all((0..12).map(write)).await;

    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let loads: Vec<(i32, i64)> = sqlx::query_as(
        "SELECT open_leads, (SELECT count(*) FROM leads l
                             WHERE l.tenant_id = u.tenant_id AND l.assigned_to = u.id AND l.status <> 'CLOSED')
         FROM users u WHERE is_agent ORDER BY id",
    )
    .fetch_all(&mut superuser)
    .await
    .unwrap();
    assert_eq!(loads.len(), 3);
    for (kept, counted) in &loads {
        assert_eq!(i64::from(*kept), *counted, "{loads:?}");
        assert!(*kept > 5 && *kept <= 40, "{loads:?}");
    }
}

#[tokio::test]
async fn a_load_that_somebody_has_broken_is_mended_while_leads_are_assigned() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (agent, _) = acme
        .agent("agent@acme.test", json!({ "maxOpenLeads": 1000 }))
        .await;
    let (idle, _) = acme.agent("idle@acme.test", json!({ "maxOpenLeads": 5 })).await;
    let take = async || {
        let lead = json!({ "name": "Ann", "assignedTo": agent });
        acme.owner.post("/api/v1/leads", lead).await.expect(201);
    };
    take().await;
    take().await;
    assert_eq!(open_leads(&acme, &idle).await, 0);
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    sqlx::query("UPDATE users SET open_leads = 5 WHERE is_agent")
        .execute(&mut superuser)
        .await
        .unwrap();
    let program = Program::on(&app.database);

    let taking = futures_util::future::join_all((0..30).map(|_| take()));
    let arguments = ["statistics", "repair", "--tenant", &acme.slug, "--json"];
    let repairing = program.run(&arguments);
    let (_, repaired) = tokio::join!(taking, repairing);

    assert!(repaired.status.success(), "{repaired:?}");
    let told: serde_json::Value = serde_json::from_str(&repaired.stdout).unwrap();
    assert_eq!(told["repaired"], json!([]));
    let told = told["repairedAgents"].as_array().unwrap();
    assert_eq!(told.len(), 2, "{told:?}");
    let of_idle = told.iter().find(|told| told["userId"] == idle.as_str()).unwrap();
    assert_eq!((&of_idle["counted"], &of_idle["actual"]), (&json!(5), &json!(0)));
    wait_until("what was kept of it is forgotten", async || {
        open_leads(&acme, &idle).await == 0
    })
    .await;
    assert_eq!(open_leads(&acme, &agent).await, 32);
    let again = program.run(&["statistics", "repair", "--all"]).await;
    assert_eq!(again.stdout.trim(), "The counters agree with the leads.");
}
