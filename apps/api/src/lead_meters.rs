//! Counts what becomes of leads.

use async_trait::async_trait;
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::events::{Recorded, Source};
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::CommitListener;

use crate::tenant_counters::TenantCounters;

/// Events, and what Prometheus is told of them as.
const OPERATIONS: [(&str, &str); 3] = [
    ("lead_created", "create"),
    ("lead_updated", "update"),
    ("lead_deleted", "delete"),
];
const SOURCES: usize = Source::ALL.len();

/// How many counters a tenant has: by operation and by source.
pub(crate) const LEAD_COUNTERS: usize = OPERATIONS.len() * SOURCES;

/// Counts the leads that commits of this process have created, updated and deleted.
///
/// A commit that the database has not answered is not counted.
#[derive(Clone, Debug, Default)]
pub struct LeadMeters(TenantCounters<LEAD_COUNTERS>);

impl LeadMeters {
    pub(crate) fn counters(&self) -> &TenantCounters<LEAD_COUNTERS> {
        &self.0
    }

    /// What each of the counters counts: operation and source.
    pub(crate) fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
        OPERATIONS
            .into_iter()
            .flat_map(|(_, operation)| Source::ALL.map(|source| (operation, source.as_str())))
    }
}

#[async_trait]
impl CommitListener for LeadMeters {
    async fn committed(&self, tenant: TenantId, recorded: &[Recorded], position: LogPosition) {
        if position == LogPosition::UNKNOWN {
            return;
        }
        let mut counters = [0; LEAD_COUNTERS];
        for change in recorded {
            let operation = OPERATIONS
                .iter()
                .position(|(event, _)| *event == change.event_type);
            if let Some(operation) = operation {
                counters[operation * SOURCES + change.source as usize] += 1;
            }
        }
        if counters != [0; LEAD_COUNTERS] {
            self.0.add(tenant, counters);
        }
    }
}
