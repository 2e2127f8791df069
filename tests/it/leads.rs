//! Leads: created, read, listed, changed, deleted.

use serde_json::{Value, json};
use support::{Client, TestApp};

fn names(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().expect("a list has items");
    items
        .iter()
        .map(|item| item["name"].as_str().expect("a lead has a name"))
        .collect()
}

async fn create(client: &Client, lead: Value) -> Value {
    client.post("/api/v1/leads", lead).await.expect(201)
}

#[tokio::test]
async fn a_lead_is_created_and_read_back() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({
        "name": "  Ann Ferris ", "email": "Ann@Ferris.example", "phone": "+1 (555) 010-0123", "company": "Ferris Ltd",
        "source": "website", "insuranceType": "auto", "zipCode": "94107", "qualityScore": 70,
        "customFields": { "budget": 1200, "tags": ["warm"] },
    });

    let response = acme.owner.post("/api/v1/leads", body).await;

    let created = response.expect(201);
    let path = format!("/api/v1/leads/{}", created["id"].as_str().unwrap());
    assert_eq!(response.header("location"), Some(path.as_str()));
    let read = acme.owner.get(&path).await;
    assert_eq!(read.expect(200), created);
    assert_eq!(read.header("etag"), response.header("etag"));
    assert_eq!(created["name"], "Ann Ferris");
    assert_eq!(created["email"], "Ann@Ferris.example");
    assert_eq!(created["status"], "NEW");
    assert_eq!(created["closeReason"], Value::Null);
    assert_eq!(created["customFields"]["tags"][0], "warm");
    assert_eq!(created["version"], 1);
}

#[tokio::test]
async fn every_fault_of_a_lead_is_named_at_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({
        "name": " ", "email": "nobody", "phone": "call me", "status": "LOST", "qualityScore": 101,
        "source": " ", "customFields": { "deep": { "a": { "b": { "c": { "d": {} } } } } },
    });

    let response = acme.owner.post("/api/v1/leads", body).await;

    assert_eq!(
        (response.status.as_u16(), response.problem().as_str()),
        (422, "invalid-input")
    );
    let problem = response.json();
    let mut pointers: Vec<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    pointers.sort_unstable();
    assert_eq!(
        pointers,
        [
            "/customFields",
            "/email",
            "/name",
            "/phone",
            "/qualityScore",
            "/source",
            "/status"
        ]
    );
}

#[tokio::test]
async fn a_repeated_request_with_the_same_key_creates_one_lead() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let send = |name: &'static str| {
        let request = acme
            .owner
            .request(reqwest::Method::POST, "/api/v1/leads")
            .header("idempotency-key", "order-66")
            .json(&json!({ "name": name }));
        acme.owner.send(request)
    };

    let (first, again, other) = (send("Ann").await, send("Ann").await, send("Bob").await);

    assert_eq!(first.expect(201), again.expect(201));
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(other.problem(), "idempotency-key-reused");
    let list = acme.owner.get("/api/v1/leads").await.expect(200);
    assert_eq!(names(&list), ["Ann"]);
}

#[tokio::test]
async fn twenty_requests_at_once_with_one_key_create_one_lead() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let requests = (0..20).map(|_| {
        let request = acme
            .owner
            .request(reqwest::Method::POST, "/api/v1/leads")
            .header("idempotency-key", "one")
            .json(&json!({ "name": "Ann" }));
        acme.owner.send(request)
    });

    let responses = futures_util::future::join_all(requests).await;

    let ids: std::collections::HashSet<String> = responses
        .iter()
        .map(|response| response.expect(201)["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(names(&acme.owner.get("/api/v1/leads").await.expect(200)), ["Ann"]);
}

#[tokio::test]
async fn the_list_is_walked_by_cursor_without_gap_or_repeat_while_leads_are_added() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for index in 0..25 {
        create(&acme.owner, json!({ "name": format!("Lead {index:02}") })).await;
    }

    let mut seen: Vec<String> = Vec::new();
    let mut path = "/api/v1/leads?limit=10".to_owned();
    loop {
        let page = acme.owner.get(&path).await.expect(200);
        seen.extend(names(&page).into_iter().map(str::to_owned));
        create(&acme.owner, json!({ "name": "Meanwhile" })).await;
        match page["nextCursor"].as_str() {
            Some(cursor) => path = format!("/api/v1/leads?limit=10&cursor={cursor}"),
            None => break,
        }
    }

    let expected: Vec<String> = (0..25).rev().map(|index| format!("Lead {index:02}")).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn numbered_pages_count_the_list() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for index in 0..5 {
        create(&acme.owner, json!({ "name": format!("Lead {index}") })).await;
    }

    let page = acme.owner.get("/api/v1/leads?page=1&limit=2").await.expect(200);

    assert_eq!(names(&page), ["Lead 2", "Lead 1"]);
    assert_eq!(
        (&page["page"], &page["limit"], &page["total"], &page["hasMore"]),
        (&json!(1), &json!(2), &json!(5), &json!(true))
    );
}

