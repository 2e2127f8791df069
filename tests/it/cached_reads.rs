//! Reads that the cache answers, over HTTP: never another's answer, never an old one, and none of the work.

use fairlead_devstack::Service;
use reqwest::Method;
use serde_json::{Value, json};
use support::pair::TestPair;
use support::process::{Program, Serving};
use support::{Client, Response, TestApp, TestDatabase, TestTenant, wait_until};

pub(crate) const LIST: &str = "/api/v1/leads?status=NEW";

pub(crate) async fn get(client: &Client, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = client.request(Method::GET, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client.send(request).await
}

pub(crate) fn source(response: &Response) -> &str {
    response
        .header("fairlead-read-source")
        .expect("a read says its source")
}

/// How many statements each of the lists has cost that are logged by now.
fn statements(server: &Serving) -> Vec<u64> {
    let answered = server.events();
    let reads = answered
        .iter()
        .filter(|line| line["http.route"] == "/api/v1/leads" && line["http.method"] == "GET");
    reads.filter_map(|line| line["db.statements"].as_u64()).collect()
}

#[tokio::test]
async fn a_second_read_is_answered_from_memory_with_the_same_bytes() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.lead("Ann").await;

    let first = acme.owner.get(LIST).await;
    let second = acme.owner.get(LIST).await;

    assert_eq!((first.status.as_u16(), source(&first)), (200, "primary"));
    assert_eq!((second.status.as_u16(), source(&second)), (200, "l1"));
    assert_eq!(first.body, second.body);
    assert_eq!(first.header("etag"), second.header("etag"));
    assert_eq!(second.header("age"), Some("0"));
    assert_eq!(second.header("cache-control"), Some("private, no-cache"));
    let vary = second.header("vary").unwrap();
    assert!(
        vary.contains("Authorization") && vary.contains("x-tenant-key"),
        "{vary}"
    );
}

#[tokio::test]
async fn a_hit_asks_the_database_nothing_and_a_304_has_no_body() {
    let database = TestDatabase::create().await;
    let server = Program::on(&database).serve().await.unwrap();
    let acme = TestTenant::sign_up(server.anonymous(), "acme").await;
    acme.lead("Ann").await;
    let first = acme.owner.get(LIST).await;
    let tag = first.header("etag").unwrap();

    for coding in ["identity", "gzip", "br", "zstd", "gzip", "br", "zstd"] {
        let headers = [("accept-encoding", coding)];
        assert_eq!(source(&get(&acme.owner, LIST, &headers).await), "l1");
        let headers = [("accept-encoding", coding), ("if-none-match", tag)];
        let known = get(&acme.owner, LIST, &headers).await;
        assert_eq!(
            (known.status.as_u16(), source(&known), known.body.len()),
            (304, "l1", 0)
        );
    }

    wait_until("all are logged", async || statements(&server).len() == 15).await;
    let statements = statements(&server);
    assert!(
        statements[0] > 0 && statements[1..].iter().all(|count| *count == 0),
        "{statements:?}"
    );
}

#[tokio::test]
async fn what_was_written_is_read_at_once_by_everybody() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (_, viewer) = acme.user("viewer@acme.test", "VIEWER").await;
    let lead = format!("/api/v1/leads/{}", acme.lead("Ann").await);
    let paths = [
        "/api/v1/leads",
        LIST,
        &lead,
        "/api/v1/leads/search?q=ann",
        "/api/v1/leads/statistics",
    ];

    for round in 0..20 {
        // Filled, and filled by somebody else than who changes it.
        for path in paths {
            viewer.get(path).await;
        }
        let name = format!("Ann {round}");
        acme.owner.patch(&lead, json!({ "name": name })).await.expect(200);

        for reader in [&acme.owner, &viewer] {
            let one = reader.get(&lead).await.expect(200);
            let list = reader.get(LIST).await.expect(200);
            let found = reader.get("/api/v1/leads/search?q=ann").await.expect(200);
            assert_eq!(one["name"], name.as_str());
            assert_eq!(list["items"][0]["name"], name.as_str());
            assert_eq!(found["items"][0]["name"], name.as_str());
        }
    }
    acme.owner.delete(&lead).await;
    assert_eq!(viewer.get(&lead).await.status, 404);
    assert_eq!(viewer.get(LIST).await.expect(200)["items"], json!([]));
    assert_eq!(
        viewer.get("/api/v1/leads/statistics").await.expect(200)["total"],
        0
    );
}

