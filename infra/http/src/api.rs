//! Calls to the API of a Fairlead server, for those who work with it from a terminal.

mod call;
mod socket;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::unfold;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Body, Client, Method, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::timeout;
use url::Url;

use crate::client::found;
use crate::{BadClient, tls};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// What an answer may take whose body is small.
const ANSWER_TIMEOUT: Duration = Duration::from_mins(1);
/// For so long nothing may come of an answer that goes on. Streams are never silent for more than 20 s.
const SILENCE: Duration = Duration::from_mins(1);
/// The most that is read of an answer to be shown: an operation with a thousand faults is some hundred kilobytes.
const MAX_ANSWER: usize = 64 << 20;
const MAX_EVENT: usize = 1 << 20;
/// Names a write in its answer, and asks a read to see it.
const CONSISTENCY: &str = "fairlead-consistency";

pub use call::{ApiAnswer, ApiCall};
pub use socket::ApiSocket;

/// By what a server knows who asks. It does not print.
#[derive(Clone)]
pub enum ApiCredential {
    None,
    Key(String),
    Token(String),
}

/// Calls one server.
#[derive(Clone, Debug)]
pub struct ApiClient {
    client: Client,
    base: Url,
    credential: ApiCredential,
    /// The token of the last write, which reads carry so that they see it. Clones have the same one.
    written: Arc<Mutex<Option<HeaderValue>>>,
}

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error(
        "the certificate of the server is not trusted: name the file of the authority that has signed it by --ca-file or \
         FAIRLEAD_CA_FILE"
    )]
    Untrusted(#[source] reqwest::Error),
    #[error("the server cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    #[error("the connection broke")]
    Broken(#[source] reqwest::Error),
    #[error("the WebSocket broke")]
    Socket(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the server did not answer in time")]
    TimedOut,
    #[error("{0}")]
    Refused(Box<ApiProblem>),
    #[error("the server says that it is at {0}, where no credential is sent: name it there if it is")]
    Elsewhere(String),
    #[error("the answer is not one of a Fairlead server: {0}")]
    Foreign(String),
    /// Nothing was asked.
    #[error("{0}")]
    Unsendable(String),
}

/// Why a server refused (RFC 9457).
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct ApiProblem {
    #[serde(default)]
    pub status: u16,
    #[serde(default, rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ApiFault>,
}

/// What is wrong with one value.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct ApiFault {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    pub detail: String,
}

/// A file that is sent while it is read.
#[derive(Debug)]
pub struct ApiUpload {
    pub media_type: &'static str,
    /// `None`: nobody knows.
    pub bytes: Option<u64>,
    pub chunks: mpsc::Receiver<io::Result<Bytes>>,
}

/// A file that comes.
#[derive(Debug)]
pub struct ApiDownload {
    /// `None`: the server does not say.
    pub bytes: Option<u64>,
    answer: Response,
}

/// Server-sent events that come.
#[derive(Debug)]
pub struct ApiEvents {
    answer: Response,
    text: Vec<u8>,
}

/// One of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApiEvent {
    /// Empty: it says nothing but when to come back.
    pub name: String,
    pub data: String,
    /// When to come back once the stream has ended.
    pub retry: Option<Duration>,
}

