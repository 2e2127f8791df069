//! What rows of operations become.

use fairlead_domain::Id;
use fairlead_domain::access::Actor;
use fairlead_domain::operations::{
    LogLine, Operation, OperationKind, OperationRecord, OperationState, RowFault, Tally,
};
use uuid::Uuid;

use crate::error::{SqlError, corrupt};
use crate::rows::FromRow;
use crate::wire::Columns;

/// The columns that an operation is read from. Of a file the first part goes last.
macro_rules! columns {
    () => {
        "id, kind, state, cancel_requested, done, total, successful, skipped, failed, faults, error, created_by,
         created_at, started_at, updated_at, finished_at,
         state = 'completed' AND EXISTS (
             SELECT FROM operation_outputs AS f
             WHERE f.tenant_id = operations.tenant_id AND f.operation_id = operations.id AND f.number = 0)"
    };
}
pub(crate) use columns;

/// The log with a line more, whose text is this expression. A log has 100 lines at the most: of a full one the second goes,
/// as the first tells how it began.
macro_rules! log_with {
    ($text:literal) => {
        concat!(
            "(CASE WHEN jsonb_array_length(log) < 100 THEN log ELSE log - 1 END)
             || jsonb_build_object(
                    'at', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'),
                    'text', ",
            $text,
            ")"
        )
    };
}
pub(crate) use log_with;

impl FromRow for Operation {
    fn from_columns(columns: &mut Columns<'_>) -> Result<Self, SqlError> {
        let id: Uuid = columns.take()?;
        let fault = |fault: &str| corrupt("operations", id, fault);
        Ok(Self::restore(OperationRecord {
            id: Id::from_uuid(id),
            kind: OperationKind::parse(columns.take()?).ok_or_else(|| fault("unknown kind"))?,
            state: OperationState::parse(columns.take()?).ok_or_else(|| fault("unknown state"))?,
            cancel_requested: columns.take()?,
            done: count(columns)?,
            total: columns.take::<Option<i64>>()?.map(i64::unsigned_abs),
            tally: Tally {
                successful: count(columns)?,
                skipped: count(columns)?,
                failed: count(columns)?,
            },
            faults: count(columns)?,
            error: columns.take()?,
            created_by: Actor::parse(columns.take()?).ok_or_else(|| fault("unknown actor"))?,
            created_at: columns.take()?,
            started_at: columns.take()?,
            updated_at: columns.take()?,
            finished_at: columns.take()?,
            has_file: columns.take()?,
        }))
    }
}

/// An operation with its log.
pub(super) struct Logged {
    pub(super) operation: Operation,
    pub(super) log: Vec<LogLine>,
}

impl FromRow for Logged {
    fn from_columns(columns: &mut Columns<'_>) -> Result<Self, SqlError> {
        let operation = Operation::from_columns(columns)?;
        let log = serde_json::from_str(columns.take()?).map_err(|_| {
            let id = operation.id().as_uuid();
            corrupt("operations", id, "its log is no list of lines")
        })?;
        Ok(Self { operation, log })
    }
}

impl FromRow for RowFault {
    fn from_columns(columns: &mut Columns<'_>) -> Result<Self, SqlError> {
        Ok(Self {
            line: count(columns)?,
            field: columns.take()?,
            reason: columns.take()?,
        })
    }
}

fn count(columns: &mut Columns<'_>) -> Result<u64, SqlError> {
    Ok(columns.take::<i64>()?.unsigned_abs())
}
