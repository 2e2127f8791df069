//! A process that is told to stop while much is under way.

use std::time::{Duration, Instant};

use fairlead_telemetry::spawn;
use futures_util::future::join_all;
use support::process::{Program, Serving};
use support::{TestDatabase, TestTenant, wait_until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::exports::{HeldUp, open};
use super::{id, wait_for_end};
use crate::events::stream_ends::AtOnce;

const STREAMS: usize = 2_000;
const REQUESTS: usize = 200;
/// So many are opened at once.
const LOT: usize = 100;
const BODY: &str = r#"{"name": "Ann Under Way"}"#;

/// A connection whose bytes are sent and read by hand.
struct Raw {
    stream: TcpStream,
    read: String,
}

impl Raw {
    async fn send(to: &Serving, text: &str) -> Self {
        let address = to.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        Self {
            stream,
            read: String::new(),
        }
    }

    /// Reads on until this was said, and panics at the end.
    async fn until(&mut self, said: &str) {
        while !self.read.contains(said) {
            assert!(self.more().await, "it ended: {}", self.read);
        }
    }

    /// Reads to the end.
    async fn rest(&mut self) {
        while self.more().await {}
    }

    /// Reads what comes next; `false` at the end.
    async fn more(&mut self) -> bool {
        let mut piece = [0; 4_096];
        let count = self.stream.read(&mut piece).await.unwrap();
        self.read.push_str(std::str::from_utf8(&piece[..count]).unwrap());
        count > 0
    }
}

fn head(line: &str, key: &str, more: &str) -> String {
    format!("{line} HTTP/1.1\r\nhost: localhost\r\nx-tenant-key: {key}\r\n{more}\r\n")
}

/// Opens what `open` does so many times, some at once.
async fn many(count: usize, open: impl AsyncFn() -> Raw) -> Vec<Raw> {
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        all.extend(join_all((0..LOT).map(|_| open())).await);
    }
    all
}

/// Follows events until the stream ends, and returns when it did with what was said last.
fn follow(mut stream: Raw) -> JoinHandle<(Instant, String)> {
    spawn(async move {
        stream.read.clear();
        stream.rest().await;
        (Instant::now(), stream.read)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stops_ends_streams_at_once_finishes_requests_and_leaves_its_job_to_another() {
    let database = TestDatabase::create().await;
    let program = Program::on(&database)
        .with("FAIRLEAD__HTTP__DRAIN_MS", "1000")
        .with("FAIRLEAD__EVENTS__STREAM__MAX_PER_TENANT", "10000")
        .with("FAIRLEAD__HTTP__CONNECTIONS_PER_ADDRESS", "10000");
    let stopped = program.serve().await.unwrap();
    let acme = TestTenant::sign_up(stopped.anonymous(), "acme").await;
    let HeldUp {
        operation,
        mut gate,
        mut other,
        ..
    } = HeldUp::of(&database, &acme, 4_500).await;
    let elsewhere = program.serve().await.unwrap();
    let key = acme.key(&["events:read", "leads:write"]).await;
    let following = head("GET /api/v1/events/stream", &key, "");
    let streams = many(STREAMS, async || {
        let mut stream = Raw::send(&stopped, &following).await;
        // Its place, with which it begins.
        stream.until("\nid: ").await;
        stream
    })
    .await;
    let (first, second) = BODY.split_at(9);
    let length = format!(
        "content-type: application/json\r\ncontent-length: {}\r\n",
        BODY.len()
    );
    let posting = head("POST /api/v1/leads", &key, &length) + first;
    let mut requests = many(REQUESTS, async || Raw::send(&stopped, &posting).await).await;

    let followed: Vec<_> = streams.into_iter().map(follow).collect();
    let (told, began) = (AtOnce::from_now(), Instant::now());
    stopped.signal("TERM");
    let mut ends = Vec::with_capacity(STREAMS);
    for stream in followed {
        let (ended, last) = stream.await.unwrap();
        assert!(last.contains("retry: "), "it is told when to come back: {last:?}");
        ends.push(ended.duration_since(began));
    }
    let closed = told.assert();
    ends.sort_unstable();
    // Who has sent half of a request sends the rest now.
    for request in &mut requests {
        request.stream.write_all(second.as_bytes()).await.unwrap();
    }
    for request in &mut requests {
        request.until("\r\n\r\n").await;
        assert!(request.read.starts_with("HTTP/1.1 201 "), "{}", request.read);
        assert!(
            request.read.to_lowercase().contains("connection: close"),
            "{}",
            request.read
        );
    }
    let finished = began.elapsed();
    open(&mut gate).await;
    let ended = stopped.ended().await;
    let exit = began.elapsed();
    let end = wait_for_end(&acme.owner.at(&elsewhere.url), &operation).await;
    let turns: i64 = sqlx::query_scalar("SELECT count(*) FROM jobs WHERE unique_key = $1")
        .bind(id(&operation))
        .fetch_one(&mut other)
        .await
        .unwrap();

    println!(
        "{STREAMS} streams told and closed after {closed:?} (half of them {:?}), {REQUESTS} requests finished after \
         {finished:?}, exit after {exit:?}",
        ends[STREAMS / 2]
    );
    assert!(ended.status.success(), "{ended:?}");
    assert!(exit < Duration::from_secs(30), "{exit:?}");
    assert!(turns > 1, "who stopped has done all of it");
    assert_eq!(end["state"], "completed", "{end}");
    assert_eq!(end["result"]["successful"], 4_500, "{end}");
}

#[tokio::test]
async fn a_connection_that_is_kept_is_answered_on_once_more_when_its_process_stops() {
    let database = TestDatabase::create().await;
    // It is not waited for when no connection is open.
    let program = Program::on(&database).with("FAIRLEAD__HTTP__DRAIN_MS", "60000");
    let stopped = program.serve().await.unwrap();
    let asking = head("GET /health/live", "none", "");
    let mut kept = Raw::send(&stopped, &asking).await;
    kept.until("\r\n\r\n").await;
    let before = kept.read.to_lowercase();

    stopped.signal("TERM");
    wait_until("it has begun to stop", async || {
        stopped.log().iter().any(|line| line.contains("stopping"))
    })
    .await;
    kept.read.clear();
    kept.stream.write_all(asking.as_bytes()).await.unwrap();
    kept.rest().await;
    let ended = stopped.ended().await;

    assert!(!before.contains("connection: close"), "{before}");
    let after = kept.read.to_lowercase();
    assert!(
        after.contains("http/1.1 200 ") && after.contains("connection: close"),
        "{after}"
    );
    assert!(ended.status.success(), "{ended:?}");
}
