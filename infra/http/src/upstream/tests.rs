use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use fairlead_domain::upstreams::BreakerState;
use fairlead_telemetry::request::{RequestContext, RequestId, TraceContext};
use serde::Deserialize;
use time::OffsetDateTime;
use time::macros::datetime;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

#[derive(Debug)]
struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> OffsetDateTime {
        datetime!(2026-11-22 12:00:00 UTC)
    }
}

#[derive(Debug, Deserialize)]
struct Answer {
    ok: bool,
}

const WELL: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: 11\r\n\r\n{\"ok\":true}";
const SILENT: &str = "";

fn status(status: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")
}

/// A service that answers each connection with what comes next, and closes it; with nothing, it stays silent.
struct Service {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Service {
    async fn start(answers: impl IntoIterator<Item = String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let mut answers: VecDeque<String> = answers.into_iter().collect();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let note = Arc::clone(&asked);
        fairlead_telemetry::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let answer = answers.pop_front().unwrap_or_else(|| WELL.to_owned());
                fairlead_telemetry::spawn(serve(stream, answer, Arc::clone(&note)));
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(mut stream: TcpStream, answer: String, asked: Arc<Mutex<Vec<String>>>) {
    let mut read = vec![0; 4096];
    let length = stream.read(&mut read).await.unwrap_or(0);
    let text = String::from_utf8_lossy(&read[..length]).into_owned();
    asked.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    if answer == SILENT {
        sleep(Duration::from_mins(1)).await;
    }
    let _ = stream.write_all(answer.as_bytes()).await;
}

fn upstream(service: &Service) -> Upstream {
    upstream_with(service, |_| {})
}

fn upstream_with(service: &Service, change: impl FnOnce(&mut UpstreamSettings)) -> Upstream {
    let mut settings = UpstreamSettings {
        name: "test",
        url: service.url.clone(),
        user_agent: "test".to_owned(),
        credential: Some(UpstreamCredential {
            header: "authorization",
            value: "Bearer hidden".to_owned(),
        }),
        connect_timeout: Duration::from_secs(2),
        timeout: Duration::from_secs(5),
        max_answer_bytes: 1_000,
        max_in_flight: 2,
        max_wait: Duration::from_millis(20),
        retry_percent: 100,
        breaker: BreakerSettings {
            failures: 5,
            window: Duration::from_mins(1),
            recovery: Duration::from_mins(1),
            probe_timeout: Duration::from_secs(10),
        },
    };
    change(&mut settings);
    Upstream::new(settings, Arc::new(FixedClock)).unwrap()
}

fn get() -> Call {
    Call {
        path: "/thing".to_owned(),
        repeat: Repeat::WhereFree,
        ..Call::default()
    }
}

/// One that the service knows again.
fn keyed() -> Call {
    Call {
        method: Method::POST,
        headers: vec![("idempotency-key", "a key".to_owned())],
        body: Some("{}".into()),
        repeat: Repeat::Always,
        ..get()
    }
}

async fn fault(upstream: &Upstream, call: &Call) -> UpstreamFault {
    upstream.call::<Answer>(call).await.unwrap_err()
}

#[tokio::test]
async fn a_call_brings_what_it_is_answered_with_and_shows_its_credential_to_the_service_alone() {
    let service = Service::start([]).await;
    let upstream = upstream(&service);

    let answer: Answer = upstream.call(&get()).await.unwrap();

    assert!(answer.ok);
    let asked = service.asked();
    assert!(asked[0].starts_with("GET /thing HTTP/1.1"), "{asked:?}");
    assert!(asked[0].contains("authorization: Bearer hidden"), "{asked:?}");
    assert!(!format!("{upstream:?}").contains("hidden"));
}

#[tokio::test]
async fn what_is_wrong_with_an_answer_is_told_apart() {
    let html = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 11\r\n\r\n{\"ok\":true}";
    let other = WELL.replace("\"ok\"", "\"ko\"");
    let long = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 104857600\r\n\r\n";
    let endless = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{}",
        " ".repeat(2_000)
    );
    let faults = [
        (status("500 Oops"), UpstreamFault::Failed(500)),
        (status("302 Found"), UpstreamFault::Failed(302)),
        (status("401 Unauthorized"), UpstreamFault::Denied(401)),
        (status("404 Not Found"), UpstreamFault::Refused(404)),
        (status("429 Slow Down"), UpstreamFault::RateLimited),
        (html.to_owned(), UpstreamFault::Malformed),
        (other, UpstreamFault::Malformed),
        (long.to_owned(), UpstreamFault::TooLarge(1_000)),
        (endless, UpstreamFault::TooLarge(1_000)),
        ("HTTP/1.1".to_owned(), UpstreamFault::Broken),
    ];
    let service = Service::start(faults.iter().map(|(answer, _)| answer.clone())).await;
    let upstream = upstream_with(&service, |settings| {
        settings.breaker.failures = 100;
        settings.retry_percent = 0;
    });

    for (_, expected) in &faults {
        assert_eq!(fault(&upstream, &get()).await, *expected);
    }

    let report = upstream.report();
    assert_eq!(
        (report.calls, report.succeeded, report.faults.iter().sum::<u64>()),
        (10, 0, 10)
    );
    assert_eq!(report.failures, 9, "one that refuses is well");
    assert_eq!(report.last_faults.len(), 9);
    assert_eq!(report.last_faults[0].fault, UpstreamFault::Broken);
}

#[tokio::test]
async fn nobody_who_answers_is_no_connection() {
    let service = Service {
        url: "http://127.0.0.1:1".to_owned(),
        asked: Arc::default(),
    };

    let fault = fault(&upstream(&service), &get()).await;

    assert_eq!(fault, UpstreamFault::NoConnection);
}

#[tokio::test]
async fn what_passes_is_tried_once_more_if_it_may_be() {
    let service = Service::start([status("503 Away"), status("503 Away"), status("503 Away")]).await;
    let (upstream, never) = (
        upstream(&service),
        upstream_with(&service, |settings| settings.retry_percent = 0),
    );

    assert_eq!(fault(&never, &get()).await, UpstreamFault::Failed(503));
    assert_eq!(service.asked().len(), 1);
    assert_eq!(fault(&upstream, &get()).await, UpstreamFault::Failed(503));
    assert_eq!(service.asked().len(), 3);
    upstream.call::<Answer>(&get()).await.unwrap();

    let report = upstream.report();
    assert_eq!((report.calls, report.retries, report.succeeded), (2, 1, 1));
}

#[tokio::test]
async fn a_service_says_when_it_wants_to_be_asked_again_and_is_not_waited_for_in_vain() {
    let after =
        |seconds: u32| format!("HTTP/1.1 429 Slow\r\nretry-after: {seconds}\r\ncontent-length: 0\r\n\r\n");
    let service = Service::start([after(0), WELL.to_owned(), after(3_600)]).await;
    let upstream = upstream(&service);

    upstream.call::<Answer>(&get()).await.unwrap();
    assert_eq!(fault(&upstream, &get()).await, UpstreamFault::RateLimited);

    assert_eq!(upstream.report().retries, 1);
    assert_eq!(service.asked().len(), 3);
}

#[tokio::test]
async fn a_call_ends_at_its_time_or_before_its_request_does() {
    let service = Service::start([SILENT; 2].map(str::to_owned)).await;
    let upstream = upstream_with(&service, |settings| settings.timeout = Duration::from_secs(30));
    let deadline = Instant::now() + AFTERWARDS + Duration::from_millis(200);
    let context = RequestContext::new(RequestId::random(), TraceContext::begin(), Some(deadline));

    let limited = request::scope(Arc::new(context), fault(&upstream, &get())).await;

    assert!(matches!(limited, UpstreamFault::TimedOut(limit) if limit < Duration::from_millis(201)));
    assert_eq!(upstream.report().failures, 0, "it had no time to answer");
    let upstream = upstream_with(&service, |settings| settings.timeout = Duration::from_millis(50));
    assert_eq!(
        fault(&upstream, &get()).await,
        UpstreamFault::TimedOut(Duration::from_millis(50))
    );
    assert_eq!(upstream.report().failures, 1);
}

#[tokio::test]
async fn as_many_calls_as_may_be_are_under_way_and_others_do_not_wait_for_long() {
    let service = Service::start([SILENT; 2].map(str::to_owned)).await;
    let upstream = Arc::new(upstream(&service));
    let hang = || {
        let upstream = Arc::clone(&upstream);
        fairlead_telemetry::spawn(async move { upstream.call::<Answer>(&get()).await.map(drop) })
    };
    let hanging = [hang(), hang()];
    while upstream.report().in_flight < 2 {
        tokio::task::yield_now().await;
    }

    assert_eq!(fault(&upstream, &get()).await, UpstreamFault::Full);

    for call in hanging {
        call.abort();
    }
    while upstream.report().in_flight > 0 {
        tokio::task::yield_now().await;
    }
    upstream.call::<Answer>(&get()).await.unwrap();
    assert_eq!(upstream.report().state, BreakerState::Closed);
}

#[tokio::test]
async fn a_service_that_fails_is_not_called_until_one_call_finds_it_well() {
    let failures = std::iter::repeat_n(status("500 Oops"), 5);
    let service = Service::start(failures).await;
    let upstream = upstream_with(&service, |settings| {
        settings.breaker.recovery = Duration::from_millis(50);
        settings.retry_percent = 0;
    });

    for _ in 0..5 {
        assert_eq!(fault(&upstream, &get()).await, UpstreamFault::Failed(500));
    }
    assert_eq!(upstream.report().state, BreakerState::Open);
    assert_eq!(fault(&upstream, &get()).await, UpstreamFault::Open);
    assert_eq!(service.asked().len(), 5);
    sleep(Duration::from_millis(60)).await;
    upstream.call::<Answer>(&get()).await.unwrap();

    assert_eq!(upstream.report().state, BreakerState::Closed);
}

#[tokio::test]
async fn nobody_is_asked_when_there_is_no_time_for_an_answer() {
    let service = Service::start([]).await;
    let upstream = upstream(&service);
    let context = RequestContext::new(RequestId::random(), TraceContext::begin(), Some(Instant::now()));

    let hurried = request::scope(Arc::new(context), fault(&upstream, &get())).await;

    assert_eq!(hurried, UpstreamFault::NoTime);
    assert!(hurried.is_free());
    assert_eq!((upstream.report().failures, service.asked().len()), (0, 0));
}

#[tokio::test]
async fn calls_that_were_not_made_pay_for_no_retry() {
    let service = Service::start([status("503 Away")]).await;
    let upstream = upstream_with(&service, |settings| settings.retry_percent = 50);
    upstream.breaker.hold(Hold {
        operator: "olga".to_owned(),
        reason: "a test".to_owned(),
        since: FixedClock.now(),
        until: None,
    });
    for _ in 0..100 {
        assert_eq!(fault(&upstream, &get()).await, UpstreamFault::Open);
    }
    upstream.breaker.close();

    assert_eq!(fault(&upstream, &get()).await, UpstreamFault::Failed(503));

    assert_eq!((upstream.report().retries, service.asked().len()), (0, 1));
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_any_more_is_counted_so() {
    let service = Service::start([SILENT.to_owned()]).await;
    let upstream = upstream(&service);

    let given_up = timeout(Duration::from_millis(50), upstream.call::<Answer>(&get())).await;

    assert!(given_up.is_err());
    let report = upstream.report();
    assert_eq!((report.calls, report.in_flight, report.failures), (1, 0, 0));
    assert_eq!(report.faults[UpstreamFault::Cancelled.place()], 1);
}

#[tokio::test]
async fn what_costs_is_not_asked_of_a_service_that_does_not_answer_what_costs_nothing() {
    let failing = || status("500 Internal Server Error");
    let service = Service::start([failing(), failing(), WELL.to_owned(), failing()]).await;
    let upstream = upstream_with(&service, |settings| {
        settings.retry_percent = 0;
        settings.breaker.failures = 1;
        settings.breaker.recovery = Duration::from_millis(100);
    });
    let costly = Call {
        herald: Some("/free".to_owned()),
        ..get()
    };
    let mut faults = vec![fault(&upstream, &costly).await];
    for _ in 0..3 {
        sleep(Duration::from_millis(150)).await;
        faults.extend(upstream.call::<Answer>(&costly).await.err());
    }

    assert_eq!(
        faults,
        [
            UpstreamFault::Failed(500),
            UpstreamFault::Open,
            UpstreamFault::Failed(500)
        ]
    );
    let paths: Vec<String> = service
        .asked()
        .iter()
        .map(|asked| asked.split(' ').nth(1).unwrap_or_default().to_owned())
        .collect();
    assert_eq!(paths, ["/thing", "/free", "/free", "/thing", "/free", "/thing"]);
    assert_eq!(upstream.report().state, BreakerState::Closed);
}

#[tokio::test]
async fn a_refusal_may_be_of_the_credential_and_says_so_in_its_body() {
    let refusal = |body: &str| {
        let head = "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n";
        format!("{head}content-length: {}\r\n\r\n{body}", body.len())
    };
    let service = Service::start([refusal("no key"), refusal("no model")]).await;
    let upstream = upstream(&service);
    let call = Call {
        denial: Some(|body| body == b"no key"),
        repeat: Repeat::Never,
        ..get()
    };

    assert_eq!(fault(&upstream, &call).await, UpstreamFault::Denied(400));
    assert_eq!(fault(&upstream, &call).await, UpstreamFault::Refused(400));
}

#[tokio::test]
async fn what_broke_off_is_tried_again_where_the_service_knows_the_call_by_its_key() {
    let broken = || "HTTP/1.1".to_owned();
    let service = Service::start([broken(), WELL.to_owned(), broken()]).await;
    let upstream = upstream(&service);

    upstream.call::<Answer>(&keyed()).await.unwrap();
    assert_eq!(fault(&upstream, &get()).await, UpstreamFault::Broken);

    let asked = service.asked();
    assert_eq!(asked.len(), 3);
    for same in &asked[..2] {
        assert!(same.contains("idempotency-key: a key"), "{asked:?}");
    }
}

#[tokio::test]
async fn a_service_that_says_whether_it_wants_to_be_asked_again_is_believed() {
    let says = |status: &str, says: &str| {
        format!("HTTP/1.1 {status}\r\nstripe-should-retry: {says}\r\ncontent-length: 0\r\n\r\n")
    };
    let service = Service::start([
        says("500 Failed", "false"),
        says("409 Conflict", "true"),
        WELL.to_owned(),
    ])
    .await;
    let upstream = upstream(&service);

    assert_eq!(fault(&upstream, &keyed()).await, UpstreamFault::Failed(500));
    assert_eq!(service.asked().len(), 1);
    upstream.call::<Answer>(&keyed()).await.unwrap();

    assert_eq!(service.asked().len(), 3);
}

#[tokio::test]
async fn what_a_service_says_of_a_refusal_is_read_up_to_a_length_and_not_printed() {
    let refusal = |length: usize| {
        format!(
            "HTTP/1.1 400 No\r\ncontent-length: {length}\r\n\r\n{}",
            "x".repeat(length)
        )
    };
    let service = Service::start([refusal(12), refusal(2_000)]).await;
    let upstream = upstream(&service);
    let refused = async || upstream.call_for_more::<Answer>(&get()).await.unwrap_err();

    let (short, long) = (refused().await, refused().await);

    assert_eq!((short.refusal.len(), long.refusal.len()), (12, 0));
    assert_eq!(format!("{short:?}"), "Failed(refused)");
}
