//! Clients of several tenants that ask at a fixed rate, however fast they are answered, and what becomes of each request.
//!
//! `CROWD` in the environment is the JSON of [`Crowd`]; what is found is printed as JSON. A request counts from the moment
//! it was due, so that waiting for a free connection is waiting, too.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::env;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::LocalSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

const TICK: Duration = Duration::from_millis(1);
/// How long what is under way in the end may take.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Crowd {
    port: u16,
    /// How long is counted, after `warmUpSeconds`, in which the limit finds its place.
    seconds: f64,
    warm_up_seconds: f64,
    /// An answer that takes longer is of no use to anybody.
    useful_ms: f64,
    parties: Vec<Party>,
}

#[derive(Deserialize)]
struct Party {
    token: String,
    /// Requests a second; 0: as many as are answered.
    rate: f64,
    connections: usize,
    paths: Vec<String>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    /// Requests that were due.
    due: u64,
    served: u64,
    /// Those of the served that were so in time.
    useful: u64,
    /// 429 and 503.
    refused: u64,
    /// Any other answer, or none.
    failed: u64,
    /// Never sent: no connection was free in time.
    unsent: u64,
    served_ms: Percentiles,
    /// From the moment they were sent.
    refused_ms: Percentiles,
}

#[derive(Default, Serialize)]
struct Percentiles {
    p50: f64,
    p95: f64,
    p99: f64,
    max: f64,
}

/// What the connections of one party share.
#[derive(Default)]
struct Desk {
    due: RefCell<VecDeque<Instant>>,
    comes: Notify,
    found: RefCell<Found>,
    served: RefCell<Vec<f64>>,
    refused: RefCell<Vec<f64>>,
}

/// From when to when requests are counted, and how late is too late.
#[derive(Clone, Copy)]
struct Span {
    from: Instant,
    until: Instant,
    useful: Duration,
}

impl Span {
    fn has(&self, due: Instant) -> bool {
        (self.from..self.until).contains(&due)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let text = env::var("CROWD").context("CROWD is not set")?;
    let crowd: Crowd = serde_json::from_str(&text).context("CROWD is not understood")?;
    let begins = Instant::now() + Duration::from_millis(100);
    let from = begins + Duration::from_secs_f64(crowd.warm_up_seconds);
    let span = Span {
        from,
        until: from + Duration::from_secs_f64(crowd.seconds),
        useful: Duration::from_secs_f64(crowd.useful_ms / 1_000.0),
    };
    let desks: Vec<_> = crowd.parties.iter().map(|_| Rc::new(Desk::default())).collect();
    let local = LocalSet::new();
    for (party, desk) in crowd.parties.into_iter().zip(&desks) {
        let party = Rc::new(party);
        for number in 0..party.connections {
            let (party, desk) = (Rc::clone(&party), Rc::clone(desk));
            local.spawn_local(async move {
                // One that is closed is opened again.
                while Instant::now() < span.until {
                    if work(crowd.port, number, &party, &desk, span, begins).await.is_err() {
                        desk.found.borrow_mut().failed += 1;
                        tokio::time::sleep(TICK).await;
                    }
                }
            });
        }
        if party.rate > 0.0 {
            let desk = Rc::clone(desk);
            local.spawn_local(async move { tell(&desk, party.rate, begins, span).await });
        }
    }
    // What is under way in the end is answered, or given up.
    let _ = timeout(span.until + PATIENCE - Instant::now(), local).await;
    let found: Vec<Found> = desks.iter().map(|desk| desk.report(span)).collect();
    println!("{}", serde_json::to_string(&found)?);
    Ok(())
}

/// Says when requests are due: evenly, in lots of a millisecond.
async fn tell(desk: &Desk, rate: f64, begins: Instant, span: Span) {
    sleep_until(begins).await;
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut told = 0_u64;
    loop {
        ticks.tick().await;
        let now = Instant::now();
        if now >= span.until {
            break;
        }
        let wanted = (now - begins).as_secs_f64() * rate;
        while (told as f64) < wanted {
            let due = begins + Duration::from_secs_f64(told as f64 / rate);
            desk.due.borrow_mut().push_back(due);
            desk.found.borrow_mut().due += u64::from(span.has(due));
            desk.comes.notify_one();
            told += 1;
        }
    }
    // Nobody waits for more.
    desk.comes.notify_waiters();
}

async fn work(
    port: u16,
    number: usize,
    party: &Party,
    desk: &Desk,
    span: Span,
    begins: Instant,
) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.set_nodelay(true)?;
    sleep_until(begins).await;
    let requests: Vec<Vec<u8>> = party
        .paths
        .iter()
        .map(|path| {
            format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {}\r\n\r\n", party.token)
                .into_bytes()
        })
        .collect();
    let mut turn = number;
    let mut buffer = Vec::with_capacity(64 * 1024);
    loop {
        let Some(due) = next(party, desk, span).await else {
            return Ok(());
        };
        turn += 1;
        let sent = Instant::now();
        stream.write_all(&requests[turn % requests.len()]).await?;
        let status = read_answer(&mut stream, &mut buffer).await?;
        let now = Instant::now();
        if !span.has(due) {
            continue;
        }
        let mut found = desk.found.borrow_mut();
        match status {
            200 => {
                found.served += 1;
                found.useful += u64::from(now - due <= span.useful);
                desk.served.borrow_mut().push((now - due).as_secs_f64() * 1_000.0);
            }
            429 | 503 => {
                found.refused += 1;
                desk.refused.borrow_mut().push((now - sent).as_secs_f64() * 1_000.0);
            }
            _ => found.failed += 1,
        }
    }
}

