use fairlead_domain::operations::{
    LogLine, MAX_FAULTS, Operation, OperationState, OperationStory, Pace, RowFault, Tally,
};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::COLLECTION;

/// Long work.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Operation, example = json!({
    "id": "01934f6e-7b1a-7cc3-98a4-0242ac120011", "kind": "import-leads", "state": "running",
    "progress": {"done": 25_000, "total": 100_000, "percent": 25.0},
    "ratePerSecond": 5_000.0, "etaSeconds": 15.0, "cancelRequested": false,
    "result": {"successful": 24_998, "skipped": 0, "failed": 2},
    "download": null, "error": null, "createdBy": "user:01934f6e-7b1a-7cc3-98a4-0242ac120002", "createdAt": "2026-11-21T10:00:00Z",
    "startedAt": "2026-11-21T10:00:00Z", "updatedAt": "2026-11-21T10:00:05Z", "finishedAt": null,
}))]
pub(in crate::routes) struct OperationView {
    pub(in crate::routes) id: Uuid,
    #[schema(example = "import-leads")]
    kind: &'static str,
    #[schema(inline)]
    state: StateName,
    progress: ProgressView,
    /// How much was done in a second, on average from its begin to its last change, interruptions included; `null` while
    /// nothing can be said about that.
    #[schema(required = true, minimum = 0)]
    rate_per_second: Option<f64>,
    /// How long the rest takes at that rate; `null` where that cannot be said, and when it has ended.
    #[schema(required = true, minimum = 0)]
    eta_seconds: Option<f64>,
    /// Somebody wants it to stop. What is under way is finished first.
    cancel_requested: bool,
    /// What has come of it so far, also where it was cancelled or has failed.
    result: TallyView,
    /// Where its file is; `null` where it writes none, while that is not whole, and once it is not kept any more.
    #[schema(required = true)]
    download: Option<DownloadView>,
    /// Why it failed.
    #[schema(required = true)]
    error: Option<String>,
    /// Who asked for it.
    #[schema(example = "user:01934f6e-7b1a-7cc3-98a4-0242ac120002")]
    created_by: String,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When it was begun.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    started_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
    /// When it ended, in whichever way.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    finished_at: Option<OffsetDateTime>,
}

/// Long work, with all that is kept of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OperationStory, example = json!({
    "id": "01934f6e-7b1a-7cc3-98a4-0242ac120011", "kind": "import-leads", "state": "running",
    "progress": {"done": 25_000, "total": 100_000, "percent": 25.0},
    "ratePerSecond": 5_000.0, "etaSeconds": 15.0, "cancelRequested": false,
    "result": {"successful": 24_998, "skipped": 0, "failed": 2},
    "download": null, "error": null, "createdBy": "user:01934f6e-7b1a-7cc3-98a4-0242ac120002", "createdAt": "2026-11-21T10:00:00Z",
    "startedAt": "2026-11-21T10:00:00Z", "updatedAt": "2026-11-21T10:00:05Z", "finishedAt": null,
    "log": [{"at": "2026-11-21T10:00:00Z", "text": "begun"}],
    "errors": [{"line": 17, "field": "email", "reason": "must be an e-mail address such as ann@example.com"}],
    "errorsTruncated": false,
}))]
pub(super) struct OperationStoryView {
    #[serde(flatten)]
    operation: OperationView,
    /// What happened to it, the oldest first; of a long log the first line and the newest.
    #[schema(max_items = 100)]
    log: Vec<LogLineView>,
    /// Why rows were not done: the first 1,000 faults, and of one row the first 20.
    #[schema(max_items = 1000)]
    errors: Vec<OperationErrorView>,
    /// Whether there were more faults.
    errors_truncated: bool,
}

