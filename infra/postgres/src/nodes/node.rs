//! One server: the connections to it, and what the monitor knows of it.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use fairlead_domain::consistency::{LogPosition, NodeName};
use fairlead_domain::database::{Lag, NodeRole};
use fairlead_domain::store::StoreError;
use tokio::sync::Notify;

use super::position::AtomicPosition;
use super::rotation::{Fault, Rotation, Standing};
use crate::connection::ReadsById;
use crate::pool::Pool;

/// One server. All that changes is read without a lock.
pub(crate) struct Node {
    pub(crate) name: NodeName,
    pub(crate) role: NodeRole,
    pub(crate) pool: Pool,
    pub(crate) reads_by_id: ReadsById,
    pub(super) seen: Arc<Seen>,
}

/// What is known of a server.
pub(super) struct Seen {
    standing: AtomicU8,
    rotation: Mutex<Rotation>,
    return_after: Duration,
    /// Woken when the server goes out of reach.
    lost: Notify,
    pub(super) position: AtomicPosition,
    /// Of a replica: bytes received, applied or not; [`UNKNOWN`] like the lag.
    received: AtomicU64,
    lag_bytes: AtomicU64,
    lag_micros: AtomicU64,
    latency_micros: AtomicU64,
}

/// A figure that is not known.
const UNKNOWN: u64 = u64::MAX;

/// The node gets no work.
#[derive(Debug, thiserror::Error)]
#[error("{node} {standing}")]
pub struct NodeDown {
    pub node: NodeName,
    pub standing: Standing,
}

impl Seen {
    pub(super) fn new(return_after: Duration) -> Self {
        Self {
            standing: AtomicU8::new(Standing::Unknown.code()),
            rotation: Mutex::default(),
            return_after,
            lost: Notify::new(),
            position: AtomicPosition::default(),
            received: AtomicU64::new(UNKNOWN),
            lag_bytes: AtomicU64::new(UNKNOWN),
            lag_micros: AtomicU64::new(UNKNOWN),
            latency_micros: AtomicU64::new(UNKNOWN),
        }
    }

    pub(super) fn standing(&self) -> Standing {
        Standing::of_code(self.standing.load(Ordering::Acquire))
    }

    /// Takes in how the node was found; returns how it stood before and stands now.
    pub(super) fn look(&self, found: Result<(), Fault>) -> (Standing, Standing) {
        let mut rotation = self.rotation.lock().unwrap_or_else(PoisonError::into_inner);
        let now = rotation.look(found, Instant::now(), self.return_after);
        let before = Standing::of_code(self.standing.swap(now.code(), Ordering::AcqRel));
        drop(rotation);
        if now.is_out_of_reach() {
            self.lost.notify_waiters();
        }
        (before, now)
    }

    /// Takes in what a replica has received, and how far it is behind, as far as either is known.
    pub(super) fn saw_replica(&self, received: Option<u64>, lag: Option<Lag>) {
        self.received
            .store(received.unwrap_or(UNKNOWN), Ordering::Relaxed);
        let (bytes, time) = lag.map_or((UNKNOWN, UNKNOWN), |lag| (lag.bytes, micros(lag.time)));
        self.lag_bytes.store(bytes, Ordering::Relaxed);
        self.lag_micros.store(time, Ordering::Relaxed);
    }

    pub(super) fn saw_latency(&self, latency: Option<Duration>) {
        self.latency_micros
            .store(latency.map_or(UNKNOWN, micros), Ordering::Relaxed);
    }

    pub(super) fn received(&self) -> Option<u64> {
        known(&self.received)
    }

    pub(super) fn lag(&self) -> Option<Lag> {
        Some(Lag {
            bytes: known(&self.lag_bytes)?,
            time: Duration::from_micros(known(&self.lag_micros)?),
        })
    }

    pub(super) fn latency(&self) -> Option<Duration> {
        known(&self.latency_micros).map(Duration::from_micros)
    }
}

impl Node {
    pub(crate) fn standing(&self) -> Standing {
        self.seen.standing()
    }

    /// How many connections are lent.
    pub(crate) fn busy(&self) -> usize {
        self.pool.busy()
    }

    pub(crate) fn is_serving(&self) -> bool {
        self.standing() == Standing::Serving
    }

    /// Whether it is known how far the node is behind, so that a limit of lag holds for it.
    pub(super) fn has_known_lag(&self) -> bool {
        self.seen.lag().is_some()
    }

    pub(crate) fn is_primary(&self) -> bool {
        self.role == NodeRole::Primary
    }

    /// A position of the log that whatever begins here now sees; unknown of a primary that is out of sight.
    pub(crate) fn position(&self) -> LogPosition {
        self.seen.position.load()
    }

    /// Takes the node out of the rotation: it failed somebody.
    pub(crate) fn fail(&self, fault: Fault) {
        let (before, now) = self.seen.look(Err(fault));
        if before != now {
            tracing::warn!(db.node = %self.name, "database node {} {now}: it gets no work", self.name);
        }
    }

    /// Waits until the node is out of reach.
    pub(crate) async fn lost(&self) {
        // Registered before looking, so that no change is missed in between.
        let lost = self.seen.lost.notified();
        if !self.standing().is_out_of_reach() {
            lost.await;
        }
    }

    pub(crate) fn down(&self) -> StoreError {
        StoreError::Unavailable(Box::new(NodeDown {
            node: self.name.clone(),
            standing: self.standing(),
        }))
    }
}

/// Whether this failure to begin speaks against the node. That all connections are in use, ours or the server's, does
/// not.
pub(crate) fn is_fault_of_node(error: &StoreError) -> bool {
    matches!(error, StoreError::Unavailable(_))
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("name", &self.name)
            .field("role", &self.role)
            .field("standing", &self.standing())
            .finish_non_exhaustive()
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(UNKNOWN - 1)
}

fn known(figure: &AtomicU64) -> Option<u64> {
    Some(figure.load(Ordering::Relaxed)).filter(|&figure| figure != UNKNOWN)
}
