//! The log by WebSocket: nothing is missed and nothing comes twice, whatever happens to the connection.

use fairlead_telemetry::spawn;
use serde_json::{Value, json};
use support::process::Program;
use support::{TestApp, TestDatabase, TestTenant, repetitions};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::consumers::serve;
use super::socket_client::Socket;
use super::stream::{assert_each_once_in_order, until_logged, write_at};

#[tokio::test]
async fn events_are_told_as_they_happen_to_those_of_their_tenant() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    acme.lead("Before").await;
    until_logged(&acme, 1).await;
    let mut of_acme = Socket::follow(&acme.owner, &[], None).await;
    let mut of_globex = Socket::follow(&globex.owner, &["lead_created"], None).await;

    let lead = acme.lead("Ann").await;
    globex.lead("Bob").await;

    let told = of_acme.told().await;
    assert_eq!(told["type"], "lead_created");
    assert_eq!(told["data"]["aggregateid"].as_str(), Some(lead.as_str()));
    assert_eq!(told["data"]["data"]["name"], "Ann", "what was before is not told");
    assert_eq!(of_globex.names(1).await, ["Bob"], "what others do is not told");
    let listed = acme
        .owner
        .get("/api/v1/events?type=lead_created&limit=200")
        .await
        .expect(200);
    assert_eq!(
        listed["items"].as_array().unwrap().last(),
        Some(&told["data"]),
        "the log has the same"
    );
}

#[tokio::test]
async fn a_socket_goes_on_from_a_cursor_of_the_log_and_from_its_own() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for number in 0..350 {
        acme.lead(&format!("Lead {number}")).await;
    }
    let cursor = until_logged(&acme, 100).await;

    let mut socket = Socket::follow(&acme.owner, &["lead_created"], Some(&cursor)).await;
    let first = socket.names(200).await;
    let cursor = socket.cursor.clone();
    drop(socket);
    acme.lead("Lead 350").await;
    let mut again = Socket::follow(&acme.owner, &["lead_created"], Some(&cursor)).await;
    let rest = again.names(51).await;

    let all: Vec<String> = (100..351).map(|number| format!("Lead {number}")).collect();
    assert_eq!([first, rest].concat(), all);
}

#[tokio::test]
async fn several_types_are_chosen_for_what_the_log_has_and_for_what_comes() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.lead("First").await;
    let cursor = until_logged(&acme, 1).await;
    let ann = acme.lead("Ann").await;
    let change = |score: u64| json!({ "qualityScore": score });
    let path = format!("/api/v1/leads/{ann}");
    let note = json!({ "type": "NOTE", "subject": "a note" });
    acme.owner
        .post(&format!("{path}/activities"), note.clone())
        .await
        .expect(201);
    acme.owner.patch(&path, change(1)).await.expect(200);

    let types = ["lead_updated", "lead_created"];
    let mut socket = Socket::follow(&acme.owner, &types, Some(&cursor)).await;
    let of_log = [socket.told().await, socket.told().await];
    acme.owner
        .post(&format!("{path}/activities"), note)
        .await
        .expect(201);
    acme.owner.patch(&path, change(2)).await.expect(200);
    let comes = socket.told().await;

    let types: Vec<_> = of_log
        .iter()
        .chain([&comes])
        .map(|told| told["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["lead_created", "lead_updated", "lead_updated"]);
}

#[tokio::test]
async fn events_are_told_together_where_that_is_wanted() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut socket = Socket::open(&acme.owner).await;
    socket
        .say(&json!({ "type": "subscribe", "events": ["lead_created"], "batch": true }))
        .await;
    assert_eq!(socket.told().await["data"], json!({ "events": ["lead_created"] }));

    let leads: Vec<_> = (0..1000)
        .map(|number| json!({ "name": number.to_string() }))
        .collect();
    let bulk = acme
        .owner
        .post("/api/v1/leads/bulk", json!({ "leads": leads }))
        .await;
    assert!(bulk.status.is_success(), "{bulk:?}");

    let (mut names, mut batches) = (Vec::new(), 0);
    while names.len() < 1000 {
        let told = socket.told().await;
        assert_eq!(told["type"], "notifications");
        let events = told["data"].as_array().unwrap();
        assert!(!events.is_empty(), "an empty batch is not sent");
        assert_eq!(events.last().unwrap()["cursor"], told["cursor"]);
        names.extend(
            events
                .iter()
                .map(|event| event["data"]["data"]["name"].as_str().unwrap().to_owned()),
        );
        batches += 1;
    }
    println!("1000 events in {batches} messages");
    let all: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    assert_eq!(names, all);
    assert!(batches < 100, "{batches}");
}

