//! A service of this machine that fails as it is told. What it answers when it is well, others say.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::receiver::{Received, request};

/// How it fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// Takes so long for each answer.
    Takes(Duration),
    /// Answers 500.
    Fails,
    /// Takes requests, and says nothing.
    Hangs,
    /// Begins an answer, and goes on with a byte a second.
    Drips,
    /// Ends connections in the middle of an answer.
    Resets,
    /// Answers 429, and wants to be asked again in an hour.
    Busy,
    /// Answers 200 with a page, as a proxy does whose service is gone.
    Html,
    /// Answers with 100 MB.
    Floods,
    /// Does what it is asked, and ends the connection before it says so.
    Cuts,
}

impl Mood {
    /// Those in which it does nothing, and does not say what it should.
    pub const BAD: [Self; 7] = [
        Self::Fails,
        Self::Hangs,
        Self::Drips,
        Self::Resets,
        Self::Busy,
        Self::Html,
        Self::Floods,
    ];
}

/// What it answers: a status, and JSON.
pub type Said = (u16, Value);

/// Answers requests, and does what they ask for.
pub trait Answers: Send + 'static {
    fn answer(&mut self, asked: &Received) -> Said;

    /// How it says that it failed.
    fn failed(&self) -> Said;
}

#[derive(Debug)]
pub struct Service<A> {
    address: SocketAddr,
    state: Arc<Mutex<State<A>>>,
    serving: JoinHandle<()>,
}

#[derive(Debug)]
struct State<A> {
    mood: Mood,
    /// For so many requests; then it is well.
    next: VecDeque<Mood>,
    /// Of what is asked for at a path.
    at: BTreeMap<&'static str, Mood>,
    answers: A,
    asked: Vec<Received>,
    flooded_bytes: usize,
}

impl<A: Answers> Service<A> {
    pub async fn start(answers: A) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(Mutex::new(State {
            mood: Mood::Well,
            next: VecDeque::new(),
            at: BTreeMap::new(),
            answers,
            asked: Vec::new(),
            flooded_bytes: 0,
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

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on it fares so.
    pub fn be(&self, mood: Mood) {
        lock(&self.state).mood = mood;
    }

    /// From now on it fares so where it is asked for this path.
    pub fn be_at(&self, path: &'static str, mood: Mood) {
        lock(&self.state).at.insert(path, mood);
    }

    /// The next requests find it so, one after the other.
    pub fn be_next(&self, moods: impl IntoIterator<Item = Mood>) {
        let mut state = lock(&self.state);
        state.next.extend(moods);
    }

    /// Looks at what it knows, or changes that.
    pub fn with<T>(&self, look: impl FnOnce(&mut A) -> T) -> T {
        look(&mut lock(&self.state).answers)
    }

    /// All that came in so far.
    pub fn asked(&self) -> Vec<Received> {
        lock(&self.state).asked.clone()
    }

    /// How much it could write of what is too much.
    pub fn flooded_bytes(&self) -> usize {
        lock(&self.state).flooded_bytes
    }
}

impl<A> Drop for Service<A> {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn lock<A>(state: &Mutex<State<A>>) -> MutexGuard<'_, State<A>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves one connection until the other side is gone, or it breaks it off.
async fn serve<A: Answers>(mut stream: TcpStream, state: Arc<Mutex<State<A>>>) {
    let mut read = Vec::new();
    while let Some(asked) = request(&mut stream, &mut read).await {
        let (mood, said) = {
            let mut state = lock(&state);
            let there = state.at.get(asked.path.as_str()).copied();
            let next = state.next.pop_front();
            let mood = next.or(there).unwrap_or(state.mood);
            let said = match mood {
                Mood::Well | Mood::Takes(_) | Mood::Cuts => state.answers.answer(&asked),
                _ => state.answers.failed(),
            };
            state.asked.push(asked);
            (mood, said)
        };
        let sent = match mood {
            Mood::Well | Mood::Fails => send(&mut stream, said).await,
            Mood::Takes(long) => {
                sleep(long).await;
                send(&mut stream, said).await
            }
            Mood::Hangs => sleep_for_ever().await,
            Mood::Drips => drip(&mut stream).await,
            Mood::Resets => break_off(&mut stream).await,
            Mood::Cuts => stream.set_zero_linger().ok().and(None),
            Mood::Busy => {
                let head = "HTTP/1.1 429 Too Many Requests\r\nretry-after: 3600\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(head.as_bytes()).await.ok()
            }
            Mood::Html => {
                let page = "<html><body>It works!</body></html>";
                let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n";
                let answer = format!("{head}content-length: {}\r\n\r\n{page}", page.len());
                stream.write_all(answer.as_bytes()).await.ok()
            }
            Mood::Floods => flood(&mut stream, &state).await,
        };
        if sent.is_none() {
            return;
        }
    }
}

async fn send(stream: &mut TcpStream, (status, body): (u16, Value)) -> Option<()> {
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status} Told\r\ncontent-type: application/json; charset=utf-8\r\n");
    let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(answer.as_bytes()).await.ok()
}

async fn sleep_for_ever() -> Option<()> {
    sleep(Duration::from_hours(1)).await;
    None
}

async fn drip(stream: &mut TcpStream) -> Option<()> {
    begin(stream).await?;
    loop {
        stream.write_all(b" ").await.ok()?;
        sleep(Duration::from_secs(1)).await;
    }
}

async fn break_off(stream: &mut TcpStream) -> Option<()> {
    begin(stream).await?;
    // What is sent is thrown away, and the other side is told that the connection is no more.
    stream.set_zero_linger().ok()?;
    None
}

/// What is too much.
const FLOOD: usize = 100_000_000;

async fn flood<A>(stream: &mut TcpStream, state: &Mutex<State<A>>) -> Option<()> {
    // It does not say how long it will be.
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n";
    stream.write_all(head.as_bytes()).await.ok()?;
    let part = [b' '; 10_000];
    for _ in 0..FLOOD / part.len() {
        stream.write_all(&part).await.ok()?;
        lock(state).flooded_bytes += part.len();
    }
    None
}

/// As long as usual answers are.
async fn begin(stream: &mut TcpStream) -> Option<()> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.ok()
}