/// The file that an operation has written.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = OperationDownload)]
struct DownloadView {
    #[schema(example = "/api/v1/operations/01934f6e-7b1a-7cc3-98a4-0242ac120011/result")]
    url: String,
    /// Until when it can be fetched.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// What has come of what is done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperationResult)]
struct TallyView {
    /// Rows that were done: leads that an import has created, an export has written, or a run has scored.
    #[schema(minimum = 0)]
    successful: u64,
    /// Rows left out because the lead was known.
    #[schema(minimum = 0)]
    skipped: u64,
    /// Rows that were rejected.
    #[schema(minimum = 0)]
    failed: u64,
}

/// Why one row was not done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperationError)]
struct OperationErrorView {
    /// Where the row begins in the file, counted from 1; the header row of a CSV file is line 1.
    #[schema(minimum = 1)]
    line: u64,
    /// The field at fault; empty when it is the row itself.
    #[schema(example = "email")]
    field: String,
    #[schema(example = "must be an e-mail address such as ann@example.com")]
    reason: String,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum StateName {
    Queued,
    Running,
    Completed,
    Failed,
    Cancelled,
}

/// How far an operation has come.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperationProgress)]
struct ProgressView {
    /// Rows that are done.
    #[schema(minimum = 0)]
    done: u64,
    /// Rows that there are; `null`: nobody knows yet. Of an export an estimate until it is completed.
    #[schema(required = true, minimum = 0)]
    total: Option<u64>,
    #[schema(required = true, minimum = 0, maximum = 100)]
    percent: Option<f64>,
}

/// Something that happened to an operation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperationLogLine)]
struct LogLineView {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    text: String,
}

impl From<&Operation> for OperationView {
    fn from(operation: &Operation) -> Self {
        let record = operation.record();
        let pace = operation.pace();
        let remaining = pace.and_then(|Pace { remaining, .. }| remaining);
        Self {
            id: record.id.as_uuid(),
            kind: record.kind.as_str(),
            state: record.state.into(),
            progress: ProgressView {
                done: record.done,
                total: record.total,
                percent: record.total.map(|total| percent(record.done, total)),
            },
            rate_per_second: pace.map(|pace| tenths(pace.rate)),
            eta_seconds: remaining.map(|remaining| tenths(remaining.as_secs_f64())),
            cancel_requested: record.cancel_requested,
            result: record.tally.into(),
            download: operation.result_until().map(|expires_at| DownloadView {
                url: format!("{COLLECTION}/{}/result", record.id),
                expires_at,
            }),
            error: record.error.clone(),
            created_by: record.created_by.to_string(),
            created_at: record.created_at,
            started_at: record.started_at,
            updated_at: record.updated_at,
            finished_at: record.finished_at,
        }
    }
}

impl From<OperationStory> for OperationStoryView {
    fn from(story: OperationStory) -> Self {
        let OperationStory {
            operation,
            log,
            faults,
        } = story;
        Self {
            errors_truncated: operation.record().faults > MAX_FAULTS as u64,
            operation: OperationView::from(&operation),
            log: log.into_iter().map(LogLineView::from).collect(),
            errors: faults.into_iter().map(OperationErrorView::from).collect(),
        }
    }
}

impl From<Tally> for TallyView {
    fn from(tally: Tally) -> Self {
        let Tally {
            successful,
            skipped,
            failed,
        } = tally;
        Self {
            successful,
            skipped,
            failed,
        }
    }
}

impl From<RowFault> for OperationErrorView {
    fn from(fault: RowFault) -> Self {
        let RowFault { line, field, reason } = fault;
        Self { line, field, reason }
    }
}

impl From<OperationState> for StateName {
    fn from(state: OperationState) -> Self {
        match state {
            OperationState::Queued => Self::Queued,
            OperationState::Running => Self::Running,
            OperationState::Completed => Self::Completed,
            OperationState::Failed => Self::Failed,
            OperationState::Cancelled => Self::Cancelled,
        }
    }
}

impl From<LogLine> for LogLineView {
    fn from(LogLine { at, text }: LogLine) -> Self {
        Self { at, text }
    }
}

/// Down to a tenth, so that 100 means all. Of nothing all is done.
#[expect(
    clippy::cast_precision_loss,
    reason = "a percentage need not be exact beyond 2⁵³"
)]
fn percent(done: u64, total: u64) -> f64 {
    if total == 0 {
        return 100.0;
    }
    (done as f64 * 1_000.0 / total as f64).floor() / 10.0
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}