impl ApiClient {
    /// `base` is where the server is: `https://fairlead.example`. Its certificate is signed by one of `authorities`, as
    /// PEM, or by one that browsers trust where none are named.
    pub fn new(base: Url, user_agent: &str, authorities: Option<&str>) -> Result<Self, BadClient> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls::config(authorities)?)
            .user_agent(user_agent)
            .connect_timeout(CONNECT_TIMEOUT)
            // Whoever is named there would get the credential, and a POST become a GET.
            .redirect(Policy::none())
            // It would get the credential in clear where the server is asked in clear.
            .no_proxy()
            .build()?;
        Ok(Self {
            client,
            base,
            credential: ApiCredential::None,
            written: Arc::default(),
        })
    }

    /// Where the server is.
    pub fn base(&self) -> &Url {
        &self.base
    }

    #[must_use]
    pub fn with(mut self, credential: ApiCredential) -> Self {
        self.credential = credential;
        self
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        self.answer(self.request(Method::GET, path)?).await
    }

    /// Gets what is there now, rather than what a node may know that lags behind.
    pub async fn get_newest<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        let request = self.request_seeing(Method::GET, path, Some(HeaderValue::from_static("strong")))?;
        self.answer(request).await
    }

    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        self.answer(self.request(Method::DELETE, path)?).await
    }

    /// Posts JSON; `None`: nothing.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        idempotency_key: Option<&str>,
        body: Option<String>,
    ) -> Result<T, ApiError> {
        let mut request = self.request(Method::POST, path)?;
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        self.answer(request).await
    }

    /// Sends a file whose work is done behind the answer. It may take as long as it takes.
    pub async fn upload<T: DeserializeOwned>(
        &self,
        path: &str,
        idempotency_key: &str,
        file: ApiUpload,
    ) -> Result<T, ApiError> {
        let mut request = self
            .request(Method::POST, path)?
            .header("prefer", "respond-async")
            .header("idempotency-key", idempotency_key)
            .header(CONTENT_TYPE, file.media_type);
        if let Some(bytes) = file.bytes {
            request = request.header(CONTENT_LENGTH, bytes);
        }
        let chunks = unfold(file.chunks, |mut chunks| async {
            chunks.recv().await.map(|chunk| (chunk, chunks))
        });
        let answer = request.body(Body::wrap_stream(chunks)).send().await;
        read(self.accepted(answer.map_err(sent)?).await?).await
    }

    pub async fn download(&self, path: &str) -> Result<ApiDownload, ApiError> {
        let answer = self.begin(self.request(Method::GET, path)?).await?;
        Ok(ApiDownload {
            bytes: answer.content_length(),
            answer,
        })
    }

    pub async fn events(&self, path: &str) -> Result<ApiEvents, ApiError> {
        let request = self
            .request(Method::GET, path)?
            .header(ACCEPT, "text/event-stream");
        Ok(ApiEvents {
            answer: self.begin(request).await?,
            text: Vec::new(),
        })
    }

    fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, ApiError> {
        let written = self.written().clone();
        self.request_seeing(method, path, written)
    }

    fn request_seeing(
        &self,
        method: Method,
        path: &str,
        consistency: Option<HeaderValue>,
    ) -> Result<RequestBuilder, ApiError> {
        let base = self.base.as_str().trim_end_matches('/');
        let url = Url::parse(&format!("{base}{path}"));
        let url = url.map_err(|error| ApiError::Foreign(format!("{path} is no path: {error}")))?;
        let mut request = self.client.request(method, url);
        if let Some(consistency) = consistency {
            request = request.header(CONSISTENCY, consistency);
        }
        Ok(match &self.credential {
            ApiCredential::None => request,
            ApiCredential::Key(key) => request.header("x-tenant-key", secret(key)?),
            ApiCredential::Token(token) => {
                request.header("authorization", secret(&format!("Bearer {token}"))?)
            }
        })
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, ApiError> {
        read(self.begin(request).await?).await
    }

    async fn begin(&self, request: RequestBuilder) -> Result<Response, ApiError> {
        let answer = timeout(ANSWER_TIMEOUT, request.send()).await;
        self.accepted(answer.map_err(|_| ApiError::TimedOut)?.map_err(sent)?)
            .await
    }

    /// Takes note of what was written, or reads why it was refused.
    async fn accepted(&self, answer: Response) -> Result<Response, ApiError> {
        if !answer.status().is_success() {
            return Err(refusal(answer).await?);
        }
        if let Some(token) = answer.headers().get(CONSISTENCY) {
            *self.written() = Some(token.clone());
        }
        Ok(answer)
    }

    fn written(&self) -> MutexGuard<'_, Option<HeaderValue>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ApiDownload {
    /// What comes next; `None` at the end. A file that breaks off is an error.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, ApiError> {
        chunk(&mut self.answer).await
    }
}

impl ApiEvents {
    /// Waits for the next event; `None`: the server has ended the stream.
    pub async fn next(&mut self) -> Result<Option<ApiEvent>, ApiError> {
        loop {
            if let Some(end) = self.text.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.text.drain(..end + 2).collect();
                let event = ApiEvent::parse(&String::from_utf8_lossy(&block));
                if event != ApiEvent::default() {
                    return Ok(Some(event));
                }
            } else if self.text.len() > MAX_EVENT {
                return Err(ApiError::Foreign("an event has no end".to_owned()));
            } else {
                match chunk(&mut self.answer).await? {
                    Some(chunk) => self.text.extend_from_slice(&chunk),
                    None => return Ok(None),
                }
            }
        }
    }
}

impl ApiEvent {
    fn parse(block: &str) -> Self {
        let mut event = Self::default();
        for line in block.lines() {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut event.name),
                "data" => event.data.push_str(value),
                "retry" => event.retry = value.parse().ok().map(Duration::from_millis),
                _ => {}
            }
        }
        event
    }
}

