use std::time::{Duration, Instant};

use lapin::Error;
use tokio::time::timeout;

use crate::connect::{ConnectError, connect};
use crate::settings::RabbitMqSettings;

const WITHIN: Duration = Duration::from_secs(5);

/// A broker that was found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Host, port and virtual host.
    pub place: String,
    /// How long it took to connect.
    pub took: Duration,
}

#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("RabbitMQ did not let go of the link")]
    Close(#[from] Error),
    #[error("RabbitMQ does not answer within {} s", WITHIN.as_secs())]
    Silent,
}

/// Connects once, and changes nothing.
pub async fn probe(settings: &RabbitMqSettings) -> Result<Found, ProbeError> {
    let started = Instant::now();
    let connection = timeout(WITHIN, connect(settings, "fairlead doctor"))
        .await
        .map_err(|_| ProbeError::Silent)??;
    let took = started.elapsed();
    connection.close(200, "seen".into()).await?;
    Ok(Found {
        place: settings.place(),
        took,
    })
}