#[tokio::test]
async fn every_cached_read_is_dropped_by_what_changes_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let owner = &acme.owner;
    let (agent, _) = acme.agent("agent@acme.test", json!({ "maxOpenLeads": 9 })).await;
    let lead = acme.lead("Ann").await;
    let made = owner
        .post("/api/v1/carriers", json!({ "name": "Mutual" }))
        .await
        .expect(201);
    let carrier = format!("/api/v1/carriers/{}", made["id"].as_str().unwrap());
    let user = format!("/api/v1/users/{agent}");
    let lead = format!("/api/v1/leads/{lead}");
    let activities = format!("{lead}/activities");
    let of_lead = lead.replace("/leads/", "/activities?leadId=");
    let note = json!({ "type": "NOTE", "subject": "a note" });
    let noted = owner.post(&activities, note.clone()).await.expect(201);
    let activity = format!("/api/v1/activities/{}", noted["id"].as_str().unwrap());
    let closed_for = |reason: &str| json!({ "status": "CLOSED", "closeReason": reason });

    // What is read, and the change that must show in it.
    let changes: [(&str, Method, &str, Value); 18] = [
        (
            "/api/v1/carriers",
            Method::PATCH,
            &carrier,
            json!({ "active": false }),
        ),
        (&carrier, Method::PATCH, &carrier, json!({ "active": true })),
        ("/api/v1/users", Method::PATCH, &user, json!({ "name": "Other" })),
        (&user, Method::PATCH, &user, json!({ "name": "Another" })),
        (
            "/api/v1/agents",
            Method::PATCH,
            &user,
            json!({ "name": "A third" }),
        ),
        (
            "/api/v1/agents",
            Method::PATCH,
            &lead,
            json!({ "assignedTo": agent }),
        ),
        (&user, Method::PATCH, &lead, json!({ "assignedTo": null })),
        (
            "/api/v1/tenant",
            Method::PATCH,
            "/api/v1/tenant",
            json!({ "name": "Acme 2" }),
        ),
        (
            "/api/v1/auth/me",
            Method::PATCH,
            "/api/v1/tenant",
            json!({ "name": "Acme 3" }),
        ),
        (&activities, Method::POST, &activities, note.clone()),
        ("/api/v1/activities", Method::POST, &activities, note.clone()),
        (
            "/api/v1/leads?include=activities",
            Method::POST,
            &activities,
            note,
        ),
        (&activity, Method::PATCH, &activity, json!({ "subject": "other" })),
        (
            "/api/v1/leads/search?q=ann",
            Method::PATCH,
            &lead,
            json!({ "company": "Ltd" }),
        ),
        (
            "/api/v1/leads/statistics",
            Method::PATCH,
            &lead,
            closed_for("LOST"),
        ),
        // A close reason that is corrected is written as an activity.
        (
            "/api/v1/activities",
            Method::PATCH,
            &lead,
            closed_for("DUPLICATE"),
        ),
        (&of_lead, Method::PATCH, &lead, closed_for("DISQUALIFIED")),
        (&activities, Method::PATCH, &lead, closed_for("LOST")),
    ];
    for (read, method, path, body) in changes {
        let before = owner.get(read).await;
        assert_eq!(source(&owner.get(read).await), "l1", "{read} is kept");

        let answer = owner.send(owner.request(method, path).json(&body)).await;

        assert!(answer.status.is_success(), "{answer:?}");
        let after = owner.get(read).await;
        assert_ne!(after.body, before.body, "{read} after {path}");
        assert_eq!(source(&after), "primary", "{read}");
    }
}

