use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fairlead_domain::network::Network;
use fairlead_domain::webhooks::SendFault;
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use tokio::time::timeout;
use url::Url;

use crate::guard::Guard;
use crate::resolver::{GuardedResolver, Lookup, LookupError, SystemLookup};
use crate::tls::{self, BadTls};
use crate::witness::Witness;

/// How much of a body is read, and for how long, so that its connection can be used again. Then it is closed.
const DRAINED_BYTES: usize = 16 * 1024;
const DRAINED_FOR: Duration = Duration::from_secs(1);
/// Connections of one host that are kept for the next call, and for how long.
const IDLE: usize = 4;
const IDLE_FOR: Duration = Duration::from_secs(30);

/// How a guarded client behaves.
#[derive(Clone, Debug)]
pub struct GuardedClientSettings {
    /// What it calls itself.
    pub user_agent: String,
    /// Whether it may call without TLS.
    pub allows_http: bool,
    /// What it may call although that is no public address.
    pub allowed: Vec<Network>,
    /// What it must not call, whatever else is said of it.
    pub denied: Vec<Network>,
    /// How long a connection may take.
    pub connect_timeout: Duration,
    /// How long a call may take, from the lookup of the name to the head of the answer.
    pub timeout: Duration,
}

/// Calls hosts of the internet, whoever says which.
#[derive(Clone, Debug)]
pub struct GuardedClient {
    client: Client,
    pub(crate) guard: Arc<Guard>,
    witness: Arc<Witness>,
    timeout: Duration,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum BadClient {
    #[error("cannot speak TLS")]
    Tls(#[from] BadTls),
    #[error("cannot make an HTTP client")]
    Client(#[from] reqwest::Error),
}

/// The head of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
}

impl GuardedClient {
    pub fn new(settings: GuardedClientSettings) -> Result<Self, BadClient> {
        Self::with_lookup(settings, Arc::new(SystemLookup))
    }

    pub(crate) fn with_lookup(
        settings: GuardedClientSettings,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, BadClient> {
        let guard = Arc::new(Guard {
            allows_http: settings.allows_http,
            allowed: settings.allowed,
            denied: settings.denied,
        });
        let within = settings.connect_timeout.mul_f64(0.8);
        let resolver = GuardedResolver {
            guard: Arc::clone(&guard),
            lookup: Arc::clone(&lookup),
            within,
        };
        let client = Client::builder()
            .tls_backend_preconfigured(tls::config(None)?)
            .dns_resolver(resolver)
            .user_agent(settings.user_agent)
            .https_only(!settings.allows_http)
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .connect_timeout(settings.connect_timeout)
            .pool_max_idle_per_host(IDLE)
            .pool_idle_timeout(IDLE_FOR)
            .build()?;
        Ok(Self {
            client,
            guard,
            witness: Arc::new(Witness::new(lookup, within)),
            timeout: settings.timeout,
        })
    }

    /// Posts a body, and returns the head of the answer.
    pub(crate) async fn post(&self, url: &str, headers: HeaderMap, body: Bytes) -> Result<Head, SendFault> {
        let url: Url = self.guard.check(url)?;
        let call = self.client.post(url).headers(headers).body(body).send();
        let answer = match timeout(self.timeout, call).await {
            Err(_) => return Err(SendFault::TimedOut(self.timeout)),
            Ok(Err(error)) => return Err(self.whose(fault(&error, self.timeout)).await),
            Ok(Ok(answer)) => answer,
        };
        let head = Head {
            status: answer.status(),
            headers: answer.headers().clone(),
        };
        // What the answer is stands in its head. A body that comes slowly, or does not end, is given up.
        let _ = timeout(DRAINED_FOR, drain(answer)).await;
        Ok(head)
    }

    /// A name whose own servers do not answer leads nowhere, as one that there is not. Tenants must not be able to have us
    /// try for ever by such a name.
    async fn whose(&self, fault: SendFault) -> SendFault {
        if fault == SendFault::Lookup && self.witness.answers().await {
            tracing::info!("names of others can be looked up: it is the receiver's that has no servers");
            return SendFault::NoAddress;
        }
        fault
    }
}

async fn drain(mut answer: Response) {
    let mut read = 0;
    while let Ok(Some(chunk)) = answer.chunk().await {
        read += chunk.len();
        if read > DRAINED_BYTES {
            return;
        }
    }
}

fn fault(error: &reqwest::Error, limit: Duration) -> SendFault {
    if let Some(lookup) = found::<LookupError>(error) {
        return match lookup {
            LookupError::Unknown(_) | LookupError::Refused => SendFault::NoAddress,
            LookupError::Failed(_) => SendFault::Lookup,
        };
    }
    if found::<rustls::Error>(error).is_some() {
        SendFault::Tls
    } else if error.is_connect() {
        SendFault::NoConnection
    } else if error.is_timeout() {
        SendFault::TimedOut(limit)
    } else {
        SendFault::Broken
    }
}

/// Looks for an `E` among the causes of an error.
pub(crate) fn found<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        // What an I/O error was made of is not its source, but stands in its place.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests;
