//! A provider of language models, of this machine, that speaks as OpenAI and as Gemini do, and fails as it is told.
//!
//! The forms are those of <https://platform.openai.com/docs/api-reference/chat/create> and
//! <https://ai.google.dev/api/generate-content>.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::receiver::{Received, request};

/// The model that it has, and the key that it knows.
pub const MODEL: &str = "test-model";
pub const KEY: &str = "the key of the provider";

/// How many tokens it says to have read and written.
pub type Usage = Option<(u64, u64)>;

/// How it fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
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
}

impl Mood {
    /// All but the good one.
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

#[derive(Debug)]
pub struct Provider {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    serving: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    mood: Mood,
    says: String,
    hears: String,
    usage: Usage,
    asked: Vec<Received>,
    flooded_bytes: usize,
}

impl Provider {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(Mutex::new(State {
            mood: Mood::Well,
            says: String::new(),
            hears: String::new(),
            usage: Some((200, 50)),
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

    /// Where it speaks as OpenAI does.
    pub fn openai(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Where it speaks as Gemini does.
    pub fn gemini(&self) -> String {
        format!("http://{}/v1beta", self.address)
    }

    /// From now on it fares so.
    pub fn be(&self, mood: Mood) {
        lock(&self.state).mood = mood;
    }

    /// From now on its model says this.
    pub fn say(&self, text: impl Into<String>) {
        lock(&self.state).says = text.into();
    }

    /// From now on this is said in recordings.
    pub fn hear(&self, text: impl Into<String>) {
        lock(&self.state).hears = text.into();
    }

    /// From now on it says to have read and written so much; `None`: it does not say.
    pub fn claim(&self, usage: Usage) {
        lock(&self.state).usage = usage;
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

impl Drop for Provider {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves one connection until the other side is gone, or it breaks it off.
async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut read = Vec::new();
    while let Some(asked) = request(&mut stream, &mut read).await {
        let (mood, said) = {
            let mut state = lock(&state);
            let says = if is_recording(&asked) {
                &state.hears
            } else {
                &state.says
            };
            let said = answer(&asked, says, state.usage);
            state.asked.push(asked);
            (state.mood, said)
        };
        let sent = match mood {
            Mood::Well => send(&mut stream, said).await,
            Mood::Fails => send(&mut stream, error(500, "The server had an error.")).await,
            Mood::Hangs => sleep_for_ever().await,
            Mood::Drips => drip(&mut stream).await,
            Mood::Resets => break_off(&mut stream).await,
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

/// The model that listens to recordings.
pub const LISTENER: &str = "test-listener";

/// Whether it is asked what is said in a recording.
fn is_recording(asked: &Received) -> bool {
    asked.path == "/v1/audio/transcriptions" || asked.body.contains("\"inlineData\"")
}

/// Reads the parts of a form (RFC 7578): name and content of each.
fn form(asked: &Received) -> Option<Vec<(String, String)>> {
    let kind = asked.headers.get("content-type")?;
    let boundary = kind.strip_prefix("multipart/form-data; boundary=")?;
    let body = asked.body.strip_suffix(&format!("\r\n--{boundary}--\r\n"))?;
    let body = format!("\r\n{body}");
    let line = format!("\r\n--{boundary}\r\n");
    let mut parts = body.split(line.as_str());
    parts.next().filter(|before| before.is_empty())?;
    parts
        .map(|part| {
            let (head, content) = part.split_once("\r\n\r\n")?;
            let name = head.split("name=\"").nth(1)?.split('"').next()?;
            Some((name.to_owned(), content.to_owned()))
        })
        .collect()
}

/// Whether a form has a recording for a model that listens.
fn has_recording(asked: &Received) -> bool {
    let parts = form(asked).unwrap_or_default();
    let part = |wanted: &str| {
        parts
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, content)| content.as_str())
    };
    part("model") == Some(LISTENER) && part("file").is_some_and(|file| !file.is_empty())
}

/// What one that is well answers.
fn answer(asked: &Received, says: &str, usage: Usage) -> (u16, Value) {
    let (path, headers) = (asked.path.as_str(), &asked.headers);
    let header = |name: &str| headers.get(name).map(String::as_str);
    let body: Value = serde_json::from_str(&asked.body).unwrap_or(Value::Null);
    let knows = if path.starts_with("/v1beta/") {
        header("x-goog-api-key") == Some(KEY)
    } else {
        header("authorization") == Some(&format!("Bearer {KEY}"))
    };
    if !knows && path.starts_with("/v1beta/") {
        return invalid_key();
    }
    if !knows {
        return error(401, "Incorrect API key provided.");
    }
    let gemini = format!("/v1beta/models/{MODEL}");
    match path {
        "/v1/models" => (200, json!({"object": "list", "data": [openai_model()]})),
        "/v1/chat/completions" if body["model"] == MODEL && body["messages"].is_array() => (
            200,
            json!({
                "id": "chatcmpl-1", "object": "chat.completion", "created": 1_763_800_000, "model": MODEL,
                "choices": [{
                    "index": 0, "finish_reason": "stop", "logprobs": null,
                    "message": {"role": "assistant", "content": says, "refusal": null},
                }],
                "usage": usage.map(|(read, written)| json!({
                    "prompt_tokens": read, "completion_tokens": written, "total_tokens": read.saturating_add(written),
                })),
            }),
        ),
        "/v1/audio/transcriptions" if has_recording(asked) => (
            200,
            json!({
                "text": says,
                "usage": usage.map(|(read, written)| json!({
                    "type": "tokens", "input_tokens": read, "output_tokens": written,
                    "total_tokens": read.saturating_add(written),
                })),
            }),
        ),
        _ if path == gemini => (
            200,
            json!({"name": format!("models/{MODEL}"), "version": "001", "displayName": "Test"}),
        ),
        _ if path == format!("{gemini}:generateContent") && body["contents"].is_array() => (
            200,
            json!({
                "candidates": [{
                    "index": 0, "finishReason": "STOP",
                    "content": {"role": "model", "parts": [{"text": says}]},
                }],
                "usageMetadata": usage.map(|(read, written)| json!({
                    "promptTokenCount": read, "candidatesTokenCount": written,
                    "totalTokenCount": read.saturating_add(written),
                })),
                "modelVersion": MODEL,
            }),
        ),
        _ => error(404, "There is no such thing."),
    }
}

fn openai_model() -> Value {
    json!({"id": MODEL, "object": "model", "created": 1_763_800_000, "owned_by": "test"})
}

fn error(status: u16, message: &str) -> (u16, Value) {
    let error = json!({"message": message, "type": "error", "param": null, "code": null});
    (status, json!({ "error": error }))
}

/// As Gemini refuses a key: with 400, and the reason in `google.rpc.ErrorInfo`.
fn invalid_key() -> (u16, Value) {
    let detail = json!({
        "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID", "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    });
    let message = "API key not valid. Please pass a valid API key.";
    let error = json!({"code": 400, "message": message, "status": "INVALID_ARGUMENT", "details": [detail]});
    (400, json!({ "error": error }))
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

async fn flood(stream: &mut TcpStream, state: &Mutex<State>) -> Option<()> {
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
