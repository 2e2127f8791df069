use serde_json::{Value, json};
use support::{TestApp, TestTenant};

/// Agents of several places and skills; Ann is full.
async fn with_agents(app: &TestApp) -> TestTenant {
    let acme = app.tenant("acme").await;
    let profiles = [
        (
            "ann",
            json!({ "state": "tx", "city": "Austin", "specializations": ["auto"], "rating": 90, "maxOpenLeads": 1 }),
        ),
        (
            "bob",
            json!({ "state": "TX", "city": "Dallas", "specializations": ["Auto", "Home"], "rating": 70 }),
        ),
        (
            "cid",
            json!({ "state": "CA", "city": "austin", "specializations": ["life"], "rating": 80 }),
        ),
        ("dee", json!({})),
    ];
    for (name, profile) in profiles {
        let (id, _) = acme.agent(&format!("{name}@acme.test"), profile).await;
        if name == "ann" {
            acme.owner
                .post("/api/v1/leads", json!({ "name": "Held", "assignedTo": id }))
                .await
                .expect(201);
        }
    }
    acme.user("viewer@acme.test", "VIEWER").await;
    acme
}

async fn agents(acme: &TestTenant, query: &str) -> Vec<String> {
    let list = acme
        .owner
        .get(&format!("/api/v1/agents{query}"))
        .await
        .expect(200);
    let name = |user: &Value| {
        user["email"]
            .as_str()
            .unwrap()
            .split('@')
            .next()
            .unwrap()
            .to_owned()
    };
    list["items"].as_array().unwrap().iter().map(name).collect()
}

#[tokio::test]
async fn agents_are_listed_the_best_rated_first() {
    let app = TestApp::start().await;
    let acme = with_agents(&app).await;

    assert_eq!(agents(&acme, "").await, ["ann", "cid", "bob", "dee"]);
}

#[tokio::test]
async fn agents_are_found_by_place_skill_rating_and_room() {
    let app = TestApp::start().await;
    let acme = with_agents(&app).await;

    assert_eq!(agents(&acme, "?state=Tx").await, ["ann", "bob"]);
    assert_eq!(agents(&acme, "?city=AUSTIN").await, ["ann", "cid"]);
    assert_eq!(agents(&acme, "?specialization=AUTO").await, ["ann", "bob"]);
    assert_eq!(agents(&acme, "?minRating=80").await, ["ann", "cid"]);
    assert_eq!(agents(&acme, "?available=true").await, ["cid", "bob", "dee"]);
    assert_eq!(agents(&acme, "?available=false").await, ["ann"]);
    assert_eq!(
        agents(&acme, "?state=TX&specialization=home&minRating=60&available=true").await,
        ["bob"]
    );
    assert_eq!(agents(&acme, "?state=NY").await, Vec::<String>::new());
}

#[tokio::test]
async fn whoever_is_deactivated_or_without_a_profile_is_no_agent() {
    let app = TestApp::start().await;
    let acme = with_agents(&app).await;
    let id_of = async |name: &str| {
        let list = acme.owner.get("/api/v1/users").await.expect(200);
        let email = format!("{name}@acme.test");
        let items = list["items"].as_array().unwrap().clone();
        let user = items
            .into_iter()
            .find(|user| user["email"] == email.as_str())
            .unwrap();
        user["id"].as_str().unwrap().to_owned()
    };

    acme.owner
        .delete(&format!("/api/v1/users/{}", id_of("cid").await))
        .await
        .expect(204);
    acme.owner
        .patch(
            &format!("/api/v1/users/{}", id_of("dee").await),
            json!({ "agent": null }),
        )
        .await
        .expect(200);

    assert_eq!(agents(&acme, "").await, ["ann", "bob"]);
}

#[tokio::test]
async fn an_agents_profile_shows_how_many_open_leads_it_holds() {
    let app = TestApp::start().await;
    let acme = with_agents(&app).await;

    let list = acme
        .owner
        .get("/api/v1/agents?city=Austin&state=TX")
        .await
        .expect(200);

    let expected = json!({
        "state": "TX", "city": "Austin", "specializations": ["auto"], "rating": 90, "maxOpenLeads": 1, "openLeads": 1,
    });
    assert_eq!(list["items"][0]["agent"], expected);
}

#[tokio::test]
async fn whoever_holds_open_leads_stays_an_agent() {
    let app = TestApp::start().await;
    let acme = with_agents(&app).await;
    let list = acme.owner.get("/api/v1/agents?available=false").await.expect(200);
    let path = format!("/api/v1/users/{}", list["items"][0]["id"].as_str().unwrap());

    let refused = acme.owner.patch(&path, json!({ "agent": null })).await;

    assert_eq!(
        (refused.status.as_u16(), refused.problem()),
        (409, "conflict".to_owned())
    );
}
