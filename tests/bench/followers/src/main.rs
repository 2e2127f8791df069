//! Thousands of clients that follow events by WebSocket, and how soon each is told.
//!
//! The settings are the environment: `PORT` and `PID` of the server, `TOKEN` of the caller, `CONNECTIONS` in all,
//! `FOLLOWERS` that are told one message at a time, `MESSAGES` of those; and how many `FEW` of them are told
//! `RATE` messages in a second, for `SECONDS`. What is found is printed as JSON.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context as _, ensure};
use futures_util::{SinkExt as _, StreamExt as _, stream};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Message, http};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// Handshakes under way at once.
const AT_ONCE: usize = 100;
const REST: Duration = Duration::from_secs(5);
const IDLE: Duration = Duration::from_secs(10);
const PATIENCE: Duration = Duration::from_secs(30);
/// In `/proc/<pid>/stat`.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    connections: usize,
    /// Resident memory of the server for each connection that only waits.
    bytes_per_connection: f64,
    /// Of one processor, while all of them wait.
    idle_cpu_percent: f64,
    one_to_all: Told,
    few_at_rate: Told,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    followers: usize,
    messages: usize,
    received: usize,
    /// From the begin of the request that writes to the message at the client.
    p50_ms: f64,
    p99_ms: f64,
    max_ms: f64,
    /// Of one processor.
    cpu_percent: f64,
}

/// When messages were sent, and how long each took to whom.
#[derive(Default)]
struct Times {
    sent: Mutex<HashMap<u64, Instant>>,
    took: Mutex<Vec<Duration>>,
    received: AtomicU64,
}

struct Server {
    port: u16,
    pid: u32,
    token: String,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let server = Arc::new(Server {
        port: number("PORT")?,
        pid: number("PID")?,
        token: setting("TOKEN")?,
    });
    let (connections, followers): (usize, usize) = (number("CONNECTIONS")?, number("FOLLOWERS")?);
    // What the first ones bring along is nobody's own.
    let times = Arc::new(Times::default());
    let first = Followers::open(&server, 10, &times).await?;
    sleep(REST).await;
    let before = server.resident()?;
    let all = Followers::open(&server, connections, &times).await?;
    sleep(REST).await;
    let after = server.resident()?;
    let cpu = server.cpu()?;
    sleep(IDLE).await;
    let idle_cpu = server.cpu()? - cpu;
    all.close(connections - followers);
    drop(first);
    sleep(REST).await;

    let one_to_all = all
        .tell(&server, &times, number("MESSAGES")?, Duration::ZERO)
        .await?;
    all.close(followers - number::<usize>("FEW")?);
    sleep(REST).await;
    let (rate, seconds): (u32, u32) = (number("RATE")?, number("SECONDS")?);
    let writes = rate / number::<u32>("FEW")?;
    let every = Duration::from_secs(1) / writes;
    let few_at_rate = all
        .tell(&server, &times, (writes * seconds) as usize, every)
        .await?;
    let report = Report {
        connections,
        bytes_per_connection: (after - before) / connections as f64,
        idle_cpu_percent: 100.0 * idle_cpu / IDLE.as_secs_f64(),
        one_to_all,
        few_at_rate,
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

/// Open connections; each ends when its number is not below the limit.
struct Followers {
    limit: watch::Sender<usize>,
}

impl Followers {
    async fn open(server: &Arc<Server>, count: usize, times: &Arc<Times>) -> anyhow::Result<Self> {
        let limit = watch::Sender::new(count);
        let opening = stream::iter(0..count).map(|number| {
            let (server, times, limit) = (Arc::clone(server), Arc::clone(times), limit.subscribe());
            async move {
                let socket = server.connect().await?;
                tokio::spawn(follow(socket, number, times, limit));
                anyhow::Ok(())
            }
        });
        let mut opening = opening.buffer_unordered(AT_ONCE);
        while let Some(opened) = opening.next().await {
            opened?;
        }
        drop(opening);
        Ok(Self { limit })
    }

    fn close(&self, fewer: usize) {
        self.limit.send_modify(|limit| *limit -= fewer);
    }

    /// Has messages written, each when the one before has reached all, or one in every so long.
    async fn tell(
        &self,
        server: &Arc<Server>,
        times: &Arc<Times>,
        messages: usize,
        every: Duration,
    ) -> anyhow::Result<Told> {
        let followers = *self.limit.borrow();
        times.took.lock().expect("nobody panics").clear();
        times.received.store(0, Ordering::Relaxed);
        let wanted = |messages: usize| (messages * followers) as u64;
        let (cpu, began) = (server.cpu()?, Instant::now());
        let mut ticks = (!every.is_zero()).then(|| interval(every));
        if let Some(ticks) = &mut ticks {
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        }
        let mut writing = Vec::new();
        for number in 0..messages {
            let id = number as u64 + if ticks.is_some() { 1_000_000 } else { 0 };
            if let Some(ticks) = &mut ticks {
                ticks.tick().await;
                let (server, times) = (Arc::clone(server), Arc::clone(times));
                writing.push(tokio::spawn(async move { server.write(id, &times).await }));
            } else {
                server.write(id, times).await?;
                times.until(wanted(number + 1)).await?;
            }
        }
        for write in writing {
            write.await??;
        }
        times.until(wanted(messages)).await?;
        let cpu = server.cpu()? - cpu;
        let lasted = began.elapsed().as_secs_f64();
        let mut took = times.took.lock().expect("nobody panics").clone();
        took.sort_unstable();
        let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize].as_secs_f64() * 1_000.0;
        Ok(Told {
            followers,
            messages,
            received: took.len(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            max_ms: at(1.0),
            cpu_percent: 100.0 * cpu / lasted,
        })
    }
}

async fn follow(
    mut socket: WebSocketStream<TcpStream>,
    number: usize,
    times: Arc<Times>,
    mut limit: watch::Receiver<usize>,
) {
    loop {
        tokio::select! {
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => times.note(&text),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            },
            changed = limit.changed() => {
                if changed.is_err() || number >= *limit.borrow() {
                    let _ = socket.close(None).await;
                    return;
                }
            }
        }
    }
}

impl Times {
    fn note(&self, text: &str) {
        let now = Instant::now();
        // The name of the lead, whatever is around it.
        let id = text
            .split("\"message-")
            .nth(1)
            .and_then(|rest| rest.split('"').next()?.parse().ok());
        let Some(sent) = id.and_then(|id: u64| self.sent.lock().expect("nobody panics").get(&id).copied())
        else {
            return;
        };
        self.took.lock().expect("nobody panics").push(now - sent);
        self.received.fetch_add(1, Ordering::Relaxed);
    }

