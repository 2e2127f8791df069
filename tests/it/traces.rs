//! Spans, as a collector is told of them.

use std::time::{Duration, Instant};

use reqwest::Method;
use support::collector::{CollectedSpan, SpanCollector, SpanKind};
use support::process::Program;
use support::provider::{KEY, MODEL, Provider};
use support::service::Mood;
use support::{TestDatabase, TestTenant, wait_until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const FAILING: &str = "4bf92f3577b34da6a3ce929d0e0e4737";
const CLIENT: &str = "00f067aa0ba902b7";

#[tokio::test]
async fn a_request_is_told_with_all_that_it_has_brought_about() {
    let collector = SpanCollector::start().await;
    let provider = Provider::start().await;
    provider.say(r#"{"score": 72, "reasons": ["was referred"]}"#);
    let database = TestDatabase::create().await;
    let program = Program::on(&database)
        .with("FAIRLEAD__TRACING__OTLP_URL", &collector.url())
        .with("FAIRLEAD__TRACING__PERCENT", "0")
        .with("FAIRLEAD__AI__PROVIDER", "openai")
        .with("FAIRLEAD__AI__URL", &provider.openai())
        .with("FAIRLEAD__AI__MODEL", MODEL)
        .with("FAIRLEAD__AI__API_KEY", KEY);
    let serving = program.serve().await.unwrap();
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let lead = acme.lead("Ann Secret").await;
    let other = acme.lead("Bob Secret").await;
    let ask = async |path: &str| {
        let request = acme.owner.request(Method::POST, path);
        let request = request.header("traceparent", format!("00-{TRACE}-{CLIENT}-01"));
        acme.owner.send(request).await
    };

    // One that asks a service and records an event, and one that enqueues a job.
    ask(&format!("/api/v1/leads/{lead}/score")).await.expect(200);
    ask("/api/v1/leads/export").await.expect(202);
    let mut spans = Vec::new();
    let named = |spans: &[CollectedSpan], name: &str| -> Option<CollectedSpan> {
        spans.iter().find(|span| span.name.starts_with(name)).cloned()
    };
    wait_until("all of it is told", async || {
        spans = collector.of_trace(TRACE);
        ["handle lead_scored", "job "]
            .iter()
            .all(|name| named(&spans, name).is_some())
    })
    .await;

    let score = named(&spans, "POST /api/v1/leads/{id}/score").unwrap();
    assert_eq!(
        (score.kind, &*score.parent),
        (SpanKind::Server, CLIENT),
        "{spans:#?}"
    );
    assert_eq!(score.attributes["http.response.status_code"], "200");
    let part = |whole: &CollectedSpan, name: &str| {
        let mut named = spans
            .iter()
            .filter(|span| span.name.starts_with(name) && lies_within(span, whole, &spans));
        named
            .next()
            .unwrap_or_else(|| panic!("no {name} of {} in {spans:#?}", whole.name))
            .clone()
    };
    // Statements lie within it, by the one clock, and within what asks for them.
    let asking = part(&score, "db.leads.");
    let statement = part(&asking, "SELECT");
    assert_eq!(
        (statement.kind, &*statement.attributes["db.system.name"]),
        (SpanKind::Client, "postgresql")
    );
    assert!(
        statement.began >= score.began && statement.ended <= score.ended,
        "{statement:#?} in {score:#?}"
    );
    // The service was told its place in the trace.
    let call = part(&score, "call ai");
    let sent = provider.asked()[0].headers["traceparent"].clone();
    assert_eq!(sent, format!("00-{TRACE}-{}-01", call.id));
    // What happens behind the request goes on in its trace.
    let handled = part(&score, "handle lead_scored");
    assert_eq!((handled.kind, &handled.parent), (SpanKind::Consumer, &score.id));
    part(&handled, "db.");
    let export = named(&spans, "POST /api/v1/leads/export").unwrap();
    let job = named(&spans, "job ").unwrap();
    assert_eq!(
        (job.kind, &job.parent),
        (SpanKind::Consumer, &export.id),
        "{spans:#?}"
    );
    part(&job, "SELECT");
    // What went wrong is told as that.
    assert!(!call.has_failed && !score.has_failed, "{spans:#?}");
    provider.be(Mood::Fails);
    let again = acme
        .owner
        .request(Method::POST, &format!("/api/v1/leads/{other}/score"));
    let again = again.header("traceparent", format!("00-{FAILING}-{CLIENT}-01"));
    acme.owner.send(again).await;
    wait_until("a call that failed is told", async || {
        let told = collector.of_trace(FAILING);
        named(&told, "call ai").is_some_and(|call| call.has_failed)
    })
    .await;
    // Nobody's values, and nobody's credentials.
    let all = format!("{:?}", collector.all());
    for secret in ["Ann Secret", "Bob Secret", KEY, "Bearer", "acme.test"] {
        assert!(!all.contains(secret), "{secret}");
    }
    // Of traces that begin here, none was to be told.
    let ours = [TRACE, FAILING];
    assert!(collector.all().iter().all(|span| ours.contains(&&*span.trace_id)));
}

/// Whether a span is a part of another, or of a part of it.
fn lies_within(span: &CollectedSpan, whole: &CollectedSpan, all: &[CollectedSpan]) -> bool {
    span.parent == whole.id
        || all
            .iter()
            .find(|outer| outer.id == span.parent)
            .is_some_and(|outer| lies_within(outer, whole, all))
}

#[tokio::test]
async fn what_waits_is_told_before_the_process_ends() {
    let collector = SpanCollector::start().await;
    let database = TestDatabase::create().await;
    let program = Program::on(&database)
        .with("FAIRLEAD__TRACING__OTLP_URL", &collector.url())
        .with("FAIRLEAD__TRACING__PERCENT", "0");
    let serving = program.serve().await.unwrap();
    let anonymous = serving.anonymous();
    let request = anonymous.request(Method::GET, "/api/v1/carriers");
    let request = request.header("traceparent", format!("00-{TRACE}-{CLIENT}-01"));
    let refused = anonymous.send(request).await;
    let place = refused.header("traceparent").unwrap().to_owned();

    serving.signal("TERM");
    let ended = serving.ended().await;
    assert!(ended.status.success(), "{ended:?}");

    let told = collector.of_trace(TRACE);
    let request = told.iter().find(|span| span.parent == CLIENT).unwrap();
    assert_eq!(place, format!("00-{TRACE}-{}-01", request.id));
    assert_eq!(request.attributes["http.response.status_code"], "401");
}

#[tokio::test]
async fn a_collector_that_is_away_holds_up_nobody() {
    let database = TestDatabase::create().await;
    // A port where nobody answers, as 192.0.2.0/24 is for examples alone.
    let program = Program::on(&database)
        .with("FAIRLEAD__TRACING__OTLP_URL", "http://192.0.2.1:4318")
        .with("FAIRLEAD__TRACING__PERCENT", "100")
        .with("FAIRLEAD__TRACING__QUEUE", "64");
    let serving = program.serve().await.unwrap();
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let began = Instant::now();

    for _ in 0..200 {
        acme.owner.get("/api/v1/carriers").await.expect(200);
    }

    // Each would have waited for five seconds.
    assert!(began.elapsed() < Duration::from_mins(1), "{:?}", began.elapsed());
    wait_until("it is told how many were lost", async || {
        let metrics = reqwest::get(serving.metrics_url()).await.unwrap();
        let metrics = metrics.text().await.unwrap();
        let mut lines = metrics.lines();
        let lost = lines.find_map(|line| line.strip_prefix("trace_spans_lost_total "));
        lost.unwrap().parse::<f64>().unwrap() > 0.0
    })
    .await;
}
