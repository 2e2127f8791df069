use std::time::Duration;

use bytes::{Bytes, BytesMut};
use fairlead_domain::upstreams::UpstreamFault;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use crate::client::found;
use crate::retry_after::retry_in;

/// How much is read of what a service says of a refusal.
const MOST_OF_REFUSAL: usize = 16 * 1024;
/// By which Stripe says whether the same request may be made again:
/// <https://docs.stripe.com/error-low-level#idempotency>.
const SHOULD_RETRY: &str = "stripe-should-retry";

/// An attempt that came to nothing.
#[derive(Clone)]
pub(crate) struct Failed {
    pub(crate) fault: UpstreamFault,
    /// When the service wants to be asked again.
    pub(crate) retry_after: Option<Duration>,
    /// Whether it wants to be, where it says.
    pub(crate) should_retry: Option<bool>,
    /// What it says of what it has refused; empty where it says nothing.
    pub(crate) refusal: Bytes,
}

impl std::fmt::Debug for Failed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Failed({})", self.fault.name())
    }
}

impl From<UpstreamFault> for Failed {
    fn from(fault: UpstreamFault) -> Self {
        Self {
            fault,
            retry_after: None,
            should_retry: None,
            refusal: Bytes::new(),
        }
    }
}

/// How the body of a refusal says that it is of the credential: some services answer 400 to a wrong key.
pub(crate) type Denial = fn(&[u8]) -> bool;

/// Sends one request, and reads the JSON that it is answered with: of `max_bytes` at the most.
pub(super) async fn exchange<T: DeserializeOwned>(
    request: RequestBuilder,
    max_bytes: usize,
    denial: Option<Denial>,
    now: OffsetDateTime,
) -> Result<T, Failed> {
    let answer = request.send().await.map_err(|error| fault_of(&error))?;
    if let Some(fault) = fault_of_status(answer.status()) {
        let header = |name: &str| answer.headers().get(name)?.to_str().ok();
        let retry_after = header(RETRY_AFTER.as_str()).and_then(|value| retry_in(value, now));
        let should_retry = header(SHOULD_RETRY).and_then(|value| value.parse().ok());
        let refusal = match fault {
            UpstreamFault::Refused(_) => body(answer, max_bytes.min(MOST_OF_REFUSAL)).await,
            _ => Ok(Bytes::new()),
        };
        let refusal = refusal.unwrap_or_default();
        let is_denial = fault == UpstreamFault::Refused(400) && denial.is_some_and(|denies| denies(&refusal));
        return Err(Failed {
            fault: if is_denial {
                UpstreamFault::Denied(400)
            } else {
                fault
            },
            retry_after,
            should_retry,
            refusal,
        });
    }
    if !is_json(answer.headers()) {
        return Err(UpstreamFault::Malformed.into());
    }
    let body = body(answer, max_bytes).await?;
    serde_json::from_slice(&body).map_err(|_| UpstreamFault::Malformed.into())
}

/// Makes a client whose connections are kept for the next call.
pub(super) fn client(user_agent: &str, connect_timeout: Duration) -> Result<Client, crate::BadClient> {
    Ok(Client::builder()
        .tls_backend_preconfigured(crate::tls::config(None)?)
        .user_agent(user_agent)
        // Whoever is named there would get the credential.
        .redirect(reqwest::redirect::Policy::none())
        // What is tried again is counted by ours.
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .connect_timeout(connect_timeout)
        .pool_idle_timeout(Duration::from_mins(1))
        .build()?)
}

fn fault_of_status(status: StatusCode) -> Option<UpstreamFault> {
    let code = status.as_u16();
    Some(match code {
        200..300 => return None,
        401 | 403 => UpstreamFault::Denied(code),
        408 => UpstreamFault::Failed(code),
        429 => UpstreamFault::RateLimited,
        400..500 => UpstreamFault::Refused(code),
        // A redirect is not what we ask for: somebody else answers.
        _ => UpstreamFault::Failed(code),
    })
}

/// `application/json` and its kin (RFC 6839, section 3.1), whatever follows.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let kind = value.split(';').next().unwrap_or_default().trim();
    let kind = kind.to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

async fn body(mut answer: Response, max_bytes: usize) -> Result<Bytes, UpstreamFault> {
    let told = answer.content_length().unwrap_or(0);
    if told > max_bytes as u64 {
        return Err(UpstreamFault::TooLarge(max_bytes));
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = answer.chunk().await.map_err(|error| fault_of(&error))? {
        if body.len() + chunk.len() > max_bytes {
            return Err(UpstreamFault::TooLarge(max_bytes));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn fault_of(error: &reqwest::Error) -> UpstreamFault {
    // What breaks off later may have been sent before.
    if !error.is_connect() {
        UpstreamFault::Broken
    } else if found::<rustls::Error>(error).is_some() {
        UpstreamFault::Tls
    } else {
        UpstreamFault::NoConnection
    }
}