#[tokio::test]
async fn no_tenant_is_ever_answered_with_anothers_answer() {
    let app = TestApp::start().await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    let lead = format!("/api/v1/leads/{}", acme.lead("Ann of Acme").await);
    umbrella.lead("Bob of Umbrella").await;
    let paths = [
        "/api/v1/leads",
        LIST,
        "/api/v1/leads/search?q=of",
        "/api/v1/leads/statistics",
        "/api/v1/users",
        "/api/v1/agents",
        "/api/v1/carriers",
        "/api/v1/activities",
        "/api/v1/tenant",
        "/api/v1/auth/me",
        lead.as_str(),
    ];
    // Acme's answers are kept, in every form.
    for path in paths {
        for coding in ["identity", "gzip", "br", "zstd"] {
            get(&acme.owner, path, &[("accept-encoding", coding)]).await;
        }
    }

    let acmes = [
        acme.id.as_str(),
        acme.owner_id.as_str(),
        "Ann of Acme",
        lead.rsplit('/').next().unwrap(),
    ];
    for path in paths {
        let tag = acme
            .owner
            .get(path)
            .await
            .header("etag")
            .unwrap_or_default()
            .to_owned();
        let spoofed = [
            // Anything that a key, or a proxy's idea of one, might be made of.
            ("x-tenant-id", acme.id.as_str()),
            ("x-forwarded-host", acme.slug.as_str()),
            ("host", acme.slug.as_str()),
            ("x-original-url", "/api/v1/tenant"),
            ("if-match", tag.as_str()),
        ];
        for extra in spoofed {
            let answer = get(&umbrella.owner, path, &[extra]).await;
            let body = String::from_utf8_lossy(&answer.body).into_owned();
            for secret in acmes {
                assert!(!body.contains(secret), "{path} with {extra:?}: {body}");
            }
        }
        // A tag of Acme's is none of Umbrella's: 304 would tell what Acme has.
        if path != "/api/v1/carriers" && path != "/api/v1/agents" && path != "/api/v1/activities" {
            let answer = get(&umbrella.owner, path, &[("if-none-match", &tag)]).await;
            // Of counts, which both have.
            let is_same = path == "/api/v1/leads/statistics";
            if !is_same {
                assert_ne!(answer.status, 304, "{path}");
            }
        }
    }
    assert_eq!(umbrella.owner.get(&lead).await.status, 404);
}

#[tokio::test]
async fn who_may_not_ask_is_not_answered_from_what_another_has_asked() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.lead("Ann").await;
    let (_, agent) = acme.agent("agent@acme.test", json!({})).await;
    let leads_only = acme.machine(&["leads:read"]).await;
    let carriers_only = acme.machine(&["carriers:read"]).await;
    let with_activities = "/api/v1/leads?include=activities";
    for path in [
        "/api/v1/leads",
        with_activities,
        "/api/v1/users",
        "/api/v1/carriers",
    ] {
        acme.owner.get(path).await.expect(200);
        assert_eq!(source(&acme.owner.get(path).await), "l1");
    }

    assert_eq!(leads_only.get("/api/v1/leads").await.status, 200);
    for (who, path) in [
        (&leads_only, with_activities),
        (&leads_only, "/api/v1/users"),
        (&carriers_only, "/api/v1/leads"),
        (&app.anonymous(), "/api/v1/leads"),
    ] {
        let refused = who.get(path).await;
        assert!(
            matches!(refused.status.as_u16(), 401 | 403),
            "{path}: {refused:?}"
        );
    }
    // What depends on who asks is kept for each.
    let mine = |me: Value| (me["user"]["role"].clone(), me["permissions"].clone());
    for _ in 0..2 {
        let (owners, agents) = (
            mine(acme.owner.get("/api/v1/auth/me").await.expect(200)),
            mine(agent.get("/api/v1/auth/me").await.expect(200)),
        );
        assert_eq!((&owners.0, &agents.0), (&json!("OWNER"), &json!("AGENT")));
        assert_ne!(owners.1, agents.1);
    }
}

