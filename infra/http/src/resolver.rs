use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::guard::Guard;

/// Knows the addresses of names.
#[async_trait]
pub(crate) trait Lookup: Debug + Send + Sync {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// Asks the system.
#[derive(Debug)]
pub(crate) struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let found = tokio::net::lookup_host((name, 0)).await?;
        Ok(found.map(|address| address.ip()).collect())
    }
}

/// Resolves names to addresses that may be connected to. What it returns is what the client connects to: nobody asks
/// again in between.
#[derive(Debug)]
pub(crate) struct GuardedResolver {
    pub(crate) guard: Arc<Guard>,
    pub(crate) lookup: Arc<dyn Lookup>,
}

/// Why a name leads nowhere.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LookupError {
    #[error("the name cannot be resolved")]
    Unknown(#[source] io::Error),
    #[error("no address of the name may be connected to")]
    Refused,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, lookup) = (Arc::clone(&self.guard), Arc::clone(&self.lookup));
        Box::pin(async move {
            let found = lookup
                .addresses(name.as_str())
                .await
                .map_err(LookupError::Unknown)?;
            let fit: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| guard.allows(*address))
                // The port is that of the URL.
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            if fit.is_empty() {
                return Err(LookupError::Refused.into());
            }
            Ok(Box::new(fit.into_iter()) as Addrs)
        })
    }
}
