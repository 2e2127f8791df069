//! Why a pool had no connection to lend, and who has those there are.

use std::fmt;
use std::time::Duration;

use fairlead_domain::consistency::NodeName;
use fairlead_domain::database::Holder;

use crate::wire::Error;

/// How many holders an error names; the operators' view has all.
const HOLDERS_NAMED: usize = 5;

/// Names a pool in errors and reports: `app on replica-1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolName {
    /// `app` or `system`.
    pub role: &'static str,
    pub node: NodeName,
}

/// Every connection of a pool was in use for as long as a unit of work may wait.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "pool {pool}: none of its {max} connections became free within {} ms; held by {}",
    waited.as_millis(),
    Named(holders)
)]
pub struct PoolExhausted {
    pub pool: PoolName,
    pub max: u32,
    pub waited: Duration,
    /// The longest first.
    pub holders: Vec<Holder>,
}

/// The database took no new connection for as long as a unit of work may wait, although the pool had room for one.
#[derive(Debug, thiserror::Error)]
#[error("pool {pool}: the database takes no connection")]
pub struct NoConnection {
    pub pool: PoolName,
}

/// The server has no room for another connection of ours, and none that we have became free.
#[derive(Debug, thiserror::Error)]
#[error(
    "pool {pool}: the server takes no more connections; raise its max_connections, or lower the pools' max"
)]
pub struct ServerFull {
    pub pool: PoolName,
    pub source: Error,
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} on {}", self.role, self.node)
    }
}

/// The first holders, and how many there are besides.
struct Named<'h>(&'h [Holder]);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = self.0.iter().take(HOLDERS_NAMED).map(Holder::to_string);
        f.write_str(&named.collect::<Vec<_>>().join("; "))?;
        match self.0.len().saturating_sub(HOLDERS_NAMED) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exhausted_pool_names_those_who_hold_it() {
        let holder = |name: &str| Holder {
            name: Some(name.to_owned()),
            request_id: None,
            held_for: Duration::from_millis(3100),
            statement: String::new(),
        };
        let error = PoolExhausted {
            pool: PoolName {
                role: "app",
                node: NodeName::new("primary"),
            },
            max: 7,
            waited: Duration::from_secs(3),
            holders: ["GET /a", "GET /b", "c", "d", "e", "f", "g"].map(holder).to_vec(),
        };

        assert_eq!(
            error.to_string(),
            "pool app on primary: none of its 7 connections became free within 3000 ms; held by GET /a for 3100 ms; \
             GET /b for 3100 ms; c for 3100 ms; d for 3100 ms; e for 3100 ms; and 2 more"
        );
    }
}
