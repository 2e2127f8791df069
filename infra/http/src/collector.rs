//! Hands spans to a collector (OTLP over HTTP, <https://opentelemetry.io/docs/specs/otlp/#otlphttp>).

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    ExporterBuildError, Protocol, RetryPolicy, SpanExporter, WithExportConfig as _, WithHttpConfig as _,
};
use reqwest::Client;
use reqwest::redirect::Policy;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};

use crate::BadClient;

/// How long a collector may take. Meanwhile the queue fills, and what does not fit is lost.
const WITHIN: Duration = Duration::from_secs(5);
/// One that fails is told of so often at the most.
const WARN_EVERY: Duration = Duration::from_mins(5);

/// Why no collector can be told.
#[derive(Debug, thiserror::Error)]
pub enum BadCollector {
    #[error(transparent)]
    Client(#[from] BadClient),
    #[error(transparent)]
    Exporter(#[from] ExporterBuildError),
}

/// Where spans go: `url` is that of the collector, to which the path of traces is added. To be called within the runtime, by
/// which it is called from wherever spans are handed over.
pub fn collector(url: &str, user_agent: &str) -> Result<SpanExporter, BadCollector> {
    let client = Client::builder()
        .tls_backend_preconfigured(crate::tls::config(None).map_err(BadClient::from)?)
        .user_agent(user_agent)
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .connect_timeout(WITHIN)
        .pool_max_idle_per_host(1)
        .build()
        .map_err(BadClient::from)?;
    let collector = Collector {
        client,
        runtime: Handle::current(),
        warned: Mutex::default(),
    };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(collector)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{url}/v1/traces"))
        .with_timeout(WITHIN)
        // Whoever is behind does not catch up by trying again: what waits meanwhile is more.
        .with_retry_policy(RetryPolicy::disabled())
        .build()?;
    Ok(exporter)
}

#[derive(Debug)]
struct Collector {
    client: Client,
    runtime: Handle,
    warned: Mutex<Option<Instant>>,
}

#[async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        // Who exports does so on a thread outside the runtime.
        let sent = self.runtime.spawn(send(self.client.clone(), request)).await;
        let came = sent.unwrap_or_else(|_| Err("the process ends".to_owned()));
        match &came {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => self.warn(&format!("it answers {}", answer.status())),
            Err(fault) => self.warn(fault),
        }
        Ok(came?)
    }
}

impl Collector {
    fn warn(&self, fault: &str) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_none_or(|warned| warned.elapsed() >= WARN_EVERY) {
            *warned = Some(Instant::now());
            tracing::warn!(
                fault,
                "spans cannot be handed to their collector; they are lost, and requests go on"
            );
        }
    }
}

async fn send(client: Client, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
    let told = |error: reqwest::Error| error.without_url().to_string();
    let exchange = async {
        let request = request.try_into().map_err(told)?;
        let answer = client.execute(request).await.map_err(told)?;
        // What it says besides is of no use here, and may be of any length.
        let mut empty = Response::new(Bytes::new());
        *empty.status_mut() = answer.status();
        *empty.headers_mut() = answer.headers().clone();
        Ok(empty)
    };
    timeout(WITHIN, exchange)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {} s", WITHIN.as_secs())))
}
