//! Counts what becomes of leads.

use async_trait::async_trait;
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::events::{Recorded, Source};
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::CommitListener;

use crate::tenant_counters::TenantCounters;

/// What Prometheus is told of.
const OPERATIONS: [&str; 3] = ["create", "update", "delete"];
/// Events, and which of the operations they are. A score is written to the lead like any other change.
const EVENTS: [(&str, usize); 4] = [
    ("lead_created", 0),
    ("lead_updated", 1),
    ("lead_scored", 1),
    ("lead_deleted", 2),
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
            .flat_map(|operation| Source::ALL.map(|source| (operation, source.as_str())))
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
            let event = EVENTS.iter().find(|(event, _)| *event == change.event_type);
            if let Some((_, operation)) = event {
                counters[operation * SOURCES + change.source as usize] += 1;
            }
        }
        if counters != [0; LEAD_COUNTERS] {
            self.0.add(tenant, counters);
        }
    }
}

#[cfg(test)]
mod tests {
    use fairlead_domain::access::Actor;
    use fairlead_domain::events::Aggregate;
    use uuid::Uuid;

    use super::*;

    #[actix_web::test]
    async fn a_score_counts_as_a_change_of_the_lead() {
        let meters = LeadMeters::default();
        let tenant = TenantId::from_uuid(Uuid::from_u128(1));
        let lead = Uuid::from_u128(2);
        let recorded = [
            Recorded::new("lead_created", Aggregate::Lead, lead, Actor::System),
            Recorded::new("lead_scored", Aggregate::Lead, lead, Actor::System),
            Recorded::new("lead_updated", Aggregate::Lead, lead, Actor::System),
            Recorded::new("activity_created", Aggregate::Activity, lead, Actor::System),
        ];

        meters.committed(tenant, &recorded, LogPosition::new(1, 7)).await;

        let (tenants, _) = meters.counters().read();
        let counted = tenants[0].1.chunks(SOURCES);
        let by_operation: Vec<u64> = counted.map(|sources| sources.iter().sum()).collect();
        assert_eq!(by_operation, [1, 2, 0]);
    }
}