fn secret(text: &str) -> Result<HeaderValue, ApiError> {
    let value = HeaderValue::from_str(text);
    let mut value =
        value.map_err(|_| ApiError::Foreign("the credential has characters that none has".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

fn sent(error: reqwest::Error) -> ApiError {
    if let Some(rustls::Error::InvalidCertificate(_)) = found(&error) {
        ApiError::Untrusted(error)
    } else if error.is_connect() {
        ApiError::Unreachable(error)
    } else {
        ApiError::Broken(error)
    }
}

/// Reads why it was refused: by a server of ours, or by what stands before it.
async fn refusal(answer: Response) -> Result<ApiError, ApiError> {
    let status = answer.status();
    if status.is_redirection() {
        let location = answer.headers().get(LOCATION);
        let location = location.and_then(|location| location.to_str().ok());
        return Ok(ApiError::Elsewhere(
            location.unwrap_or("another place").to_owned(),
        ));
    }
    let body = body(answer).await?;
    let problem = match serde_json::from_slice::<ApiProblem>(&body) {
        Ok(problem) if problem.status == status.as_u16() => problem,
        _ => ApiProblem {
            status: status.as_u16(),
            title: status
                .canonical_reason()
                .unwrap_or("no reason is given")
                .to_owned(),
            ..ApiProblem::default()
        },
    };
    Ok(ApiError::Refused(Box::new(problem)))
}

async fn read<T: DeserializeOwned>(answer: Response) -> Result<T, ApiError> {
    let empty = answer.status() == StatusCode::NO_CONTENT;
    let body = if empty {
        b"null".to_vec()
    } else {
        body(answer).await?
    };
    serde_json::from_slice(&body).map_err(|error| ApiError::Foreign(error.to_string()))
}

async fn body(mut answer: Response) -> Result<Vec<u8>, ApiError> {
    let mut body = Vec::new();
    while let Some(chunk) = chunk(&mut answer).await? {
        body.extend_from_slice(&chunk);
        if body.len() > MAX_ANSWER {
            return Err(ApiError::Foreign("it does not end".to_owned()));
        }
    }
    Ok(body)
}

async fn chunk(answer: &mut Response) -> Result<Option<Bytes>, ApiError> {
    let chunk = timeout(SILENCE, answer.chunk()).await;
    chunk.map_err(|_| ApiError::TimedOut)?.map_err(ApiError::Broken)
}

impl fmt::Display for ApiProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.detail {
            // Where one value is wrong the detail says again what is said of it, and where several are how many.
            Some(detail) if self.errors.is_empty() => f.write_str(detail)?,
            _ => f.write_str(&self.title)?,
        }
        for fault in &self.errors {
            write!(f, "; {} {}", fault.place(), fault.detail)?;
        }
        write!(f, " ({}", self.status)?;
        if let Some(trace) = self.instance.as_deref().filter(|_| self.status >= 500) {
            write!(f, ", {trace}")?;
        }
        f.write_str(")")
    }
}

impl ApiFault {
    /// Which value it is: `status` of a query, `address/city` of a body.
    pub fn place(&self) -> String {
        let pointer = || Some(self.pointer.as_deref()?.trim_start_matches('/'));
        self.parameter
            .as_deref()
            .or_else(pointer)
            .unwrap_or_default()
            .to_owned()
    }
}

impl fmt::Debug for ApiCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Key(_) => "Key(…)",
            Self::Token(_) => "Token(…)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_read_with_what_came_before_it() {
        let event = ApiEvent::parse("retry: 700\nid: ended\nevent: ended\ndata: {\"a\": 1}\n\n");

        assert_eq!(
            event,
            ApiEvent {
                name: "ended".to_owned(),
                data: "{\"a\": 1}".to_owned(),
                retry: Some(Duration::from_millis(700)),
            }
        );
        assert_eq!(ApiEvent::parse(": ping\n\n"), ApiEvent::default());
    }

    #[test]
    fn a_problem_is_told_in_one_line() {
        let problem: ApiProblem = serde_json::from_str(
            r#"{"type": "https://fairlead.dev/problems/invalid-input", "title": "Invalid input", "status": 422,
                "detail": "/status: must be one of NEW, CLOSED",
                "errors": [{"pointer": "/status", "detail": "must be one of NEW, CLOSED"}]}"#,
        )
        .unwrap();

        assert_eq!(
            problem.to_string(),
            "Invalid input; status must be one of NEW, CLOSED (422)"
        );
    }
}
