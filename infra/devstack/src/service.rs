//! The services a stack can run, and where they answer.

use std::fmt;

use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// The PostgreSQL primary.
    Postgres,
    /// A streaming replica of that primary.
    Replica,
    /// Another one, for tests of what two of them do.
    SecondReplica,
    Redis,
    RabbitMq,
}

impl Service {
    /// Names the ports the service needs; the first is the one its clients use.
    pub(crate) fn ports(self) -> &'static [&'static str] {
        match self {
            Self::Postgres => &["postgres"],
            Self::Replica => &["replica"],
            Self::SecondReplica => &["replica-2"],
            Self::Redis => &["redis"],
            Self::RabbitMq => &["rabbitmq", "rabbitmq-distribution", "epmd"],
        }
    }
}

impl fmt::Display for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Postgres => "PostgreSQL",
            Self::Replica => "the PostgreSQL replica",
            Self::SecondReplica => "the second PostgreSQL replica",
            Self::Redis => "Redis",
            Self::RabbitMq => "RabbitMQ",
        })
    }
}

/// Where a service answers. The URL holds its credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub port: u16,
    pub url: String,
}

impl Endpoint {
    /// Returns the URL of another database of the same server; meaningful for PostgreSQL alone.
    pub fn database_url(&self, database: &str) -> String {
        let server = self
            .url
            .rsplit_once('/')
            .map_or(self.url.as_str(), |(server, _)| server);
        format!("{server}/{database}")
    }
}