    async fn until(&self, count: u64) -> anyhow::Result<()> {
        let received = || self.received.load(Ordering::Relaxed);
        let waiting = timeout(PATIENCE, async {
            while received() < count {
                sleep(Duration::from_millis(5)).await;
            }
        });
        waiting
            .await
            .with_context(|| format!("{} of {count} came", received()))
    }
}

impl Server {
    async fn connect(&self) -> anyhow::Result<WebSocketStream<TcpStream>> {
        let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        let request = http::Request::get(format!("ws://127.0.0.1:{}/api/v1/ws", self.port))
            .header("host", format!("127.0.0.1:{}", self.port))
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("authorization", format!("Bearer {}", self.token))
            .body(())?;
        let config = WebSocketConfig::default()
            .read_buffer_size(2 << 10)
            .write_buffer_size(0);
        let (mut socket, _) = client_async_with_config(request, tcp, Some(config)).await?;
        let subscribe = json!({ "type": "subscribe", "events": ["lead_created"] });
        socket.send(Message::text(subscribe.to_string())).await?;
        let told = socket.next().await.context("nothing is said")??;
        let told: Value = serde_json::from_str(told.to_text()?)?;
        ensure!(told["type"] == "subscribed", "{told}");
        Ok(socket)
    }

    async fn write(&self, id: u64, times: &Times) -> anyhow::Result<()> {
        let body = json!({ "name": format!("message-{id}") }).to_string();
        let request = format!(
            "POST /api/v1/leads HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Authorization: Bearer {}\r\nContent-Length: {}\r\n\r\n{body}",
            self.token,
            body.len()
        );
        let mut tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        times
            .sent
            .lock()
            .expect("nobody panics")
            .insert(id, Instant::now());
        tcp.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        tcp.read_to_string(&mut answer).await?;
        ensure!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        Ok(())
    }

    /// Resident memory, in bytes.
    fn resident(&self) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib: f64 = line
            .and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok())
            .context("no VmRSS")?;
        Ok(kib * 1024.0)
    }

    /// Processor time, in seconds.
    fn cpu(&self) -> anyhow::Result<f64> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let fields = stat.rsplit_once(") ").context("no stat")?.1;
        let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<f64>);
        Ok(ticks.sum::<Result<f64, _>>()? / TICKS_PER_SECOND)
    }
}

fn setting(name: &str) -> anyhow::Result<String> {
    env::var(name).with_context(|| format!("{name} is not set"))
}

fn number<T: std::str::FromStr>(name: &str) -> anyhow::Result<T> {
    setting(name)?
        .parse()
        .ok()
        .with_context(|| format!("{name} is no number"))
}
