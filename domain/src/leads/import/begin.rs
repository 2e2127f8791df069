//! Begins the import of a file that is here as a whole.

use serde::{Deserialize, Serialize};

use crate::access::{ImportLeads, Permit};
use crate::jobs::{Job, NewJob};
use crate::leads::Duplicates;
use crate::operations::{
    NewOperation, NoRoom, Operation, OperationId, OperationKind, make_sure_of_place, queue,
};
use crate::store::{StoreError, UnitOfWork};

/// A file that was read to its end, and kept as parts.
#[derive(Clone, Copy, Debug)]
pub struct Upload {
    pub operation: OperationId,
    pub rows: u64,
    pub parts: u32,
    pub duplicates: Duplicates,
}

/// Why an import could not be begun.
#[derive(Debug, thiserror::Error)]
pub enum BeginImportError {
    #[error(transparent)]
    NoRoom(NoRoom),
    /// It took so long that the first ones were cleared away as left behind.
    #[error("the upload took so long that its first parts were cleared away; send the file again")]
    PartsMissing,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the job of an import is to know.
#[derive(Clone, Debug)]
pub struct ImportJob {
    operation: OperationId,
    duplicates: Duplicates,
    /// Of the request that began it, also where this is not its first job.
    trace_parent: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    skip_duplicates: bool,
}

impl ImportJob {
    pub const KIND: &'static str = OperationKind::ImportLeads.as_str();

    /// What the job of an operation is to do.
    pub fn read(job: &Job, operation: OperationId) -> Result<Self, serde_json::Error> {
        let Payload { skip_duplicates } = serde_json::from_str(job.payload.get())?;
        Ok(Self {
            operation,
            duplicates: if skip_duplicates {
                Duplicates::Skip
            } else {
                Duplicates::Keep
            },
            trace_parent: job.trace_parent.clone(),
        })
    }

    pub fn operation(&self) -> OperationId {
        self.operation
    }

    pub(super) fn duplicates(&self) -> Duplicates {
        self.duplicates
    }

    /// The job, to be enqueued.
    pub fn to_enqueue(&self) -> NewJob {
        let payload = Payload {
            skip_duplicates: self.duplicates == Duplicates::Skip,
        };
        let queue = OperationKind::ImportLeads.queue();
        NewJob {
            trace_parent: self.trace_parent.clone(),
            ..NewJob::new(queue, Self::KIND, &payload).unique(self.operation.to_string())
        }
    }
}

/// Queues the import of a file that was uploaded.
pub async fn begin(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ImportLeads>,
    upload: &Upload,
) -> Result<Operation, BeginImportError> {
    make_sure_of_place(uow, OperationKind::ImportLeads).await?;
    let operation = NewOperation {
        id: upload.operation,
        kind: OperationKind::ImportLeads,
        request: None,
        total: Some(upload.rows),
        parts: upload.parts,
        created_by: permit.actor(),
    };
    let job = ImportJob {
        operation: upload.operation,
        duplicates: upload.duplicates,
        trace_parent: None,
    };
    let queued = queue(uow, &operation, job.to_enqueue()).await?;
    queued.ok_or(BeginImportError::PartsMissing)
}

impl From<NoRoom> for BeginImportError {
    fn from(error: NoRoom) -> Self {
        match error {
            NoRoom::Store(error) => Self::Store(error),
            other => Self::NoRoom(other),
        }
    }
}
