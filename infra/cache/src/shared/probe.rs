use std::time::{Duration, Instant};

use redis::ConnectionAddr;
use tokio::time::timeout;

use super::keeper::identity;
use super::link::{Link, LinkError};
use super::server::BadRedis;
use crate::settings::SharedSettings;

const WITHIN: Duration = Duration::from_secs(5);

/// A Redis that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Host and port, and whether by TLS.
    pub place: String,
    /// How long it took to connect and to be answered.
    pub took: Duration,
    /// Whether it tells which server it is, and of which data: unless it does, whoever connects drops what is kept.
    pub is_named: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error(transparent)]
    Bad(#[from] BadRedis),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("Redis does not answer within {} s", WITHIN.as_secs())]
    Silent,
}

/// Connects once, and changes nothing.
pub async fn probe(settings: &SharedSettings) -> Result<Found, ProbeError> {
    let alone = SharedSettings {
        connections: 1,
        command_timeout: WITHIN,
        ..settings.clone()
    };
    let link = Link::new(&alone)?;
    let started = Instant::now();
    timeout(WITHIN, link.probe())
        .await
        .map_err(|_| ProbeError::Silent)??;
    let took = started.elapsed();
    let identity = timeout(WITHIN, identity(&link))
        .await
        .map_err(|_| ProbeError::Silent)??;
    Ok(Found {
        place: place(link.address()),
        took,
        is_named: identity.is_some(),
    })
}

/// Where it is, without credentials.
fn place(address: &ConnectionAddr) -> String {
    match address {
        ConnectionAddr::TcpTls { host, port, .. } => format!("{host}:{port}, by TLS"),
        other => other.to_string(),
    }
}