/// Waits until a request is due; `None`: there are no more.
async fn next(party: &Party, desk: &Desk, span: Span) -> Option<Instant> {
    loop {
        let now = Instant::now();
        if party.rate <= 0.0 {
            desk.found.borrow_mut().due += u64::from(span.has(now));
            return (now < span.until).then_some(now);
        }
        let due = desk.due.borrow_mut().pop_front();
        if let Some(due) = due {
            // Its client has long gone.
            if now - due > span.useful {
                desk.found.borrow_mut().unsent += u64::from(span.has(due));
                continue;
            }
            return Some(due);
        }
        if now >= span.until {
            return None;
        }
        let comes = desk.comes.notified();
        let _ = timeout(span.until - now, comes).await;
    }
}

/// Reads one answer to its end, and returns its status.
async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<u16> {
    buffer.clear();
    let mut head = None;
    loop {
        let read = stream.read_buf(buffer).await?;
        ensure!(read > 0, "the server has closed the connection");
        if head.is_none() {
            head = buffer.windows(4).position(|part| part == b"\r\n\r\n");
        }
        let Some(end) = head else { continue };
        let text = str::from_utf8(&buffer[..end])?;
        let status = text.get(9..12).context("there is no status")?.parse()?;
        let length = text.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
        });
        let Some(length) = length else {
            bail!("the answer has no length");
        };
        if buffer.len() >= end + 4 + length? {
            return Ok(status);
        }
    }
}

impl Desk {
    fn report(&self, span: Span) -> Found {
        let mut found = self.found.take();
        let left = self.due.borrow();
        found.unsent += left.iter().filter(|due| span.has(**due)).count() as u64;
        found.served_ms = percentiles(self.served.take());
        found.refused_ms = percentiles(self.refused.take());
        found
    }
}

fn percentiles(mut values: Vec<f64>) -> Percentiles {
    values.sort_by(f64::total_cmp);
    let at = |part: f64| {
        let place = (values.len() as f64 * part) as usize;
        values.get(place.min(values.len().saturating_sub(1))).copied().unwrap_or(0.0)
    };
    Percentiles {
        p50: at(0.50),
        p95: at(0.95),
        p99: at(0.99),
        max: at(1.0),
    }
}
