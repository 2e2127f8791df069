//! The log as a stream: nothing is missed and nothing comes twice, whatever happens to the connection.

use std::collections::BTreeSet;

use fairlead_telemetry::spawn;
use serde_json::json;
use support::process::{Program, Serving};
use support::{TestApp, TestDatabase, TestTenant, repetitions, wait_until};
use tokio::task::JoinHandle;

use super::consumers::serve;
use super::stream_reader::StreamReader;

/// Waits until the log shows the first so many leads; returns the cursor behind them. A transaction that is open
/// anywhere on the server, as those of other tests are, keeps what is written after its begin from being read.
pub(super) async fn until_logged(tenant: &TestTenant, leads: usize) -> String {
    let path = format!("/api/v1/events?type=lead_created&limit={leads}");
    let mut cursor = String::new();
    wait_until("the log has them", async || {
        let page = tenant.owner.get(&path).await.expect(200);
        page["nextCursor"].as_str().unwrap().clone_into(&mut cursor);
        page["items"].as_array().unwrap().len() == leads
    })
    .await;
    cursor
}

/// Writes so many leads at each of two processes, in tasks of their own.
pub(super) fn write_at(acme: &TestTenant, [one, other]: [&Serving; 2], leads: usize) -> [JoinHandle<()>; 2] {
    [(0, one), (1, other)].map(|(writer, serving)| {
        let acme = acme.at(&serving.url);
        spawn(async move {
            for number in 0..leads {
                acme.lead(&format!("{writer}/{number}")).await;
            }
        })
    })
}

/// Holds what was seen of [`write_at`] against what was written.
#[track_caller]
pub(super) fn assert_each_once_in_order(names: &[String], leads: usize) {
    let distinct: BTreeSet<&String> = names.iter().collect();
    assert_eq!((names.len(), distinct.len()), (2 * leads, 2 * leads));
    for writer in 0..2 {
        let prefix = format!("{writer}/");
        let in_order: Vec<String> = (0..leads).map(|number| format!("{prefix}{number}")).collect();
        let seen: Vec<String> = names
            .iter()
            .filter(|name| name.starts_with(&prefix))
            .cloned()
            .collect();
        assert_eq!(seen, in_order, "in the order of their commits");
    }
}

#[tokio::test]
async fn events_are_streamed_as_they_happen_to_those_of_their_tenant() {
    let app = TestApp::start().await;
    let (acme, globex) = (app.tenant("acme").await, app.tenant("globex").await);
    acme.lead("Before").await;
    until_logged(&acme, 1).await;
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
    let cursor = until_logged(&acme, 100).await;

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
    let writers = write_at(&acme, [&one, &other], events / 2);

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
    // What would come twice at the end comes before this.
    acme.lead("The last").await;
    assert_eq!(stream.names(1).await, ["The last"]);

    assert_each_once_in_order(&names, events / 2);
    println!("{events} events, {times} times cut off: each seen once");
}

#[tokio::test]
async fn who_joins_others_with_a_cursor_is_told_what_is_behind_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut other = StreamReader::open(&acme.owner, "?type=lead_created", None).await;
    acme.lead("Lead 0").await;
    let cursor = until_logged(&acme, 1).await;
    for number in 1..20 {
        acme.lead(&format!("Lead {number}")).await;
    }
    other.names(20).await;

    let query = format!("?type=lead_created&cursor={cursor}");
    let mut joined = StreamReader::open(&acme.owner, &query, None).await;
    acme.lead("Lead 20").await;

    let expected: Vec<String> = (1..21).map(|number| format!("Lead {number}")).collect();
    assert_eq!(joined.names(20).await, expected);
    assert_eq!(other.names(1).await, ["Lead 20"]);
}

#[tokio::test]
async fn a_filter_holds_for_what_the_log_has_and_for_what_comes() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (ann, bob) = (acme.lead("Ann").await, acme.lead("Bob").await);
    let cursor = until_logged(&acme, 2).await;
    let first = acme.owner.get("/api/v1/events?limit=1").await.expect(200);
    let of_bob = format!("?aggregateType=lead&aggregateId={bob}");
    let mut comes = StreamReader::open(&acme.owner, &of_bob, None).await;
    let from_start = format!("{of_bob}&cursor={}", first["nextCursor"].as_str().unwrap());
    let mut goes_on = StreamReader::open(&acme.owner, &from_start, None).await;
    let renamed = format!("?type=lead_updated&cursor={cursor}");
    let mut of_type = StreamReader::open(&acme.owner, &renamed, None).await;

    for (lead, score) in [(&ann, 1), (&bob, 2), (&ann, 3), (&bob, 4)] {
        let change = json!({ "qualityScore": score });
        acme.owner
            .patch(&format!("/api/v1/leads/{lead}"), change)
            .await
            .expect(200);
    }

    for _ in 0..2 {
        let event = comes.event().await;
        assert_eq!(
            (&event["type"], &event["aggregateid"]),
            (&json!("lead_updated"), &json!(bob))
        );
    }
    for expected in ["lead_created", "lead_updated", "lead_updated"] {
        let event = goes_on.event().await;
        assert_eq!(
            (&event["type"], &event["aggregateid"]),
            (&json!(expected), &json!(bob))
        );
    }
    for lead in [&ann, &bob, &ann, &bob] {
        let event = of_type.event().await;
        assert_eq!(
            (&event["type"], &event["aggregateid"]),
            (&json!("lead_updated"), &json!(lead))
        );
    }
}

#[tokio::test]
async fn who_is_cut_off_before_the_first_event_comes_back_to_where_it_began() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    acme.lead("Before").await;
    until_logged(&acme, 1).await;
    let stream = StreamReader::open(&acme.owner, "", None).await;
    let id = stream.last_id.clone();
    drop(stream);
    acme.lead("Between").await;

    let mut again = StreamReader::open(&acme.owner, "?type=lead_created", Some(&id)).await;

    assert_eq!(again.names(1).await, ["Between"]);
}
