//! Hands spans to a collector (OTLP over HTTP, <https://opentelemetry.io/docs/specs/otlp/#otlphttp>).

use std::time::Duration;

use fairlead_telemetry::spans::{self, Spans};
use reqwest::Client;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use tokio::time::{Instant, timeout};

use crate::BadClient;

/// How long a collector may take. Meanwhile the queue fills, and what does not fit is lost.
const WITHIN: Duration = Duration::from_secs(5);
/// One that fails is told of so often at the most.
const WARN_EVERY: Duration = Duration::from_mins(5);

/// Where spans go.
#[derive(Clone, Debug)]
pub struct Collector {
    client: Client,
    url: String,
}

impl Collector {
    /// `url` is that of the collector, to which the path of traces is added.
    pub fn new(url: &str, user_agent: &str) -> Result<Self, BadClient> {
        let client = Client::builder()
            .tls_backend_preconfigured(crate::tls::config(None)?)
            .user_agent(user_agent)
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .connect_timeout(WITHIN)
            .pool_max_idle_per_host(1)
            .build()?;
        Ok(Self {
            client,
            url: format!("{url}/v1/traces"),
        })
    }

    /// Goes on for as long as there can be spans. What a collector does not take is lost: it is for those who look now, and
    /// nobody waits for it.
    pub async fn run(self, mut queue: Spans) {
        let mut warned: Option<Instant> = None;
        while let Some((request, count)) = queue.next().await {
            let Err(fault) = self.send(request).await else {
                continue;
            };
            spans::note_lost(count);
            if warned.is_none_or(|warned| warned.elapsed() >= WARN_EVERY) {
                warned = Some(Instant::now());
                tracing::warn!(
                    fault,
                    spans.lost = count,
                    "spans cannot be handed to their collector; they are lost, and requests go on"
                );
            }
        }
    }

    async fn send(&self, request: Vec<u8>) -> Result<(), String> {
        let protobuf = HeaderValue::from_static("application/x-protobuf");
        let sending = self
            .client
            .post(&self.url)
            .header(CONTENT_TYPE, protobuf)
            .body(request);
        let answer = match timeout(WITHIN, sending.send()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(error.without_url().to_string()),
            Err(_) => return Err(format!("no answer within {} s", WITHIN.as_secs())),
        };
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(format!("it answers {}", answer.status()))
        }
    }
}