#[tokio::test]
async fn a_cursor_of_another_tenant_or_order_is_refused() {
    let app = TestApp::start().await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    for _ in 0..2 {
        acme.lead("Ann").await;
        umbrella.lead("Bob").await;
    }
    let page = acme.owner.get("/api/v1/leads?limit=1").await.expect(200);
    let cursor = page["nextCursor"].as_str().unwrap();

    let foreign = umbrella
        .owner
        .get(&format!("/api/v1/leads?limit=1&cursor={cursor}"))
        .await;
    let reordered = acme
        .owner
        .get(&format!(
            "/api/v1/leads?limit=1&sort=qualityScore&cursor={cursor}"
        ))
        .await;
    let mut tampered = cursor.to_owned().into_bytes();
    tampered[10] = if tampered[10] == b'A' { b'B' } else { b'A' };
    let tampered = String::from_utf8(tampered).unwrap();
    let tampered = acme
        .owner
        .get(&format!("/api/v1/leads?limit=1&cursor={tampered}"))
        .await;

    for response in [foreign, reordered, tampered] {
        assert_eq!(
            (response.status.as_u16(), response.problem().as_str()),
            (400, "invalid-cursor")
        );
    }
}

#[tokio::test]
async fn each_filter_narrows_the_list() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (agent, _) = acme.agent("agent@acme.test", json!({ "maxOpenLeads": 5 })).await;
    create(&acme.owner, json!({ "name": "Ann", "source": "web", "insuranceType": "auto", "zipCode": "1", "qualityScore": 10 })).await;
    create(&acme.owner, json!({ "name": "Bob", "status": "CLOSED", "closeReason": "LOST", "qualityScore": 90, "company": "Ferris Ltd" })).await;
    create(
        &acme.owner,
        json!({ "name": "Cid", "assignedTo": agent, "qualityScore": 50 }),
    )
    .await;

    for (query, expected) in [
        ("status=NEW", vec!["Cid", "Ann"]),
        ("status=CLOSED", vec!["Bob"]),
        ("source=web", vec!["Ann"]),
        ("insuranceType=auto", vec!["Ann"]),
        ("zipCode=1", vec!["Ann"]),
        ("minScore=50", vec!["Cid", "Bob"]),
        (&format!("assignedTo={agent}"), vec!["Cid"]),
        ("assignedTo=nobody", vec!["Bob", "Ann"]),
        ("q=ferr", vec!["Bob"]),
        ("createdAfter=2000-01-01T00:00:00Z", vec!["Cid", "Bob", "Ann"]),
        ("createdBefore=2000-01-01T00:00:00Z", vec![]),
        ("sort=qualityScore", vec!["Ann", "Cid", "Bob"]),
        ("sort=-qualityScore&status=NEW", vec!["Cid", "Ann"]),
        ("sort=createdAt", vec!["Ann", "Bob", "Cid"]),
    ] {
        let list = acme
            .owner
            .get(&format!("/api/v1/leads?{query}"))
            .await
            .expect(200);
        assert_eq!(names(&list), expected, "{query}");
    }
}

