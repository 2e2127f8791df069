//! What a process does, of all that is to be done.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A part of the work that a process may leave to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Answers requests, and tells those who follow events.
    Api,
    /// Does jobs, and what is due about the events that a broker delivers.
    Worker,
    /// Reads the log of events on behalf of all processes: publishes it, and has handled what no broker brings.
    Relay,
    /// Enqueues the jobs of schedules.
    Scheduler,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Api, Self::Worker, Self::Relay, Self::Scheduler];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Worker => "worker",
            Self::Relay => "relay",
            Self::Scheduler => "scheduler",
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// Those of a process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roles(BTreeSet<Role>);

impl Roles {
    pub fn has(&self, role: Role) -> bool {
        self.0.contains(&role)
    }

    pub fn names(&self) -> Vec<&'static str> {
        self.0.iter().map(|role| role.as_str()).collect()
    }

    /// What is left to other processes.
    pub fn of_others(&self) -> Vec<&'static str> {
        let others = Role::ALL.into_iter().filter(|role| !self.has(*role));
        others.map(Role::as_str).collect()
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<I: IntoIterator<Item = Role>>(roles: I) -> Self {
        Self(roles.into_iter().collect())
    }
}

/// As the environment names them: `api,worker`.
impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names().join(","))
    }
}
