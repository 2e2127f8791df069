//! The servers of the database and the connections to them, as operators see them.

use std::fmt;
use std::time::Duration;

use crate::consistency::{LogPosition, NodeName};

/// Tells how the servers of the database and the pools of connections to them are doing.
pub trait DatabaseNodes: fmt::Debug + Send + Sync {
    /// The primary first. Answers at once, from what is known: also when no connection is free and no server answers.
    fn nodes(&self) -> Vec<NodeReport>;
}

/// Whether a server is written to or follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeRole {
    Primary,
    /// Serves whoever waits.
    Replica,
    /// Serves statistics and exports.
    Analytics,
}

/// One server, as it was seen last, and the pools of connections to it.
#[derive(Clone, Debug)]
pub struct NodeReport {
    pub name: NodeName,
    pub role: NodeRole,
    /// Whether it gets work.
    pub is_serving: bool,
    /// How it stands, in words that follow its name: `serves`, `is too far behind`.
    pub standing: &'static str,
    /// Of a replica, how far it has replayed; of the primary, how far it had written when it was seen last.
    pub position: LogPosition,
    /// Of a replica: received, and not replayed yet; `None` while it is out of sight.
    pub unapplied_bytes: Option<u64>,
    /// Of a replica; `None` when it is not known: while it or the primary is out of sight.
    pub lag: Option<Lag>,
    /// How long the last look took; `None` when it had no answer.
    pub latency: Option<Duration>,
    pub pools: Vec<PoolReport>,
}

/// How far a replica is behind the primary, as far as is known of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag {
    pub bytes: u64,
    /// At the most: everything older has been replayed. Zero when nothing is missing; of a replica that is behind for
    /// longer than is remembered, at the least.
    pub time: Duration,
}

/// The connections to one server as one role, now.
#[derive(Clone, Debug, Default)]
pub struct PoolReport {
    /// `app` or `system`.
    pub role: &'static str,
    pub min: u32,
    /// The most that may be open.
    pub max: u32,
    pub open: u32,
    /// Of these, ready to be lent.
    pub idle: u32,
    /// Of these, lent.
    pub active: u32,
    /// Units of work that wait for one.
    pub waiting: u32,
    /// How long they wait at the most.
    pub acquire_timeout: Duration,
    /// Connections lent, since the start.
    pub lent: u64,
    /// For how long, all together: with those that are lent now.
    pub lent_time: Duration,
    /// For how long units of work have waited for one, all together.
    pub wait_time: Duration,
    /// Waits that ended without a connection, since the start.
    pub timeouts: u64,
    /// Of the last one to two minutes; `None` when nobody took a connection.
    pub waits: Option<WaitTimes>,
    /// Those who have held theirs the longest come first.
    pub holders: Vec<Holder>,
}

/// Upper bounds of the waits that half, 95 and 99 of a hundred units of work stayed within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimes {
    pub count: u64,
    pub p50: Duration,
    pub p95: Duration,
    pub p99: Duration,
}

/// Who holds a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// What it works on: `PATCH /api/v1/leads/…`; `None` outside requests.
    pub name: Option<String>,
    pub request_id: Option<String>,
    pub held_for: Duration,
    /// The beginning of the statement that runs or ran last, without its values; empty before the first.
    pub statement: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.as_deref().unwrap_or("a background task"))?;
        if let Some(id) = &self.request_id {
            write!(f, " (request {id})")?;
        }
        write!(f, " for {} ms", self.held_for.as_millis())?;
        if !self.statement.is_empty() {
            write!(f, " in `{}`", self.statement)?;
        }
        Ok(())
    }
}
