//! How WebSockets end: with their credentials, with the server, by operators, and with clients that are gone.

use std::time::Duration;

use serde_json::{Value, json};
use support::process::Program;
use support::{TestApp, TestDatabase, TestTenant, wait_until};
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::consumers::{figure, serve};
use super::relays::Machine;
use super::socket_client::Socket;
use super::stream::until_logged;
use super::stream_ends::{AtOnce, last_block, write_much};
use super::stream_reader::StreamReader;

const CONNECTIONS: &str = "/api/v1/performance/websocket/connections";

async fn connections(operator: &support::Client) -> Value {
    operator.get(CONNECTIONS).await.expect(200)
}

#[tokio::test]
async fn a_socket_ends_with_its_credential() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let machine = acme.machine(&["events:read"]).await;
    let socket = Socket::follow(&machine, &[], None).await;

    let keys = acme.owner.get("/api/v1/tenant/api-keys").await.expect(200);
    let id = keys["items"][0]["id"].as_str().unwrap();
    let revoked = acme.owner.delete(&format!("/api/v1/tenant/api-keys/{id}")).await;
    assert_eq!(revoked.status, 204);

    let ended = timeout(Duration::from_secs(15), socket.ended())
        .await
        .expect("it ends");
    assert_eq!(ended.code(), 4401, "{ended:?}");
}

#[tokio::test]
async fn a_server_that_stops_sends_its_clients_away_at_once() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let serving = serve(&program).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let (follows, idles) = (
        Socket::follow(&acme.owner, &[], None).await,
        Socket::open(&acme.owner).await,
    );

    let told = AtOnce::from_now();
    serving.signal("TERM");
    for (socket, has_cursor) in [(follows, true), (idles, false)] {
        let ended = socket.ended().await;
        assert_eq!(ended.code(), 1012, "{ended:?}");
        let last = ended.last.expect("a word on when to come back");
        assert_eq!(last["type"], "closing");
        assert!(last["data"]["retryMs"].is_u64(), "{last}");
        // One that has not said where it is must not be told that it is elsewhere.
        assert_eq!(last["cursor"].is_string(), has_cursor, "{last}");
    }

    println!("sent away and closed {:?} after SIGTERM", told.assert());
}

#[tokio::test]
async fn a_session_that_ends_by_another_process_ends_its_socket_and_its_stream() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let (here, there) = (serve(&program).await, serve(&program).await);
    let acme = TestTenant::sign_up(here.anonymous(), "acme").await;
    let owner = acme.log_in().await;
    let socket = Socket::follow(&owner, &[], None).await;
    let mut stream = StreamReader::open(&owner, "", None).await;
    let mut other = Socket::follow(&acme.owner, &[], None).await;
    let machine = Machine::watch();

    let logout = "/api/v1/auth/logout";
    let ended_at = Instant::now();
    owner.at(&there.url).post(logout, json!({})).await.expect(204);
    let ended = socket.ended().await;
    let last = last_block(&mut stream).await;

    let (took, stood_still) = (ended_at.elapsed(), machine.stood_still());
    println!("both had ended {} ms after the session", took.as_millis());
    assert_eq!(ended.code(), 4401, "{ended:?}");
    assert!(last.comment.unwrap().contains("revoked"));
    assert!(
        took < Duration::from_secs(5) + stood_still,
        "{took:?}, {stood_still:?} of which for want of a machine"
    );
    // Another session goes on.
    other.say(&json!({"type": "ping"})).await;
    while other.told().await["type"] != "pong" {}
}

#[tokio::test]
async fn a_client_that_answers_pings_stays_and_one_that_does_not_is_sent_away() {
    let app = TestApp::start_with(|config| {
        config.events.stream.ping = Duration::from_secs(2);
        config.events.stream.silence = Duration::from_secs(4);
    })
    .await;
    let acme = app.tenant("acme").await;
    let (mut answers, silent) = (
        Socket::follow(&acme.owner, &[], None).await,
        Socket::follow(&acme.owner, &[], None).await,
    );
    let mut pings = 0;

    // It is by reading that the client answers.
    let reading = timeout(Duration::from_secs(13), async {
        loop {
            match answers.message().await {
                Some(Message::Ping(_)) => pings += 1,
                Some(Message::Text(_)) => {}
                other => panic!("it was sent away: {other:?}"),
            }
        }
    });
    assert!(reading.await.is_err(), "it stays");

    assert!(pings >= 3, "{pings}");
    answers.say(&json!({"type": "ping"})).await;
    while answers.told().await["type"] != "pong" {}
    assert_eq!(silent.ended_in_silence().await, 1008);
}