#[tokio::test]
async fn a_fresh_answer_can_be_asked_for_and_the_cache_switched_off() {
    let mut app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.owner.get(LIST).await;
    assert_eq!(source(&acme.owner.get(LIST).await), "l1");

    for header in [("cache-control", "no-cache"), ("fairlead-consistency", "strong")] {
        assert_eq!(
            source(&get(&acme.owner, LIST, &[header]).await),
            "primary",
            "{header:?}"
        );
    }
    app.restart_with(|config| config.cache.responses.enabled = false)
        .await;
    for _ in 0..2 {
        assert_eq!(source(&acme.owner.get(LIST).await), "primary");
    }
    let operator = app.operator("olga").await;
    let metrics = operator.get("/api/v1/performance/cache/metrics").await;
    assert_eq!(
        (metrics.status.as_u16(), metrics.problem().as_str()),
        (409, "conflict")
    );
}

#[tokio::test]
async fn questions_that_mean_the_same_share_an_answer_and_others_do_not() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.owner.get("/api/v1/leads?status=NEW&source=a%20b").await;

    let same = acme.owner.get("/api/v1/leads?source=a+b&status=NEW").await;
    let other = acme.owner.get("/api/v1/leads?source=a%2520b&status=NEW").await;
    let injected = acme.owner.get("/api/v1/leads?source=a%20b%26status%3DNEW").await;

    assert_eq!(
        (source(&same), source(&other), source(&injected)),
        ("l1", "primary", "primary")
    );
}

