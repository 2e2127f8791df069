use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// What a receiver answers.
#[derive(Clone, Debug)]
pub enum Reply {
    Status(u16),
    /// With another header.
    Header(u16, &'static str, String),
    /// Nothing, for ever.
    Silence,
}

/// A request that came in.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: String,
    pub path: String,
    /// By their names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Received {
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }
}

/// A server of this machine that webhooks are sent to, and that answers as it is told.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    serving: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    received: Vec<Received>,
    next: VecDeque<Reply>,
    otherwise: Reply,
}

impl Receiver {
    /// Takes whatever comes.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(Mutex::new(State {
            received: Vec::new(),
            next: VecDeque::new(),
            otherwise: Reply::Status(200),
        }));
        let shared = Arc::clone(&state);
        let serving = fairlead_telemetry::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                fairlead_telemetry::spawn(serve(stream, Arc::clone(&shared)));
            }
        });
        Self {
            address,
            state,
            serving,
        }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Answers the next requests one after the other so.
    pub fn reply_next(&self, replies: impl IntoIterator<Item = Reply>) {
        self.state
            .lock()
            .expect("nobody panics here")
            .next
            .extend(replies);
    }

    /// Answers all others so from now on.
    pub fn reply(&self, reply: Reply) {
        self.state.lock().expect("nobody panics here").otherwise = reply;
    }

    /// All that came in so far.
    pub fn received(&self) -> Vec<Received> {
        self.state.lock().expect("nobody panics here").received.clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Serves one connection until the other side is gone.
async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut read = Vec::new();
    while let Some(request) = request(&mut stream, &mut read).await {
        let reply = {
            let mut state = state.lock().expect("nobody panics here");
            state.received.push(request);
            state.next.pop_front().unwrap_or_else(|| state.otherwise.clone())
        };
        let head = match reply {
            Reply::Status(status) => format!("HTTP/1.1 {status} Told\r\n"),
            Reply::Header(status, name, value) => format!("HTTP/1.1 {status} Told\r\n{name}: {value}\r\n"),
            Reply::Silence => {
                sleep(Duration::from_hours(1)).await;
                return;
            }
        };
        let answer = format!("{head}content-length: 2\r\n\r\nok");
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

pub(crate) async fn request(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<Received> {
    let end = loop {
        if let Some(end) = read.windows(4).position(|part| part == b"\r\n\r\n") {
            break end;
        }
        more(stream, read).await?;
    };
    let head = String::from_utf8(read[..end].to_vec()).expect("a head is ASCII");
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let (method, path) = (first.next()?.to_owned(), first.next()?.to_owned());
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_lowercase(), value.trim().to_owned()))
    };
    let headers: BTreeMap<String, String> = lines.filter_map(header).collect();
    let length: usize = headers
        .get("content-length")
        .map_or(0, |length| length.parse().expect("a length"));
    while read.len() < end + 4 + length {
        more(stream, read).await?;
    }
    let body = String::from_utf8(read[end + 4..end + 4 + length].to_vec()).expect("a body is UTF-8");
    read.drain(..end + 4 + length);
    Some(Received {
        method,
        path,
        headers,
        body,
    })
}

async fn more(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<()> {
    let mut part = [0; 4096];
    let length = stream.read(&mut part).await.ok()?;
    read.extend(&part[..length]);
    (length > 0).then_some(())
}
