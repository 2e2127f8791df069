use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use reqwest::{Method, StatusCode, Upgraded};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::{ANSWER_TIMEOUT, ApiClient, ApiError, refusal, sent};

/// Of each connection; there may be thousands.
const BUFFER: usize = 4 << 10;

/// A WebSocket to a server.
#[derive(Debug)]
pub struct ApiSocket(WebSocketStream<Upgraded>);

impl ApiClient {
    /// Opens a WebSocket, by the same connections and the same trust as all calls.
    pub async fn socket(&self, path: &str) -> Result<ApiSocket, ApiError> {
        let key = generate_key();
        let request = self
            .request(Method::GET, path)?
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, &key);
        let answer = timeout(ANSWER_TIMEOUT, request.send()).await;
        let answer = answer.map_err(|_| ApiError::TimedOut)?.map_err(sent)?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(refusal(answer).await?);
        }
        let accepted = answer.headers().get(SEC_WEBSOCKET_ACCEPT);
        if accepted.is_none_or(|accepted| accepted.as_bytes() != derive_accept_key(key.as_bytes()).as_bytes())
        {
            return Err(ApiError::Foreign("it is no WebSocket".to_owned()));
        }
        let upgraded = answer.upgrade().await.map_err(ApiError::Broken)?;
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(BUFFER);
        Ok(ApiSocket(
            WebSocketStream::from_raw_socket(upgraded, Role::Client, Some(config)).await,
        ))
    }
}

impl ApiSocket {
    pub async fn say(&mut self, text: String) -> Result<(), ApiError> {
        self.0.send(Message::text(text)).await.map_err(broken)
    }

    /// Waits for what is told next; `None`: the server has closed. Pings are answered meanwhile.
    pub async fn told(&mut self) -> Result<Option<String>, ApiError> {
        while let Some(message) = self.0.next().await {
            match message.map_err(broken)? {
                Message::Text(text) => return Ok(Some(text.to_string())),
                Message::Close(_) => return Ok(None),
                _ => {}
            }
        }
        Ok(None)
    }
}

fn broken(error: tokio_tungstenite::tungstenite::Error) -> ApiError {
    ApiError::Socket(Box::new(error))
}