/// Writes leads while somebody who is cut off again and again follows.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_cut_off_again_and_again_misses_nothing_and_sees_nothing_twice() {
    let times = repetitions(10);
    let events = times * 100;
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let (one, other) = (serve(&program).await, serve(&program).await);
    let acme = TestTenant::sign_up(one.anonymous(), "acme").await;
    let mut socket = Socket::follow(&acme.owner, &["lead_created"], None).await;
    let writers = write_at(&acme, [&one, &other], events / 2);

    let mut names = Vec::new();
    for round in 0..times {
        names.extend(socket.names(rand::random_range(1..100)).await);
        let cursor = socket.cursor.clone();
        drop(socket);
        // At either process: both know the whole log.
        let serving = if round % 2 == 0 { &other } else { &one };
        let client = acme.at(&serving.url).owner;
        socket = Socket::follow(&client, &["lead_created"], Some(&cursor)).await;
    }
    names.extend(socket.names(events - names.len()).await);
    for writer in writers {
        writer.await.unwrap();
    }
    // What would come twice at the end comes before this.
    acme.lead("The last").await;
    assert_eq!(socket.names(1).await, ["The last"]);

    assert_each_once_in_order(&names, events / 2);
    println!("{events} events, {times} times cut off: each seen once");
}

#[tokio::test]
async fn a_subscription_can_be_changed_and_ended() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut socket = Socket::follow(&acme.owner, &["lead_updated"], None).await;
    let ann = acme.lead("Ann").await;
    let mut other = Socket::follow(&acme.owner, &["lead_updated"], None).await;

    socket.say(&json!({ "type": "unsubscribe" })).await;
    assert_eq!(socket.told().await["type"], "unsubscribed");
    let left = socket.cursor.clone();
    acme.owner
        .patch(&format!("/api/v1/leads/{ann}"), json!({ "qualityScore": 1 }))
        .await
        .expect(200);
    assert_eq!(other.told().await["type"], "lead_updated");
    // Nothing was told meanwhile: the answer to this is the next.
    socket.say(&json!({ "type": "ping" })).await;
    assert_eq!(socket.told().await, json!({ "type": "pong", "data": {} }));
    socket
        .say(&json!({ "type": "subscribe", "events": ["lead_updated"], "cursor": left }))
        .await;

    assert_eq!(socket.told().await["type"], "subscribed");
    assert_eq!(
        socket.told().await["type"],
        "lead_updated",
        "what was missed is told"
    );
}

/// Whoever wants more than before misses nothing of what it wanted.
#[tokio::test]
async fn a_subscription_that_is_changed_while_events_come_goes_on_where_it_is() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut socket = Socket::follow(&acme.owner, &["lead_created"], None).await;
    let writer = {
        let acme = acme.clone();
        spawn(async move {
            for number in 0..200 {
                acme.lead(&number.to_string()).await;
            }
        })
    };

    let others = ["lead_updated", "lead_deleted", "user_updated"];
    let (mut names, mut changes) = (Vec::new(), 0);
    while names.len() < 200 {
        let told = socket.told().await;
        if told["type"] == "lead_created" {
            names.push(told["data"]["data"]["name"].as_str().unwrap().to_owned());
            if names.len() % 20 == 0 {
                changes += 1;
                let types = ["lead_created", others[changes % others.len()]];
                socket.say(&json!({ "type": "subscribe", "events": types })).await;
            }
        }
    }
    writer.await.unwrap();

    let all: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    assert_eq!(names, all);
}

