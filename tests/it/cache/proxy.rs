use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fairlead_telemetry::spawn;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a message that tells of a change has in it, and a heartbeat has not.
const BUMP: &[u8] = br#""kind":"bump""#;

/// Stands between a node and Redis: slows its answers, and loses messages of the channel.
#[derive(Debug)]
pub(crate) struct RedisProxy {
    url: String,
    faults: Arc<Faults>,
    listening: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Faults {
    delay_ms: AtomicU64,
    is_cut: AtomicBool,
    connections: AtomicU64,
    /// The connection on which nothing comes back.
    dead: AtomicU64,
    lost_percent: AtomicU64,
    messages: AtomicU64,
    lost: AtomicU64,
    lost_bumps: AtomicU64,
}

impl RedisProxy {
    pub(crate) async fn start(url: &str) -> Self {
        let upstream = url.rsplit_once('@').unwrap().1.to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let through = url.replace(&upstream, &format!("127.0.0.1:{port}"));
        let faults = Arc::new(Faults::default());
        let of_connections = Arc::clone(&faults);
        let listening = spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&upstream).await else {
                    continue;
                };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                let number = of_connections.connections.fetch_add(1, Ordering::SeqCst) + 1;
                spawn(copy(from_client, to_server, number, Arc::clone(&of_connections)));
                spawn(filter(from_server, to_client, Arc::clone(&of_connections)));
            }
        });
        Self {
            url: through,
            faults,
            listening,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Every answer takes so much longer from now on.
    pub(crate) fn slow_by(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).unwrap();
        self.faults.delay_ms.store(millis, Ordering::SeqCst);
    }

    /// Nothing reaches the server any more.
    pub(crate) fn cut(&self) {
        self.faults.is_cut.store(true, Ordering::SeqCst);
    }

    /// The server is reached again; what was sent meanwhile is lost.
    pub(super) fn mend(&self) {
        self.faults.is_cut.store(false, Ordering::SeqCst);
    }

    /// Nothing that is sent on the latest connection reaches the server any more.
    pub(super) fn kill_latest(&self) {
        let latest = self.faults.connections.load(Ordering::SeqCst);
        self.faults.dead.store(latest, Ordering::SeqCst);
    }

    /// So many of a hundred messages of the channel are lost from now on.
    pub(crate) fn lose_percent(&self, percent: u64) {
        self.faults.lost_percent.store(percent, Ordering::SeqCst);
    }

    /// How many messages came by, and how many of them were lost.
    pub(crate) fn messages(&self) -> (u64, u64) {
        let faults = &self.faults;
        (
            faults.messages.load(Ordering::SeqCst),
            faults.lost.load(Ordering::SeqCst),
        )
    }

    /// How many of the lost messages told of a change.
    pub(super) fn lost_bumps(&self) -> u64 {
        self.faults.lost_bumps.load(Ordering::SeqCst)
    }
}

impl Drop for RedisProxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, number: u64, faults: Arc<Faults>) {
    // In one piece what came in one piece: of small ones, each may wait for the one before to be acknowledged.
    let mut bytes = Vec::with_capacity(64 << 10);
    while from.read_buf(&mut bytes).await.unwrap_or(0) > 0 {
        let is_dead = faults.dead.load(Ordering::SeqCst) == number;
        if !faults.is_cut.load(Ordering::SeqCst) && !is_dead && to.write_all(&bytes).await.is_err() {
            return;
        }
        bytes.clear();
    }
}

async fn filter(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, faults: Arc<Faults>) {
    let mut bytes = Vec::new();
    loop {
        let mut passed = Vec::new();
        while let Some(length) = frame(&bytes) {
            let frame: Vec<u8> = bytes.drain(..length).collect();
            if !is_lost(&frame, &faults) {
                passed.extend(frame);
            }
        }
        let delay = faults.delay_ms.load(Ordering::SeqCst);
        if !passed.is_empty() && delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        if to.write_all(&passed).await.is_err() || from.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    }
}

/// Whether it is a message of the channel, and bad luck.
fn is_lost(frame: &[u8], faults: &Faults) -> bool {
    if !frame.starts_with(b"*3\r\n$7\r\nmessage\r\n") {
        return false;
    }
    faults.messages.fetch_add(1, Ordering::SeqCst);
    let is_lost = rand::random_range(0..100) < faults.lost_percent.load(Ordering::SeqCst);
    faults.lost.fetch_add(u64::from(is_lost), Ordering::SeqCst);
    let is_bump = frame.windows(BUMP.len()).any(|part| part == BUMP);
    faults
        .lost_bumps
        .fetch_add(u64::from(is_lost && is_bump), Ordering::SeqCst);
    is_lost
}

/// The length of the first frame (RESP2); `None` when it is not all there.
fn frame(bytes: &[u8]) -> Option<usize> {
    let line = bytes.windows(2).position(|pair| pair == b"\r\n")?;
    let number = || std::str::from_utf8(&bytes[1..line]).ok()?.parse::<i64>().ok();
    let head = line + 2;
    match bytes[0] {
        b'$' => {
            let Ok(length) = usize::try_from(number()?) else {
                return Some(head);
            };
            (bytes.len() >= head + length + 2).then_some(head + length + 2)
        }
        b'*' => {
            let mut length = head;
            for _ in 0..number()?.max(0) {
                length += frame(bytes.get(length..)?)?;
            }
            Some(length)
        }
        _ => Some(head),
    }
}
