//! What follows a commit: those who must know are told, whether or not anybody still waits for the answer.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use fairlead_domain::consistency::LogPosition;
use fairlead_domain::events::Recorded;
use fairlead_domain::identity::{SessionId, TenantId};
use fairlead_domain::jobs::Queue;
use fairlead_domain::store::{CommitListener, StoreError, WriteObserver as _};
use time::OffsetDateTime;

use crate::connection::Connection;
use crate::idempotency::Turn;
use crate::nodes::{Cluster, LastWrites};
use crate::revoked::MemoryRevokedSessions;

/// Those who must know of a commit.
#[derive(Clone)]
pub(crate) struct Audience {
    last_writes: Arc<LastWrites>,
    revoked: Arc<MemoryRevokedSessions>,
    listeners: Arc<[Arc<dyn CommitListener>]>,
}

/// What a unit of work has done besides writing rows.
#[derive(Debug, Default)]
pub(crate) struct Deeds {
    pub(crate) recorded: Vec<(TenantId, Recorded)>,
    /// Sessions that this process refuses once they are committed, and until when.
    pub(crate) revocations: Vec<(SessionId, OffsetDateTime)>,
    /// Where jobs were enqueued, each once.
    pub(crate) queues: Vec<Queue>,
    /// Others of this process wait with the same idempotency key until it is known what has become of this one.
    pub(crate) turn: Option<Turn>,
}

impl Deeds {
    pub(crate) fn note_enqueued(&mut self, queue: Queue) {
        if !self.queues.contains(&queue) {
            self.queues.push(queue);
        }
    }
}

/// Why there is no answer to a commit.
#[derive(Debug)]
pub(crate) enum CommitError {
    /// Nothing is committed.
    Refused(StoreError),
    /// COMMIT was sent, and what became of it is not known.
    InDoubt(StoreError),
}

impl From<CommitError> for StoreError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Refused(error) => error,
            CommitError::InDoubt(error) => Self::InDoubt(Box::new(error)),
        }
    }
}

/// When those who must know are told again of a commit in doubt. It may be done on the server only after they were
/// told, by a message that was under way for as long as the network takes to give up.
const IN_DOUBT: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_mins(1),
];

/// Commits, then tells the audience.
///
/// It runs to its end by itself: a request that gives up waiting for COMMIT does not know whether it arrived, and when
/// it did, caches must hear of it. They also do when nobody knows: to forget too much costs a load, to forget too
/// little shows what is no longer so.
pub(crate) async fn commit(
    connection: Connection,
    mark: NonZeroU32,
    wrote: Option<TenantId>,
    deeds: Deeds,
    audience: Audience,
) -> Result<LogPosition, StoreError> {
    let work = async move {
        let _turn = deeds.turn;
        match connection.commit().await {
            Ok(position) => {
                let position = position.of_commit(mark);
                audience.revoked.add(&deeds.revocations);
                audience.tell_of_jobs(&deeds.queues);
                audience.hear(wrote, deeds.recorded, position).await;
                Ok(position)
            }
            Err(error @ CommitError::Refused(_)) => Err(error.into()),
            Err(error @ CommitError::InDoubt(_)) => {
                audience
                    .hear(wrote, deeds.recorded.clone(), LogPosition::UNKNOWN)
                    .await;
                fairlead_telemetry::spawn(async move {
                    for delay in IN_DOUBT {
                        tokio::time::sleep(delay).await;
                        audience
                            .hear(wrote, deeds.recorded.clone(), LogPosition::UNKNOWN)
                            .await;
                    }
                });
                Err(error.into())
            }
        }
    };
    match fairlead_telemetry::spawn(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        // The process ends.
        Err(error) => Err(StoreError::InDoubt(Box::new(StoreError::Unavailable(Box::new(
            error,
        ))))),
    }
}

impl Audience {
    pub(crate) fn new(
        cluster: &Cluster,
        revoked: Arc<MemoryRevokedSessions>,
        listeners: Vec<Arc<dyn CommitListener>>,
    ) -> Self {
        Self {
            last_writes: cluster.last_writes(),
            revoked,
            listeners: listeners.into(),
        }
    }

    pub(crate) fn revoked(&self) -> &MemoryRevokedSessions {
        &self.revoked
    }

    fn tell_of_jobs(&self, queues: &[Queue]) {
        if !queues.is_empty() {
            for listener in &*self.listeners {
                listener.enqueued(queues);
            }
        }
    }

    async fn hear(
        &self,
        wrote: Option<TenantId>,
        all_recorded: Vec<(TenantId, Recorded)>,
        position: LogPosition,
    ) {
        let mut by_tenant: BTreeMap<TenantId, Vec<Recorded>> = BTreeMap::new();
        for (tenant, recorded) in all_recorded {
            by_tenant.entry(tenant).or_default().push(recorded);
        }
        // Also when it recorded nothing: an idempotency key is a write.
        if let Some(tenant) = wrote {
            by_tenant.entry(tenant).or_default();
        }
        for (tenant, recorded) in by_tenant {
            if position != LogPosition::UNKNOWN {
                self.last_writes.note_write(tenant, position);
            }
            if recorded.is_empty() {
                continue;
            }
            for listener in &*self.listeners {
                listener.committed(tenant, &recorded, position).await;
            }
        }
    }
}

impl fmt::Debug for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audience")
            .field("listeners", &self.listeners.len())
            .finish_non_exhaustive()
    }
}
