//! A client that follows events by WebSocket.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::Method;
use serde_json::{Value, json};
use support::Client;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message, http};
use tokio_tungstenite::{WebSocketStream, client_async};

const PATIENCE: Duration = Duration::from_secs(30);

/// An open WebSocket.
pub(crate) struct Socket {
    stream: WebSocketStream<TcpStream>,
    /// The last cursor that was told.
    pub(super) cursor: String,
    pub(super) protocol: Option<String>,
}

/// How a WebSocket ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// What was told last, before.
    pub(super) last: Option<Value>,
    pub(super) close: Option<CloseFrame>,
}

impl Socket {
    pub(crate) async fn open(client: &Client) -> Self {
        let opened = Self::try_open(client, "/api/v1/ws", &[]).await;
        opened.expect("the server speaks WebSocket")
    }

    /// Opens one with headers beside those of the client; `Err` has the status of a refusal, and its body.
    pub(super) async fn try_open(
        client: &Client,
        path: &str,
        headers: &[(&str, &str)],
    ) -> Result<Self, (u16, Value)> {
        let like = client.request(Method::GET, path).build().unwrap();
        let url = like.url();
        let address = (url.host_str().unwrap(), url.port().unwrap());
        let mut request = http::Request::get(url.as_str().replacen("http", "ws", 1))
            .header("host", format!("{}:{}", address.0, address.1))
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", generate_key());
        for (name, value) in like.headers() {
            request = request.header(name.as_str(), value.to_str().unwrap());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let tcp = TcpStream::connect(address).await.unwrap();
        match client_async(request.body(()).unwrap(), tcp).await {
            Ok((stream, response)) => Ok(Self {
                stream,
                cursor: String::new(),
                protocol: response
                    .headers()
                    .get("sec-websocket-protocol")
                    .map(|value| value.to_str().unwrap().to_owned()),
            }),
            Err(tungstenite::Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                let body = serde_json::from_slice(body).unwrap_or_default();
                Err((response.status().as_u16(), body))
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Opens one, and has the events of `types` told from `cursor` on.
    pub(crate) async fn follow(client: &Client, types: &[&str], cursor: Option<&str>) -> Self {
        let mut socket = Self::open(client).await;
        let mut subscription = json!({ "type": "subscribe", "events": types });
        if let Some(cursor) = cursor {
            subscription["cursor"] = json!(cursor);
        }
        socket.say(&subscription).await;
        assert_eq!(socket.told().await["type"], "subscribed");
        socket
    }

    pub(crate) async fn say(&mut self, message: &Value) {
        self.send(Message::text(message.to_string())).await;
    }

    pub(super) async fn send(&mut self, message: Message) {
        self.stream.send(message).await.unwrap();
    }

    /// The next message of any kind; `None` at the end.
    pub(super) async fn message(&mut self) -> Option<Message> {
        let next = timeout(PATIENCE, self.stream.next()).await;
        next.expect("something is said").and_then(Result::ok)
    }

    /// What is told next.
    pub(crate) async fn told(&mut self) -> Value {
        loop {
            match self.message().await {
                Some(Message::Text(text)) => return self.read(&text),
                Some(Message::Ping(_) | Message::Pong(_)) => {}
                other => panic!("no text: {other:?}"),
            }
        }
    }

    fn read(&mut self, text: &str) -> Value {
        let told: Value = serde_json::from_str(text).unwrap();
        assert!(told["type"].is_string() && !told["data"].is_null(), "{told}");
        if let Some(cursor) = told["cursor"].as_str() {
            cursor.clone_into(&mut self.cursor);
        }
        told
    }

    /// The names of the leads of so many events.
    pub(super) async fn names(&mut self, count: usize) -> Vec<String> {
        let mut names = Vec::with_capacity(count);
        while names.len() < count {
            let told = self.told().await;
            if told["type"] == "lead_created" {
                assert_eq!(told["data"]["type"], "lead_created");
                names.push(told["data"]["data"]["name"].as_str().unwrap().to_owned());
            }
        }
        names
    }

    /// Reads to the end.
    pub(super) async fn ended(mut self) -> Ended {
        let (mut last, mut close) = (None, None);
        while let Some(message) = self.message().await {
            match message {
                Message::Text(text) => last = Some(self.read(&text)),
                Message::Close(frame) => close = frame,
                _ => {}
            }
        }
        Ended { last, close }
    }

    /// Reads to the end, and says nothing to whatever comes; returns the code that it was closed with.
    pub(super) async fn ended_in_silence(self) -> u16 {
        let mut bytes = Vec::new();
        let mut stream = self.stream.into_inner();
        let reading = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
        reading.expect("it ends").unwrap();
        let mut rest = &bytes[..];
        // Frames of a server are not masked, and begin with what they are and their length, which stands behind in two bytes
        // where it is not short.
        while let [kind, length, next @ ..] = rest {
            let (length, next) = match (length, next) {
                (126, [high, low, next @ ..]) => (u16::from_be_bytes([*high, *low]), next),
                _ => (u16::from(*length), next),
            };
            let (payload, behind) = next.split_at(usize::from(length));
            if *kind == 0x88 {
                return u16::from_be_bytes([payload[0], payload[1]]);
            }
            rest = behind;
        }
        panic!("it was not closed with a word: {bytes:?}");
    }
}

impl Ended {
    /// The code that it was closed with.
    pub(super) fn code(&self) -> u16 {
        self.close
            .as_ref()
            .expect("it was closed with a word")
            .code
            .into()
    }
}
