use serde::Serialize;
use uuid::Uuid;

use super::Operation;
use crate::access::Actor;
use crate::events::{Aggregate, Recorded};

/// An operation as events and the audit trail show it. Fields are only ever added.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OperationSnapshot<'a> {
    id: Uuid,
    kind: &'static str,
    state: &'static str,
    cancel_requested: bool,
    done: u64,
    total: Option<u64>,
    successful: u64,
    skipped: u64,
    failed: u64,
    error: Option<&'a str>,
}

impl<'a> From<&'a Operation> for OperationSnapshot<'a> {
    fn from(operation: &'a Operation) -> Self {
        let record = operation.record();
        Self {
            id: record.id.as_uuid(),
            kind: record.kind.as_str(),
            state: record.state.as_str(),
            cancel_requested: record.cancel_requested,
            done: record.done,
            total: record.total,
            successful: record.tally.successful,
            skipped: record.tally.skipped,
            failed: record.tally.failed,
            error: record.error.as_deref(),
        }
    }
}

/// Somebody has asked for an operation.
pub fn queued(operation: &Operation, actor: Actor) -> Recorded {
    let id = operation.id().as_uuid();
    let recorded = Recorded::new("operation_queued", Aggregate::Operation, id, actor);
    recorded.after(&OperationSnapshot::from(operation))
}

/// An operation was begun, or taken up again after it had failed.
pub fn started(before: &Operation, after: &Operation, actor: Actor) -> Recorded {
    let id = after.id().as_uuid();
    changed(
        Recorded::new("operation_started", Aggregate::Operation, id, actor),
        before,
        after,
    )
}

/// Somebody wants an operation to stop.
pub fn cancel_requested(before: &Operation, after: &Operation, actor: Actor) -> Recorded {
    let id = after.id().as_uuid();
    changed(
        Recorded::new("operation_cancel_requested", Aggregate::Operation, id, actor),
        before,
        after,
    )
}

/// An operation has ended, in whichever way.
pub fn ended(before: &Operation, after: &Operation, actor: Actor) -> Recorded {
    let id = after.id().as_uuid();
    changed(
        Recorded::new("operation_ended", Aggregate::Operation, id, actor),
        before,
        after,
    )
}

fn changed(recorded: Recorded, before: &Operation, after: &Operation) -> Recorded {
    recorded
        .before(&OperationSnapshot::from(before))
        .after(&OperationSnapshot::from(after))
}
