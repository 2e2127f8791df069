//! The log as a stream: nothing is missed and nothing comes twice, whatever happens to client, server and connection.

use std::collections::BTreeSet;
use std::time::Duration;

use fairlead_telemetry::spawn;
use serde_json::json;
use support::process::Program;
use support::{TestApp, TestDatabase, TestTenant, repetitions, wait_until};
use tokio::time::{Instant, sleep, timeout};

use super::consumers::{figure, serve};
use super::stream_reader::StreamReader;

#[tokio::test]
async fn events_are_streamed_as_they_happen_to_those_of_their_tenant() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    acme.lead("Before").await;
    let mut of_acme = StreamReader::open(&acme.owner, "", None).await;
    let mut of_globex = StreamReader::open(&globex.owner, "?type=lead_created", None).await;

    let lead = acme.lead("Ann").await;
    globex.lead("Bob").await;

    let event = of_acme.event().await;
    assert_eq!(event["type"], "lead_created");
    assert_eq!(event["aggregateid"].as_str(), Some(lead.as_str()));
    assert_eq!(event["data"]["name"], "Ann", "what was before is not told");
    assert_eq!(
        of_globex.event().await["data"]["name"],
        "Bob",
        "what others do is not told"
    );
    let listed = acme
        .owner
        .get("/api/v1/events?type=lead_created&limit=200")
        .await
        .expect(200);
    assert_eq!(
        listed["items"].as_array().unwrap().last(),
        Some(&event),
        "the log has the same"
    );
}

#[tokio::test]
async fn a_stream_goes_on_from_a_cursor_of_the_log_and_from_its_own_ids() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for number in 0..450 {
        acme.lead(&format!("Lead {number}")).await;
    }
    let mut cursor = String::new();
    wait_until("the log has them", async || {
        let page = acme
            .owner
            .get("/api/v1/events?type=lead_created&limit=100")
            .await
            .expect(200);
        page["nextCursor"].as_str().unwrap().clone_into(&mut cursor);
        page["items"].as_array().unwrap().len() == 100
    })
    .await;

    let query = format!("?type=lead_created&cursor={cursor}");
    let mut stream = StreamReader::open(&acme.owner, &query, None).await;
    let first = stream.names(200).await;
    let id = stream.last_id.clone();
    drop(stream);
    acme.lead("Lead 450").await;
    // The id counts, and not the cursor that a browser sends again.
    let mut again = StreamReader::open(&acme.owner, &query, Some(&id)).await;
    let rest = again.names(151).await;

    let all: Vec<String> = (100..451).map(|number| format!("Lead {number}")).collect();
    assert_eq!([first, rest].concat(), all);
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
    let mut stream = StreamReader::open(&acme.owner, "?type=lead_created", None).await;
    let writers: Vec<_> = [&one, &other]
        .into_iter()
        .enumerate()
        .map(|(writer, serving)| {
            let acme = acme.at(&serving.url);
            spawn(async move {
                for number in 0..events / 2 {
                    acme.lead(&format!("{writer}/{number}")).await;
                }
            })
        })
        .collect();

    let mut names = Vec::new();
    for round in 0..times {
        names.extend(stream.names(rand::random_range(1..100)).await);
        let id = stream.last_id.clone();
        drop(stream);
        // At either process: both know the whole log.
        let serving = if round % 2 == 0 { &other } else { &one };
        stream = StreamReader::open(&acme.at(&serving.url).owner, "?type=lead_created", Some(&id)).await;
    }
    names.extend(stream.names(events - names.len()).await);
    for writer in writers {
        writer.await.unwrap();
    }

    let distinct: BTreeSet<&String> = names.iter().collect();
    assert_eq!((names.len(), distinct.len()), (events, events));
    for writer in 0..2 {
        let prefix = format!("{writer}/");
        let in_order: Vec<String> = (0..events / 2)
            .map(|number| format!("{prefix}{number}"))
            .collect();
        let seen: Vec<String> = names
            .iter()
            .filter(|name| name.starts_with(&prefix))
            .cloned()
            .collect();
        assert_eq!(seen, in_order, "in the order of their commits");
    }
    println!("{events} events, {times} times cut off: each seen once");
}

#[tokio::test]
async fn who_reads_slowly_finds_the_rest_in_the_log() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut stream = StreamReader::open(&acme.owner, "?type=lead_created", None).await;
    // More than all buffers on the way take, and far more than the ring.
    let filling = "x".repeat(8_000);
    for bulk in 0..3 {
        let leads: Vec<_> = (0..1000)
            .map(|number| json!({ "name": format!("{bulk}/{number}"), "customFields": { "filling": filling } }))
            .collect();
        let answer = acme
            .owner
            .post("/api/v1/leads/bulk", json!({ "leads": leads }))
            .await;
        assert!(answer.status.is_success(), "{answer:?}");
    }

    let names = stream.names(3000).await;

    let all: Vec<String> = (0..3000)
        .map(|number| format!("{}/{}", number / 1000, number % 1000))
        .collect();
    assert_eq!(names, all);
}

#[tokio::test]
async fn a_stream_ends_with_its_credential() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let machine = acme.machine(&["events:read"]).await;
    let mut stream = StreamReader::open(&machine, "", None).await;

    let keys = acme.owner.get("/api/v1/tenant/api-keys").await.expect(200);
    let id = keys["items"][0]["id"].as_str().unwrap();
    let revoked = acme.owner.delete(&format!("/api/v1/tenant/api-keys/{id}")).await;
    assert_eq!(revoked.status, 204);

    let ended = timeout(Duration::from_secs(30), async {
        let mut last = None;
        while let Some(block) = stream.block().await {
            last = Some(block);
        }
        last
    });
    let last = ended.await.expect("the stream ends").unwrap();
    assert_eq!(
        last.comment.as_deref(),
        Some("the credential has expired, or was revoked")
    );
}

#[tokio::test]
async fn a_server_that_stops_sends_its_readers_away_at_once() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database);
    let serving = serve(&program).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let mut stream = StreamReader::open(&acme.owner, "", None).await;

    serving.signal("TERM");
    let told = Instant::now();
    let mut last = None;
    while let Some(block) = stream.block().await {
        last = Some(block);
    }

    println!("sent away {} ms after SIGTERM", told.elapsed().as_millis());
    assert!(last.unwrap().retry.is_some(), "with a word on when to come back");
}

#[tokio::test]
async fn no_tenant_takes_all_streams() {
    let app = TestApp::start_with(|config| {
        config.events.stream.max = 3;
        config.events.stream.max_per_tenant = 2;
    })
    .await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    let one = StreamReader::open(&acme.owner, "", None).await;
    let _two = StreamReader::open(&acme.owner, "", None).await;

    let of_tenant = acme.owner.get("/api/v1/events/stream").await;
    assert_eq!(
        (of_tenant.status.as_u16(), of_tenant.problem()),
        (429, "too-many-streams".to_owned())
    );
    assert_eq!(of_tenant.header("retry-after"), Some("5"));
    let _three = StreamReader::open(&globex.owner, "", None).await;
    assert_eq!(figure(app.metrics_url(), "events_followers").await, 3);
    let of_all = globex.owner.get("/api/v1/events/stream").await;
    assert_eq!(of_all.status, 429);
    drop(one);

    // The server finds out that a client is gone when it has something to say.
    acme.lead("Ann").await;
    wait_until("there is room again", async || {
        sleep(Duration::from_millis(100)).await;
        acme.lead("Bob").await;
        acme.owner.get("/api/v1/events/stream").await.status == 200
    })
    .await;
}