#[tokio::test]
async fn a_message_in_parts_is_put_together() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut socket = Socket::open(&acme.owner).await;

    for (part, op, is_last) in [
        ("{\"type\":", Data::Text, false),
        ("\"pi", Data::Continue, false),
        ("ng\"}", Data::Continue, true),
    ] {
        let frame = Frame::message(part.as_bytes().to_vec(), OpCode::Data(op), is_last);
        socket.send(Message::Frame(frame)).await;
        if !is_last {
            // Control frames may come in between.
            socket.send(Message::Ping("?".into())).await;
        }
    }

    assert_eq!(socket.told().await["type"], "pong");
}

#[tokio::test]
async fn what_cannot_be_understood_is_a_problem_and_the_socket_goes_on() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    globex.lead("Theirs").await;
    let theirs = until_logged(&globex, 1).await;
    let mut socket = Socket::open(&acme.owner).await;
    let too_many: Vec<String> = (0..101).map(|number| format!("type_{number}")).collect();

    let subscribe = |more: Value| {
        let mut message = json!({ "type": "subscribe" });
        message
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        message
    };
    for (message, problem, pointer) in [
        (json!({}), "invalid-input", Some("/type")),
        (json!({ "type": "shout" }), "invalid-input", Some("/type")),
        (json!({ "type": 1 }), "invalid-input", Some("/type")),
        (json!([]), "invalid-input", Some("")),
        (json!("ping"), "invalid-input", Some("")),
        (
            json!({ "type": "ping", "loud": true }),
            "invalid-input",
            Some("/loud"),
        ),
        (json!({ "type": "authenticate" }), "invalid-input", Some("/token")),
        (subscribe(json!({ "event": [] })), "invalid-input", Some("/event")),
        (
            subscribe(json!({ "events": ["lead_created", 5] })),
            "invalid-input",
            Some("/events/1"),
        ),
        (
            subscribe(json!({ "batch": "yes" })),
            "invalid-input",
            Some("/batch"),
        ),
        (
            subscribe(json!({ "events": ["Lead Created"] })),
            "invalid-input",
            Some("/events"),
        ),
        (
            subscribe(json!({ "events": ["lead_created", "lead_crated"] })),
            "invalid-input",
            Some("/events"),
        ),
        (
            subscribe(json!({ "events": too_many })),
            "invalid-input",
            Some("/events"),
        ),
        (
            subscribe(json!({ "aggregateType": "ship" })),
            "invalid-input",
            Some("/aggregateType"),
        ),
        (
            subscribe(json!({ "aggregateType": "lead", "aggregateId": "5" })),
            "invalid-input",
            Some("/aggregateId"),
        ),
        (
            subscribe(json!({ "aggregateId": "01934f6e-7b1a-7cc3-98a4-0242ac120002" })),
            "invalid-input",
            Some("/aggregateId"),
        ),
        (subscribe(json!({ "cursor": "nonsense" })), "invalid-cursor", None),
        (subscribe(json!({ "cursor": theirs })), "invalid-cursor", None),
        (
            json!({ "type": "authenticate", "token": "nonsense" }),
            "not-authenticated",
            None,
        ),
    ] {
        socket.say(&message).await;
        let told = socket.told().await;
        assert_eq!(told["type"], "error", "{message}");
        let kind = told["data"]["type"]
            .as_str()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap()
            .to_owned();
        assert_eq!(kind, problem, "{message}: {told}");
        assert_eq!(
            told["data"]["errors"][0]["pointer"].as_str(),
            pointer,
            "{message}: {told}"
        );
    }
    socket.send(Message::text("{")).await;
    assert!(
        socket.told().await["data"]["type"]
            .as_str()
            .unwrap()
            .ends_with("/malformed-json")
    );
}