#[tokio::test]
async fn a_client_that_leaves_a_message_unfinished_is_sent_away() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut socket = Socket::open(&acme.owner).await;
    let part = Frame::message("{\"type\":", OpCode::Data(Data::Text), false);

    socket.send(Message::Frame(part)).await;

    let ended = socket.ended().await;
    assert_eq!(ended.code(), 1008, "{ended:?}");
}

#[tokio::test]
async fn operators_see_who_follows_and_send_them_away() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let operator = app.operator("olga").await;
    let mut of_acme = Socket::follow(&acme.owner, &["lead_created"], None).await;
    let of_globex = Socket::open(&globex.owner).await;
    acme.lead("Ann").await;
    of_acme.names(1).await;

    let all = connections(&operator).await;
    assert_eq!((&all["webSockets"], &all["streams"]), (&json!(2), &json!(0)));
    assert_eq!(all["sentEvents"], 1);
    let (first, second) = (&all["items"][0], &all["items"][1]);
    assert_eq!(first["tenantId"].as_str(), Some(acme.id.as_str()));
    assert_eq!(first["events"], json!(["lead_created"]));
    assert_eq!(
        (&first["sentEvents"], &first["receivedMessages"]),
        (&json!(1), &json!(1))
    );
    assert!(first["sentBytes"].as_u64().unwrap() > 200, "{first}");
    assert_eq!(second["events"], Value::Null);
    let of_tenant = operator
        .get(&format!("{CONNECTIONS}?tenantId={}", globex.id))
        .await
        .expect(200);
    assert_eq!(of_tenant["items"].as_array().unwrap().len(), 1);
    let page = operator.get(&format!("{CONNECTIONS}?limit=1")).await.expect(200);
    let next = page["nextCursor"].as_str().unwrap();
    let rest = operator
        .get(&format!("{CONNECTIONS}?limit=1&cursor={next}"))
        .await
        .expect(200);
    assert_eq!(
        (&rest["items"][0]["id"], &rest["hasMore"]),
        (&second["id"], &json!(false))
    );

    let id = second["id"].as_str().unwrap();
    let path = format!("/api/v1/performance/websocket/connection/{id}");
    assert_eq!(operator.delete(&path).await.status, 204);
    let ended = of_globex.ended().await;
    assert_eq!(ended.code(), 1013, "{ended:?}");
    wait_until("it is not listed any more", async || {
        connections(&operator).await["webSockets"] == 1
    })
    .await;
    assert_eq!(
        operator.delete(&path).await.status,
        202,
        "another process may have it"
    );

    // Nothing was heard of the other for a moment.
    let cleanup = "/api/v1/performance/websocket/cleanup?silentForSeconds=1";
    wait_until("it has been silent for long enough", async || {
        operator.post(cleanup, json!({})).await.expect(200)["ended"] == 1
    })
    .await;
    assert_eq!(of_acme.ended().await.code(), 1013);
}

#[tokio::test]
async fn operators_see_what_a_client_wants_events_about() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    let lead = acme.lead("Ann").await;
    let query = format!("?aggregateType=lead&aggregateId={lead}");
    let _of_lead = StreamReader::open(&acme.owner, &query, None).await;
    let _of_all = StreamReader::open(&acme.owner, "", None).await;

    let all = connections(&operator).await;

    let wanted = |index: usize| {
        let item = &all["items"][index];
        ["events", "aggregateType", "aggregateId"].map(|field| item[field].clone())
    };
    assert_eq!(wanted(0), [json!([]), json!("lead"), json!(lead)]);
    assert_eq!(wanted(1), [json!([]), Value::Null, Value::Null]);
}

