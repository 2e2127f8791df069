use std::fmt;
use std::sync::{Arc, Mutex};

use reqwest::header::{HeaderMap, HeaderName};
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// Somebody who calls the API, with one credential or none.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    credential: Option<(HeaderName, String)>,
    failures: Failures,
}

impl Client {
    /// A caller without a credential, of the server at `url`.
    pub fn to(url: &str) -> Self {
        // No connection outlives its request: a server that stops need not wait for one.
        let http = reqwest::Client::builder()
            .no_proxy()
            // It speaks plain HTTP: no certificates are read for it.
            .tls_certs_only([])
            .pool_max_idle_per_host(0)
            .build();
        let http = http.expect("a client without TLS builds");
        Self {
            http,
            base: url.to_owned(),
            credential: None,
            failures: Failures::default(),
        }
    }

    /// Takes note of server errors among its answers.
    #[must_use]
    pub(crate) fn noting(self, failures: &Failures) -> Self {
        Self {
            failures: failures.clone(),
            ..self
        }
    }

    #[must_use]
    pub fn with_token(&self, access_token: &str) -> Self {
        let credential = Some((reqwest::header::AUTHORIZATION, format!("Bearer {access_token}")));
        Self {
            credential,
            ..self.clone()
        }
    }

    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self {
            credential: Some((HeaderName::from_static("x-tenant-key"), key.to_owned())),
            ..self.clone()
        }
    }

    /// The same caller, of the server at `url`.
    #[must_use]
    pub fn at(&self, url: &str) -> Self {
        Self {
            base: url.to_owned(),
            ..self.clone()
        }
    }

    /// A request to finish by hand: headers, bodies that are not JSON.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.credential {
            Some((name, value)) => request.header(name, value),
            None => request,
        }
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Response {
        let mut response = request.send().await.expect("the server answers");
        let (status, headers) = (response.status(), response.headers().clone());
        let goes_on = headers
            .get("content-type")
            .is_some_and(|media_type| media_type == "text/event-stream");
        let body = if goes_on {
            let first = response.chunk().await.expect("the stream begins");
            first.unwrap_or_default().to_vec()
        } else {
            response.bytes().await.expect("the answer is whole").to_vec()
        };
        let response = Response {
            status,
            headers,
            body,
        };
        if status.is_server_error() {
            self.failures.note(format!("{response:?}"));
        }
        response
    }

    pub async fn get(&self, path: &str) -> Response {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Response {
        self.send(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Response {
        self.send(self.request(Method::PATCH, path).json(&body)).await
    }

    pub async fn delete(&self, path: &str) -> Response {
        self.send(self.request(Method::DELETE, path)).await
    }
}

/// An answer, read to its end.
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Response {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Goes on with the body when the status is the one expected, and shows the answer otherwise.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        if self.body.is_empty() {
            Value::Null
        } else {
            self.json()
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The last part of the problem's type.
    #[track_caller]
    pub fn problem(&self) -> String {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let kind = self.json()["type"].as_str().unwrap_or_default().to_owned();
        kind.rsplit('/').next().unwrap_or_default().to_owned()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.status)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value:?}")?;
        }
        f.write_str(&String::from_utf8_lossy(&self.body))
    }
}

/// The server errors that callers of one server were answered with.
#[derive(Clone, Debug, Default)]
pub(crate) struct Failures(Arc<Mutex<Noted>>);

#[derive(Debug, Default)]
struct Noted {
    answers: Vec<String>,
    expected: bool,
}

impl Failures {
    pub(crate) fn expect(&self) {
        self.0.lock().expect("nobody panics here").expected = true;
    }

    fn note(&self, answer: String) {
        self.0.lock().expect("nobody panics here").answers.push(answer);
    }

    pub(crate) fn unexpected(&self) -> Vec<String> {
        let noted = self.0.lock().expect("nobody panics here");
        if noted.expected {
            Vec::new()
        } else {
            noted.answers.clone()
        }
    }
}