#[tokio::test]
async fn a_page_gives_its_token_as_a_subprotocol_and_renews_it_on_the_way() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let token = |tenant: &TestTenant| {
        let request = tenant.owner.request(reqwest::Method::GET, "/").build().unwrap();
        let header = request.headers()["authorization"].to_str().unwrap().to_owned();
        header.strip_prefix("Bearer ").unwrap().to_owned()
    };
    let offered = format!("fairlead.v1, bearer.{}", token(&acme));
    let headers = [("sec-websocket-protocol", offered.as_str())];

    let mut socket = Socket::try_open(&app.anonymous(), "/api/v1/ws", &headers)
        .await
        .unwrap();
    assert_eq!(socket.protocol.as_deref(), Some("fairlead.v1"));
    socket
        .say(&json!({ "type": "authenticate", "token": token(&acme) }))
        .await;
    assert_eq!(socket.told().await["type"], "authenticated");
    socket
        .say(&json!({ "type": "authenticate", "token": token(&globex) }))
        .await;
    let refused = socket.told().await;
    assert!(
        refused["data"]["type"]
            .as_str()
            .unwrap()
            .ends_with("/not-permitted"),
        "{refused}"
    );
    socket.say(&json!({ "type": "subscribe" })).await;
    assert_eq!(socket.told().await["type"], "subscribed");
    globex.lead("Theirs").await;
    acme.lead("Ours").await;
    assert_eq!(socket.names(1).await, ["Ours"]);

    let bad = [("sec-websocket-protocol", "fairlead.v1, bearer.nonsense")];
    let (status, _) = Socket::try_open(&app.anonymous(), "/api/v1/ws", &bad)
        .await
        .err()
        .unwrap();
    assert_eq!(status, 401);
}

#[tokio::test]
async fn the_log_itself_can_be_upgraded() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;

    let mut socket = Socket::try_open(&acme.owner, "/api/v1/events", &[])
        .await
        .unwrap();
    socket.say(&json!({ "type": "subscribe" })).await;

    assert_eq!(socket.told().await["type"], "subscribed");
    // What else may be offered is left aside.
    let other = acme.owner.request(reqwest::Method::GET, "/api/v1/events");
    let other = other.header("connection", "upgrade").header("upgrade", "h2c");
    acme.owner.send(other).await.expect(200);
}

#[tokio::test]
async fn who_is_not_let_in_is_told_why() {
    let app = TestApp::start_with(|config| {
        config.http.allowed_origins = Some(vec!["https://app.example.com".to_owned()]);
    })
    .await;
    let acme = app.tenant("acme").await;
    let viewer = acme.user("vic@acme.test", "VIEWER").await.1;
    let page = [("origin", "https://elsewhere.example.com")];
    let good = [("origin", "https://app.example.com")];

    let twice = [("sec-websocket-protocol", "fairlead.v1, bearer.x")];
    for (client, headers, status, problem) in [
        (&acme.owner, &twice[..], 400, "malformed-request"),
        (&app.anonymous(), &[][..], 401, "not-authenticated"),
        (&viewer, &[], 403, "not-permitted"),
        (&acme.owner, &page[..], 403, "origin-not-allowed"),
    ] {
        let refused = Socket::try_open(client, "/api/v1/ws", headers)
            .await
            .err()
            .unwrap();
        assert_eq!(refused.0, status);
        assert!(
            refused.1["type"].as_str().unwrap().ends_with(problem),
            "{refused:?}"
        );
    }
    Socket::try_open(&acme.owner, "/api/v1/ws", &good).await.unwrap();
    let plain = acme.owner.get("/api/v1/ws").await;
    assert_eq!(
        (plain.status.as_u16(), plain.problem()),
        (426, "upgrade-required".to_owned())
    );
    assert_eq!(plain.header("upgrade"), Some("websocket"));
}