#[tokio::test]
async fn a_query_that_makes_no_sense_is_refused_with_the_parameter_named() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;

    for (query, parameter) in [
        ("stauts=NEW", "stauts"),
        ("status=OPEN", "status"),
        ("minScore=101", "minScore"),
        ("limit=201", "limit"),
        ("page=0&cursor=AAAA", "page"),
        ("createdAfter=yesterday", "createdAfter"),
        ("sort=name", "sort"),
        ("fields=name,shoeSize", "fields"),
        ("include=carriers", "include"),
        ("assignedTo=ann", "assignedTo"),
        ("q=%20", "q"),
        ("source=a%00b", "source"),
    ] {
        let response = acme.owner.get(&format!("/api/v1/leads?{query}")).await;
        assert_eq!(
            (response.status.as_u16(), response.problem().as_str()),
            (422, "invalid-input"),
            "{query}"
        );
        let named = response.json()["errors"]
            .as_array()
            .is_some_and(|errors| errors.iter().any(|error| error["parameter"] == parameter));
        assert!(named, "{query}: {response:?}");
    }
}

#[tokio::test]
async fn fields_chooses_what_is_answered() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let id = acme.lead("Ann").await;

    let list = acme.owner.get("/api/v1/leads?fields=id,name").await.expect(200);
    let one = acme
        .owner
        .get(&format!("/api/v1/leads/{id}?fields=name,status"))
        .await
        .expect(200);

    assert_eq!(list["items"], json!([{ "id": id, "name": "Ann" }]));
    assert_eq!(one, json!({ "name": "Ann", "status": "NEW" }));
}

#[tokio::test]
async fn a_list_with_activities_carries_the_five_newest_of_each_lead() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (ann, bob) = (acme.lead("Ann").await, acme.lead("Bob").await);
    for index in 0..7 {
        let body = json!({ "type": "NOTE", "subject": format!("Note {index}") });
        acme.owner
            .post(&format!("/api/v1/leads/{ann}/activities"), body)
            .await
            .expect(201);
    }

    let list = acme
        .owner
        .get("/api/v1/leads?include=activities")
        .await
        .expect(200);

    assert_eq!(names(&list), ["Bob", "Ann"]);
    assert_eq!(list["items"][0]["activities"], json!([]));
    let subjects: Vec<&str> = list["items"][1]["activities"]
        .as_array()
        .unwrap()
        .iter()
        .map(|activity| activity["subject"].as_str().unwrap())
        .collect();
    assert_eq!(subjects, ["Note 6", "Note 5", "Note 4", "Note 3", "Note 2"]);
    assert_ne!(bob, ann);
}

#[tokio::test]
async fn patch_tells_absent_from_null() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lead = create(
        &acme.owner,
        json!({ "name": "Ann", "company": "Ferris", "source": "web" }),
    )
    .await;
    let path = format!("/api/v1/leads/{}", lead["id"].as_str().unwrap());

    let patched = acme
        .owner
        .patch(&path, json!({ "company": null, "qualityScore": 40 }))
        .await
        .expect(200);

    assert_eq!(patched["company"], Value::Null);
    assert_eq!(patched["source"], "web");
    assert_eq!(patched["qualityScore"], 40);
    assert_eq!(patched["version"], 2);
    let refused = acme.owner.patch(&path, json!({ "name": null })).await;
    assert_eq!(refused.problem(), "invalid-input");
}

#[tokio::test]
async fn a_stale_version_changes_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let id = acme.lead("Ann").await;
    let path = format!("/api/v1/leads/{id}");
    let etag = acme.owner.get(&path).await.header("etag").unwrap().to_owned();
    let rename = |name: &'static str| {
        let request = acme.owner.request(reqwest::Method::PATCH, &path);
        acme.owner
            .send(request.header("if-match", &etag).json(&json!({ "name": name })))
    };

    let (first, second) = (rename("Bea").await, rename("Cid").await);

    first.expect(200);
    assert_eq!(
        (second.status.as_u16(), second.problem().as_str()),
        (412, "stale-version")
    );
    let delete = acme
        .owner
        .request(reqwest::Method::DELETE, &path)
        .header("if-match", &etag);
    assert_eq!(acme.owner.send(delete).await.status.as_u16(), 412);
    assert_eq!(acme.owner.get(&path).await.expect(200)["name"], "Bea");
}

