use async_trait::async_trait;
use serde::Serialize;

use super::StatusName;
use crate::access::Actor;
use crate::events::{Aggregate, Recorded, Source};
use crate::identity::{TenantId, UserId};
use crate::store::{StoreError, SystemUnitOfWork};

/// The counters that [`Leads::statistics`](super::Leads::statistics) is read from, and the loads of agents. Both are kept in
/// the transactions that write leads.
#[async_trait]
pub trait LeadCounters: Send {
    /// All tenants. Each is repaired by itself, so that nobody waits for the repair of others.
    async fn tenants(&mut self) -> Result<Vec<TenantId>, StoreError>;

    /// Compares the counters of a tenant with its leads and makes up for what they lack; returns what that was. Leads may be
    /// written meanwhile.
    async fn repair(&mut self, tenant: TenantId) -> Result<Vec<CounterDrift>, StoreError>;

    /// Compares what the agents of a tenant are said to hold with the open leads that they have, and corrects it; returns
    /// what was wrong. Whoever assigns leads to them waits until that is committed.
    async fn repair_loads(&mut self, tenant: TenantId) -> Result<Vec<LoadDrift>, StoreError>;
}

/// An agent that was said to hold more or fewer open leads than it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadDrift {
    pub tenant: TenantId,
    pub agent: UserId,
    pub counted: u64,
    pub actual: u64,
}

/// By how much the counter of one status was wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct CounterDrift {
    pub tenant: TenantId,
    pub status: StatusName,
    /// Negative when more leads were taken away than had been counted.
    pub counted: i64,
    pub actual: u64,
    /// What the sum of the creation times lacked.
    pub created_seconds: f64,
}

/// Repairs the counters of a tenant, and records an event where some were wrong: whoever keeps statistics learns from it
/// that they changed.
pub async fn repair_counters(
    uow: &mut dyn SystemUnitOfWork,
    tenant: TenantId,
) -> Result<Vec<CounterDrift>, StoreError> {
    let drift = uow.lead_counters().repair(tenant).await?;
    if !drift.is_empty() {
        let count = |of: fn(&CounterDrift) -> i64| Counts {
            leads: drift.iter().map(of).sum(),
        };
        uow.record(
            tenant,
            Recorded::new(
                "lead_counters_repaired",
                Aggregate::Tenant,
                tenant.as_uuid(),
                Actor::System,
            )
            .before(&count(|drift| drift.counted))
            .after(&count(|drift| i64::try_from(drift.actual).unwrap_or(i64::MAX)))
            .by(Source::System),
        );
    }
    Ok(drift)
}

/// Repairs the loads of the agents of a tenant, and records an event for each that was wrong.
pub async fn repair_loads(
    uow: &mut dyn SystemUnitOfWork,
    tenant: TenantId,
) -> Result<Vec<LoadDrift>, StoreError> {
    let drift = uow.lead_counters().repair_loads(tenant).await?;
    for agent in &drift {
        uow.record(
            agent.tenant,
            Recorded::new(
                "agent_load_repaired",
                Aggregate::User,
                agent.agent.as_uuid(),
                Actor::System,
            )
            .before(&Load {
                open_leads: agent.counted,
            })
            .after(&Load {
                open_leads: agent.actual,
            })
            .by(Source::System),
        );
    }
    Ok(drift)
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Load {
    open_leads: u64,
}

/// How many leads the statuses have that were counted wrongly.
#[derive(Debug, Serialize)]
struct Counts {
    leads: i64,
}