#[tokio::test]
async fn operators_end_streams_too_also_those_that_catch_up() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    acme.lead("First").await;
    let cursor = until_logged(&acme, 1).await;
    write_much(&acme).await;
    let mut waits = StreamReader::open(&acme.owner, "", None).await;
    let mut catches_up = StreamReader::open(&acme.owner, &format!("?cursor={cursor}"), None).await;

    let all = connections(&operator).await;
    for item in all["items"].as_array().unwrap() {
        assert_eq!(item["kind"], "stream");
        let path = format!(
            "/api/v1/performance/websocket/connection/{}",
            item["id"].as_str().unwrap()
        );
        assert_eq!(operator.delete(&path).await.status, 204);
    }

    assert!(
        last_block(&mut waits).await.retry.is_some(),
        "with a word on when to come back"
    );
    assert!(last_block(&mut catches_up).await.retry.is_some());
}

#[tokio::test]
async fn sockets_count_by_tenant_and_no_tenant_takes_all() {
    let app = TestApp::start_with(|config| {
        config.events.stream.max = 3;
        config.events.stream.max_per_tenant = 2;
    })
    .await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let one = Socket::open(&acme.owner).await;
    let _two = Socket::open(&acme.owner).await;

    let refused = Socket::try_open(&acme.owner, "/api/v1/ws", &[])
        .await
        .err()
        .unwrap();
    assert_eq!(refused.0, 429, "{refused:?}");
    let _three = Socket::open(&globex.owner).await;
    let page = reqwest::get(app.metrics_url())
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    for (tenant, sockets) in [(&acme.id, 2), (&globex.id, 1)] {
        let series = format!("websocket_connections_active{{tenant_id=\"{tenant}\"}} {sockets}");
        assert!(page.contains(&series), "{series} is not in {page}");
    }
    drop(one);

    wait_until("there is room again", async || {
        Socket::try_open(&acme.owner, "/api/v1/ws", &[]).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_client_that_breaks_the_rules_is_sent_away_with_the_code_that_says_so() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let large = "x".repeat(65_537);
    for (message, times, code) in [
        (Message::binary(vec![1, 2, 3]), 1, 1003),
        (Message::text(large), 1, 1009),
        (Message::text("{\"type\":\"ping\"}"), 250, 1008),
        (Message::Pong("".into()), 2_500, 1008),
        (Message::Close(None), 1, 1000),
    ] {
        let mut socket = Socket::open(&acme.owner).await;
        for _ in 0..times {
            socket.send(message.clone()).await;
        }
        let ended = socket.ended().await;
        assert_eq!(ended.code(), code, "{ended:?}");
    }

    wait_until("nobody follows", async || {
        figure(app.metrics_url(), "events_followers").await == 0
    })
    .await;
}

/// What the client takes is all that there is room for: the rest waits in the log.
#[tokio::test]
async fn who_reads_slowly_finds_the_rest_in_the_log() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut socket = Socket::follow(&acme.owner, &["lead_created"], None).await;
    write_much(&acme).await;

    let names = socket.names(3000).await;

    let all: Vec<String> = (0..3000)
        .map(|number| format!("{}/{}", number / 1000, number % 1000))
        .collect();
    assert_eq!(names, all);
}

#[tokio::test]
async fn who_takes_nothing_is_let_go_all_the_same() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let operator = app.operator("olga").await;
    acme.lead("First").await;
    let cursor = until_logged(&acme, 1).await;
    write_much(&acme).await;
    let of_operator = Socket::follow(&acme.owner, &[], Some(&cursor)).await;
    let machine = acme.machine(&["events:read"]).await;
    let of_machine = Socket::follow(&machine, &[], Some(&cursor)).await;
    // What was sent is what there is room for once no more is.
    let sent = async || connections(&operator).await["sentBytes"].as_u64().unwrap();
    wait_until("there is no room for more", async || {
        let before = sent().await;
        sleep(Duration::from_millis(500)).await;
        before > 0 && before == sent().await
    })
    .await;

    let all = connections(&operator).await;
    let path = "/api/v1/performance/websocket/connection";
    let id = all["items"][0]["id"].as_str().unwrap();
    assert_eq!(operator.delete(&format!("{path}/{id}")).await.status, 204);
    let keys = acme.owner.get("/api/v1/tenant/api-keys").await.expect(200);
    let id = keys["items"][0]["id"].as_str().unwrap();
    let revoked = acme.owner.delete(&format!("/api/v1/tenant/api-keys/{id}")).await;
    assert_eq!(revoked.status, 204);

    wait_until("both are gone", async || {
        connections(&operator).await["webSockets"] == 0
    })
    .await;
    drop((of_operator, of_machine));
}