#[tokio::test]
async fn an_unchanged_lead_and_an_unchanged_list_are_not_sent_again() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let id = acme.lead("Ann").await;

    for path in [
        format!("/api/v1/leads/{id}"),
        "/api/v1/leads".to_owned(),
        "/api/v1/leads/statistics".to_owned(),
    ] {
        let etag = acme.owner.get(&path).await.header("etag").unwrap().to_owned();
        let request = acme
            .owner
            .request(reqwest::Method::GET, &path)
            .header("if-none-match", &etag);
        let response = acme.owner.send(request).await;

        assert_eq!(
            (response.status.as_u16(), response.body.len()),
            (304, 0),
            "{path}"
        );
        assert_eq!(response.header("etag"), Some(etag.as_str()));
    }
    let etag = acme
        .owner
        .get("/api/v1/leads")
        .await
        .header("etag")
        .unwrap()
        .to_owned();
    acme.lead("Bob").await;
    let request = acme
        .owner
        .request(reqwest::Method::GET, "/api/v1/leads")
        .header("if-none-match", &etag);
    assert_eq!(acme.owner.send(request).await.status.as_u16(), 200);
}

#[tokio::test]
async fn the_pipeline_is_followed_and_each_step_is_an_activity() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let id = acme.lead("Ann").await;
    let path = format!("/api/v1/leads/{id}");

    let jump = acme.owner.patch(&path, json!({ "status": "QUALIFIED" })).await;
    acme.owner
        .patch(&path, json!({ "status": "CONTACTED" }))
        .await
        .expect(200);
    acme.owner
        .patch(&path, json!({ "status": "QUALIFIED", "qualityScore": 80 }))
        .await
        .expect(200);
    let unreasoned = acme.owner.patch(&path, json!({ "status": "CLOSED" })).await;
    acme.owner
        .patch(&path, json!({ "status": "CLOSED", "closeReason": "WON" }))
        .await
        .expect(200);
    let reopened = acme
        .owner
        .patch(&path, json!({ "status": "CONTACTED" }))
        .await
        .expect(200);

    assert_eq!(
        (jump.status.as_u16(), jump.problem().as_str()),
        (409, "invalid-transition")
    );
    assert_eq!(unreasoned.problem(), "invalid-input");
    assert_eq!(reopened["closeReason"], Value::Null);
    let activities = acme.owner.get(&format!("{path}/activities")).await.expect(200);
    let told: Vec<(&str, &str)> = activities["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|activity| {
            (
                activity["type"].as_str().unwrap(),
                activity["subject"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(told.len(), 5);
    for expected in [
        ("STATUS_CHANGE", "NEW to CONTACTED"),
        ("STATUS_CHANGE", "CONTACTED to QUALIFIED"),
        ("SCORE", "0 to 80"),
        ("STATUS_CHANGE", "QUALIFIED to CLOSED (WON)"),
        ("STATUS_CHANGE", "CLOSED (WON) to CONTACTED"),
    ] {
        assert!(told.contains(&expected), "{expected:?} is not in {told:?}");
    }
}

#[tokio::test]
async fn an_agent_changes_its_own_leads_and_nobodys() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (me, agent) = acme.agent("me@acme.test", json!({})).await;
    let (other, _) = acme.agent("other@acme.test", json!({})).await;
    let mine = create(&acme.owner, json!({ "name": "Mine", "assignedTo": me })).await;
    let nobodys = create(&acme.owner, json!({ "name": "Nobody's" })).await;
    let others = create(&acme.owner, json!({ "name": "Other's", "assignedTo": other })).await;
    let path = |lead: &Value| format!("/api/v1/leads/{}", lead["id"].as_str().unwrap());

    agent
        .patch(&path(&mine), json!({ "source": "x" }))
        .await
        .expect(200);
    agent
        .patch(&path(&nobodys), json!({ "source": "x" }))
        .await
        .expect(200);
    let refused = agent.patch(&path(&others), json!({ "source": "x" })).await;
    let handed_over = agent.patch(&path(&mine), json!({ "assignedTo": other })).await;
    let made_for_other = agent
        .post("/api/v1/leads", json!({ "name": "New", "assignedTo": other }))
        .await;

    for response in [refused, handed_over, made_for_other] {
        assert_eq!(
            (response.status.as_u16(), response.problem().as_str()),
            (403, "not-permitted")
        );
    }
    agent.get(&path(&others)).await.expect(200);
}

#[tokio::test]
async fn a_deleted_lead_is_gone_with_its_activities_and_frees_its_agent() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (agent, _) = acme.agent("agent@acme.test", json!({ "maxOpenLeads": 1 })).await;
    let lead = create(&acme.owner, json!({ "name": "Ann", "assignedTo": agent })).await;
    let path = format!("/api/v1/leads/{}", lead["id"].as_str().unwrap());

    assert_eq!(acme.owner.delete(&path).await.status.as_u16(), 204);

    assert_eq!(acme.owner.get(&path).await.problem(), "not-found");
    assert_eq!(acme.owner.delete(&path).await.problem(), "not-found");
    assert_eq!(
        acme.owner.get(&format!("{path}/activities")).await.problem(),
        "not-found"
    );
    create(&acme.owner, json!({ "name": "Bob", "assignedTo": agent })).await;
}

