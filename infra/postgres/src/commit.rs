//! What follows a commit: those who must know are told, whether or not anybody still waits for the answer.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::Arc;

use fairlead_domain::consistency::LogPosition;
use fairlead_domain::events::Recorded;
use fairlead_domain::identity::{SessionId, TenantId};
use fairlead_domain::store::{CommitListener, StoreError, WriteObserver as _};
use time::OffsetDateTime;

use crate::connection::Connection;
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
}

/// Commits, then tells the audience.
///
/// It runs to its end by itself: a request that gives up waiting for COMMIT does not know whether it arrived, and when
/// it did, caches must hear of it.
pub(crate) async fn commit(
    connection: Connection,
    wrote: Option<TenantId>,
    deeds: Deeds,
    audience: Audience,
) -> Result<LogPosition, StoreError> {
    let work = async move {
        let position = connection.commit().await?;
        audience.hear(wrote, deeds, position).await;
        Ok(position)
    };
    match fairlead_telemetry::spawn(work).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
        Err(error) => Err(StoreError::Unavailable(Box::new(error))),
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

    async fn hear(&self, wrote: Option<TenantId>, deeds: Deeds, position: LogPosition) {
        self.revoked.add(&deeds.revocations);
        let mut by_tenant: BTreeMap<TenantId, Vec<Recorded>> = BTreeMap::new();
        for (tenant, recorded) in deeds.recorded {
            by_tenant.entry(tenant).or_default().push(recorded);
        }
        // Also when it recorded nothing: an idempotency key is a write.
        if let Some(tenant) = wrote {
            by_tenant.entry(tenant).or_default();
        }
        for (tenant, recorded) in by_tenant {
            self.last_writes.note_write(tenant, position);
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