#[tokio::test]
async fn operators_see_what_is_kept_and_drop_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    let base = "/api/v1/performance/cache";
    let fill = async || {
        acme.owner.get(LIST).await;
        assert_eq!(source(&acme.owner.get(LIST).await), "l1");
    };
    fill().await;

    let explained = operator
        .get(&format!(
            "{base}/explain?tenantId={}&key=leads.list%3Fstatus%3DNEW",
            acme.id
        ))
        .await
        .expect(200);
    assert_eq!(explained["memory"]["verdict"], "valid");
    assert_eq!(explained["shared"]["state"], "absent");
    let tags = explained["memory"]["tags"].to_string();
    assert!(tags.contains("leads"), "{explained}");
    let metrics = operator.get(&format!("{base}/metrics")).await.expect(200);
    assert!(metrics["total"]["memoryHits"].as_u64() >= Some(1), "{metrics}");
    let rates = operator.get(&format!("{base}/hit-rate")).await.expect(200);
    assert!(rates["total"]["hitRatio"].as_f64() > Some(0.0), "{rates}");
    let of_key = rates["keys"].as_array().unwrap().iter();
    let of_key = of_key.clone().find(|key| key["key"] == "leads.list?status=NEW");
    let of_key = of_key.unwrap_or_else(|| panic!("{rates}"));
    assert_eq!(of_key["tenantId"], acme.id.as_str(), "{rates}");
    assert!(of_key["misses"].as_u64() >= Some(1), "{rates}");
    let stats = operator
        .get(&format!("{base}/tenant/{}/stats", acme.id))
        .await
        .expect(200);
    assert!(stats["entries"].as_u64() >= Some(1), "{stats}");

    let drops = [
        json!({ "namespace": "leads.list" }),
        json!({ "tenantId": acme.id, "tag": "leads" }),
        json!({ "tenantId": acme.id, "key": "leads.list?status=NEW" }),
        json!({ "tenantId": acme.id }),
        json!({ "pattern": "leads*" }),
        json!({ "pattern": format!("tenant:{}:leads*", acme.id) }),
        json!({ "pattern": "*" }),
    ];
    for drop in drops {
        fill().await;
        let dropped = operator
            .post(&format!("{base}/invalidate"), drop.clone())
            .await
            .expect(200);
        assert!(!dropped["invalidated"].as_array().unwrap().is_empty());
        assert_eq!(source(&acme.owner.get(LIST).await), "primary", "{drop}");
    }
    for path in [
        format!("{base}/clear"),
        format!("{base}/tenant/{}/clear", acme.id),
    ] {
        fill().await;
        operator.delete(&path).await.expect(200);
        assert_eq!(source(&acme.owner.get(LIST).await), "primary", "{path}");
    }
    for wrong in [
        json!({}),
        json!({ "tag": "leads" }),
        json!({ "namespace": "nothing" }),
        json!({ "pattern": "tenant:*" }),
        json!({ "pattern": "leads" }),
        json!({ "tag": "leads", "namespace": "leads.list", "tenantId": acme.id }),
    ] {
        let refused = operator.post(&format!("{base}/invalidate"), wrong.clone()).await;
        assert_eq!(
            (refused.status.as_u16(), refused.problem().as_str()),
            (422, "invalid-input"),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn what_operators_warm_is_there_and_what_they_mistype_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    let warm = "/api/v1/performance/cache/warm";

    let request = json!({ "tenantId": acme.id, "datasets": ["statistics", "carriers"] });
    let warmed = operator.post(warm, request).await.expect(200);

    assert_eq!(warmed["tenants"], 1);
    let loaded = |name: &str| {
        let datasets = warmed["datasets"].as_array().unwrap();
        let dataset = datasets.iter().find(|dataset| dataset["name"] == name).unwrap();
        (dataset["loaded"].clone(), dataset["failed"].clone())
    };
    assert_eq!(loaded("statistics"), (json!(1), json!(0)));
    assert_eq!(loaded("carriers"), (json!(2), json!(0)));
    assert_eq!(source(&acme.owner.get("/api/v1/leads/statistics").await), "l1");
    let by_key = json!({ "tenantId": acme.id, "keys": ["leads.list?status=NEW", "me?"] });
    let by_key = operator.post(warm, by_key).await.expect(200);
    assert_eq!(
        (
            &by_key["datasets"][0]["loaded"],
            &by_key["datasets"][0]["unknown"]
        ),
        (&json!(1), &json!(1))
    );
    let learned = operator.post(warm, json!({ "learned": true })).await.expect(200);
    assert_eq!(
        learned["notes"],
        json!(["learned: what was learnt is kept in Redis, and there is none (cache.redis.url)"])
    );
    assert_eq!((&warmed["notes"], &by_key["notes"]), (&json!([]), &json!([])));
    for wrong in [
        json!({ "datasets": ["recent-lead"] }),
        json!({ "keys": ["nonsense"] }),
        json!({ "datasets": ["statistics"], "learned": true }),
        json!({ "tenantId": "01930000-0000-7000-8000-000000000001" }),
    ] {
        let refused = operator.post(warm, wrong.clone()).await;
        assert_eq!(
            (refused.status.as_u16(), refused.problem().as_str()),
            (422, "invalid-input"),
            "{wrong}"
        );
    }
}

#[tokio::test]
async fn operators_take_back_the_memory_of_what_nobody_is_shown_any_more() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    let lead = format!("/api/v1/leads/{}", acme.lead("Ann").await);
    for path in [LIST, &lead] {
        acme.owner.get(path).await.expect(200);
    }
    let gc = async || {
        let released = operator.post("/api/v1/performance/memory/gc", json!({})).await;
        released.expect(200)
    };
    let kept = gc().await;
    assert_eq!(kept["droppedAnswers"], 0, "all of it is still good: {kept}");

    acme.owner
        .patch(&lead, json!({ "name": "Ben" }))
        .await
        .expect(200);

    let released = gc().await;
    assert_eq!(released["droppedAnswers"], 2, "{released}");
    assert!(released["droppedBytes"].as_u64() > Some(1_000), "{released}");
    assert!(released["residentAfterBytes"].as_u64() > Some(0), "{released}");
    let notes = released["notes"].as_array().unwrap();
    assert_eq!(released["purgedBytes"].is_null(), !notes.is_empty(), "{released}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_database_what_is_kept_is_still_answered() {
    let (pair, program) = TestPair::start().await;
    let program = program
        .with("FAIRLEAD__CACHE__RESPONSES__ENABLED", "true")
        .with("FAIRLEAD__CACHE__TTL_SECONDS__LEADS_LIST", "1");
    let server = program.serve().await.unwrap();
    let acme = TestTenant::sign_up(server.anonymous(), "acme").await;
    let lead = format!("/api/v1/leads/{}", acme.lead("Ann").await);
    let machine = acme.machine(&["leads:read"]).await;
    for client in [&acme.owner, &machine] {
        client.get(LIST).await.expect(200);
        client.get(&lead).await.expect(200);
    }

    pair.kill(Service::Replica);
    pair.kill(Service::Postgres);

    // The list's time passes meanwhile: it is served for want of a better one, and says so.
    let mut degraded = 0;
    wait_until("the list is past its time", async || {
        for client in [&acme.owner, &machine] {
            assert_eq!(source(&client.get(&lead).await), "l1");
            let list = client.get(LIST).await;
            assert_eq!((list.status.as_u16(), source(&list)), (200, "l1"), "{list:?}");
            degraded += usize::from(list.header("fairlead-degraded") == Some("stale"));
        }
        degraded >= 4
    })
    .await;
    let write = acme.owner.patch(&lead, json!({ "name": "Ben" })).await;
    assert_eq!(write.status, 503, "{write:?}");
    assert!(write.header("retry-after").is_some());

    pair.restart(Service::Postgres);
    wait_until("writes are taken again", async || {
        acme.owner.patch(&lead, json!({ "name": "Ben" })).await.status == 200
    })
    .await;
    let read = acme.owner.get(LIST).await.expect(200);
    assert_eq!(read["items"][0]["name"], "Ben");
}

#[tokio::test]
async fn on_schedule_what_a_tenant_usually_asks_is_there_before_it_asks() {
    let app = TestApp::start_with(|config| config.cache.warming.every_seconds = 1).await;
    let acme = app.tenant("acme").await;
    // Now the tenant is known to be active.
    acme.owner.get("/api/v1/leads?limit=1").await.expect(200);
    let operator = app.operator("test").await;

    wait_until("its statistics were warmed", async || {
        let earnings = operator.get("/api/v1/performance/cache/warm").await.expect(200);
        let warmed = earnings["items"].as_array().unwrap();
        warmed
            .iter()
            .any(|warmed| warmed["tenantId"] == acme.id.as_str() && warmed["key"] == "leads.statistics?")
    })
    .await;

    assert_eq!(source(&acme.owner.get("/api/v1/leads/statistics").await), "l1");
}

/// What a deployment has thrown away is loaded before anybody asks.
#[tokio::test]
async fn a_process_that_starts_has_what_is_usually_asked() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let before = program.serve().await.unwrap();
    let acme = TestTenant::sign_up(before.anonymous(), "acme").await;
    acme.lead("Ann").await;
    drop(before);

    let after = program.serve().await.unwrap();
    wait_until("it is warm", async || {
        let told = after.events();
        told.iter()
            .any(|event| event["message"] == "the cache was warmed at the start")
    })
    .await;

    let first = acme.owner.at(&after.url).get(LIST).await;
    assert_eq!(source(&first), "l1");
    assert_eq!(first.expect(200)["items"][0]["name"], "Ann");
}
