use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{MAX_LEADS, ScoringRequest};
use crate::Id;
use crate::access::{Permit, ScoreLeads};
use crate::jobs::{Job, NewJob};
use crate::leads::LeadId;
use crate::operations::{
    NewOperation, NoRoom, Operation, OperationId, OperationKind, make_sure_of_place, queue,
};
use crate::store::{StoreError, UnitOfWork};

/// Why a run was not queued.
#[derive(Debug, thiserror::Error)]
pub enum BeginScoringError {
    #[error("at most {MAX_LEADS} leads are scored at a time: name fewer, or narrow the filter")]
    TooMany,
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
}

/// What the job of a run is to know. Which leads are meant stands in the operation, which is the tenant's alone.
#[derive(Clone, Debug)]
pub struct ScoringJob {
    operation: OperationId,
    /// How often it has waited for the provider since it scored a lead.
    waits: u32,
    /// Of the request that began it, also where this is not its first job.
    trace_parent: Option<String>,
}

#[derive(Default, Deserialize, Serialize)]
struct Payload {
    #[serde(default)]
    waits: u32,
}

impl ScoringJob {
    pub const KIND: &'static str = OperationKind::ScoreLeads.as_str();

    /// What the job of an operation is to do.
    pub fn of(job: &Job, operation: OperationId) -> Self {
        // Whoever has written something else there has it wait as at first.
        let payload: Payload = serde_json::from_str(job.payload.get()).unwrap_or_default();
        Self {
            operation,
            waits: payload.waits,
            trace_parent: job.trace_parent.clone(),
        }
    }

    pub fn operation(&self) -> OperationId {
        self.operation
    }

    pub fn waits(&self) -> u32 {
        self.waits
    }

    pub(super) fn note_answer(&mut self) {
        self.waits = 0;
    }

    pub(super) fn note_wait(&mut self) -> Duration {
        let pause = pause(self.waits);
        self.waits = self.waits.saturating_add(1);
        pause
    }

    /// The job, to be enqueued.
    pub fn to_enqueue(&self) -> NewJob {
        let queue = OperationKind::ScoreLeads.queue();
        let payload = Payload { waits: self.waits };
        NewJob {
            trace_parent: self.trace_parent.clone(),
            ..NewJob::new(queue, Self::KIND, &payload).unique(self.operation.to_string())
        }
    }
}

/// How long a run waits for a provider that is away: twice as long each time, up to five minutes.
pub(super) fn pause(waits: u32) -> Duration {
    let factor = 1_u32.checked_shl(waits).unwrap_or(u32::MAX);
    Duration::from_secs(15)
        .saturating_mul(factor)
        .min(Duration::from_mins(5))
}

/// Queues a run over these leads, each of them once.
pub async fn begin(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ScoreLeads>,
    mut leads: Vec<LeadId>,
) -> Result<Operation, BeginScoringError> {
    let mut known = HashSet::with_capacity(leads.len());
    leads.retain(|lead| known.insert(*lead));
    if leads.len() > MAX_LEADS {
        return Err(BeginScoringError::TooMany);
    }
    make_sure_of_place(uow, OperationKind::ScoreLeads).await?;
    let request = ScoringRequest { leads };
    let operation = NewOperation {
        id: Id::from_uuid(uow.next_id()),
        kind: OperationKind::ScoreLeads,
        request: Some(request.to_json()),
        total: Some(request.leads.len() as u64),
        parts: 0,
        created_by: permit.actor(),
    };
    let job = ScoringJob {
        operation: operation.id,
        waits: 0,
        trace_parent: None,
    };
    let queued = queue(uow, &operation, job.to_enqueue())
        .await
        .map_err(NoRoom::from)?;
    queued.ok_or_else(|| {
        let missing = "an operation without input was not inserted";
        NoRoom::Store(StoreError::Unexpected(missing.into())).into()
    })
}
