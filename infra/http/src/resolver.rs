use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use dns_lookup::{AddrInfoHints, LookupError as DnsError, LookupErrorKind, SockType, getaddrinfo};
use fairlead_telemetry::spawn_blocking;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::timeout;

use crate::guard::Guard;

/// Knows the addresses of names.
#[async_trait]
pub(crate) trait Lookup: Debug + Send + Sync {
    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, LookupError>;
}

/// Asks the system.
#[derive(Debug)]
pub(crate) struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, LookupError> {
        let name = name.to_owned();
        // The standard library does the same, but tells no kinds of failure apart.
        let looking = spawn_blocking(move || {
            let of_streams = AddrInfoHints {
                socktype: SockType::Stream.into(),
                ..AddrInfoHints::default()
            };
            let found = getaddrinfo(Some(&name), None, Some(of_streams))?;
            let addresses: io::Result<_> = found.map(|found| Ok(found?.sockaddr.ip())).collect();
            Ok(addresses?)
        });
        let found: Result<Vec<IpAddr>, DnsError> = looking
            .await
            .map_err(|lost| LookupError::Failed(io::Error::other(lost)))?;
        found.map_err(LookupError::from)
    }
}

/// Resolves names to addresses that may be connected to. What it returns is what the client connects to: nobody asks
/// again in between.
#[derive(Debug)]
pub(crate) struct GuardedResolver {
    pub(crate) guard: Arc<Guard>,
    pub(crate) lookup: Arc<dyn Lookup>,
    /// How long it may take: less than a connection may, whose time runs meanwhile. So servers of names that are silent
    /// are not taken for a receiver that is.
    pub(crate) within: Duration,
}

/// Why a name leads nowhere.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookupError {
    #[error("the name is not known")]
    Unknown(#[source] io::Error),
    /// No server of names has answered, or it could not: ours, or those of the name.
    #[error("the name cannot be looked up")]
    Failed(#[source] io::Error),
    #[error("no address of the name may be connected to")]
    Refused,
}

impl From<DnsError> for LookupError {
    fn from(error: DnsError) -> Self {
        match error.kind() {
            LookupErrorKind::NoName | LookupErrorKind::NoData => Self::Unknown(error.into()),
            _ => Self::Failed(error.into()),
        }
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, lookup, within) = (Arc::clone(&self.guard), Arc::clone(&self.lookup), self.within);
        Box::pin(async move {
            let name = name.as_str();
            let looking = timeout(within, lookup.addresses(name)).await;
            let found = match looking.unwrap_or_else(|late| Err(LookupError::Failed(late.into()))) {
                Ok(found) => found,
                Err(failure) => {
                    // Tenants are not told which it is.
                    let error: &dyn std::error::Error = &failure;
                    tracing::info!(receiver.host = name, error, "a receiver has no address");
                    return Err(failure.into());
                }
            };
            let fit: Vec<SocketAddr> = found
                .iter()
                .filter(|address| guard.allows(**address))
                // The port is that of the URL.
                .map(|address| SocketAddr::new(*address, 0))
                .collect();
            if fit.is_empty() {
                tracing::info!(
                    receiver.host = name,
                    receiver.addresses = ?found,
                    "a receiver's name leads to addresses that are not called"
                );
                return Err(LookupError::Refused.into());
            }
            Ok(Box::new(fit.into_iter()) as Addrs)
        })
    }
}
