use super::ExportRequest;
use crate::Id;
use crate::access::{ExportLeads, Permit};
use crate::jobs::{Job, NewJob};
use crate::operations::{
    NewOperation, NoRoom, Operation, OperationId, OperationKind, make_sure_of_place, make_sure_of_room, queue,
};
use crate::store::{StoreError, UnitOfWork};

/// What the job of an export is to know. What was asked for stands in the operation, which is the tenant's alone.
#[derive(Clone, Debug)]
pub struct ExportJob {
    operation: OperationId,
    /// Of the request that began it, also where this is not its first job.
    trace_parent: Option<String>,
}

impl ExportJob {
    pub const KIND: &'static str = OperationKind::ExportLeads.as_str();

    /// What the job of an operation is to do.
    pub fn of(job: &Job, operation: OperationId) -> Self {
        Self {
            operation,
            trace_parent: job.trace_parent.clone(),
        }
    }

    pub fn operation(&self) -> OperationId {
        self.operation
    }

    /// The job, to be enqueued.
    pub fn to_enqueue(&self) -> NewJob {
        let queue = OperationKind::ExportLeads.queue();
        NewJob {
            trace_parent: self.trace_parent.clone(),
            ..NewJob::new(queue, Self::KIND, &()).unique(self.operation.to_string())
        }
    }
}

/// Queues an export.
pub async fn begin(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ExportLeads>,
    request: &ExportRequest,
) -> Result<Operation, NoRoom> {
    make_sure_of_place(uow, OperationKind::ExportLeads).await?;
    make_sure_of_room(uow, OperationKind::ExportLeads, 1).await?;
    let operation = NewOperation {
        id: Id::from_uuid(uow.next_id()),
        kind: OperationKind::ExportLeads,
        request: Some(request.to_json()),
        // To count takes long; who does it counts.
        total: None,
        parts: 0,
        created_by: permit.actor(),
    };
    let job = ExportJob {
        operation: operation.id,
        trace_parent: None,
    };
    let queued = queue(uow, &operation, job.to_enqueue()).await?;
    queued.ok_or_else(|| {
        NoRoom::Store(StoreError::Unexpected(
            "an operation without input was not inserted".into(),
        ))
    })
}