#[tokio::test]
async fn statistics_are_the_counts_and_mean_ages_by_status() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.tenant("umbrella").await.lead("Somebody else's").await;
    acme.lead("Ann").await;
    acme.lead("Bob").await;
    create(
        &acme.owner,
        json!({ "name": "Cid", "status": "CLOSED", "closeReason": "WON" }),
    )
    .await;
    app.clock
        .advance(time::Duration::days(3) + time::Duration::hours(1));
    let later = acme.log_in().await;

    let statistics = later.get("/api/v1/leads/statistics").await.expect(200);

    assert_eq!(
        statistics,
        json!({
            "total": 3,
            "byStatus": { "NEW": { "count": 2, "avgAgeDays": 3 }, "CLOSED": { "count": 1, "avgAgeDays": 3 } },
        })
    );
}

#[tokio::test]
async fn search_finds_words_and_beginnings_of_the_last_one() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.tenant("umbrella").await.lead("Ann Ferris").await;
    create(
        &acme.owner,
        json!({ "name": "Ann Ferris", "company": "Running & Sons" }),
    )
    .await;
    create(
        &acme.owner,
        json!({ "name": "José Will", "company": "The Ferry Company" }),
    )
    .await;

    for (query, expected) in [
        ("ann", vec!["Ann Ferris"]),
        ("ANN fer", vec!["Ann Ferris"]),
        ("runni", vec!["Ann Ferris"]),
        ("will", vec!["José Will"]),
        ("jose", vec!["José Will"]),
        ("the ferr", vec!["José Will"]),
        ("fer ann", vec![]),
        ("a:* | !b & 'c", vec![]),
    ] {
        let query_string = query.replace(' ', "%20").replace('&', "%26");
        let found = acme
            .owner
            .get(&format!("/api/v1/leads/search?q={query_string}"))
            .await
            .expect(200);
        assert_eq!(names(&found), expected, "{query}");
    }
}

#[tokio::test]
async fn custom_fields_are_shown_by_the_same_bytes_before_and_after_they_were_stored() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let custom_fields = json!({
        "zz": 1, "a": -0.0, "long name": [1.0, 1e21, 1e-9, 1e300, 5e-324, 0.1, -7, u64::MAX, i64::MIN],
        "quotes": "a \"b\" \\ / \u{8}\u{c}\n\r\t\u{1}\u{1f}\u{7f}\u{2028} é \u{1f600}", "b": {"y": [[], {}], "xx": null, "x": true},
        "\"": "{ \"no\": object }", "": null,
    });
    let mut custom_fields = custom_fields.as_object().unwrap().clone();
    custom_fields.remove("");

    let created = acme
        .owner
        .post(
            "/api/v1/leads",
            json!({"name": "Ann", "customFields": custom_fields}),
        )
        .await;
    let id = created.json()["id"].as_str().unwrap().to_owned();
    let read = acme.owner.get(&format!("/api/v1/leads/{id}")).await;

    assert_eq!((created.status.as_u16(), read.status.as_u16()), (201, 200));
    assert_eq!(
        String::from_utf8_lossy(&created.body),
        String::from_utf8_lossy(&read.body)
    );
    let shown = read.json()["customFields"].as_object().unwrap().clone();
    assert_eq!(
        shown.keys().collect::<Vec<_>>(),
        custom_fields.keys().collect::<Vec<_>>()
    );
    assert_eq!(shown["quotes"], custom_fields["quotes"]);
}

#[tokio::test]
async fn custom_fields_that_cannot_be_kept_are_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let many = vec![1e299; 20_000];

    for value in [json!(f64::MAX), json!([-f64::MAX]), json!(many)] {
        let body = json!({"name": "Ann", "customFields": {"value": value}});
        let refused = acme.owner.post("/api/v1/leads", body).await;
        assert_eq!(refused.status, 422, "{refused:?}");
    }
}
