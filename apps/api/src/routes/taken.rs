use fairlead_domain::performance::Taken;
use serde::Serialize;
use utoipa::ToSchema;

use crate::units::milliseconds;

/// What was taken of what all share, as all processes have measured it: up to the last time that each has written it down,
/// which takes a minute.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Taken)]
pub(super) struct TakenView {
    #[schema(minimum = 0)]
    requests: u64,
    /// Answers with a status from 500.
    #[schema(minimum = 0)]
    failed: u64,
    /// From the head of each request to its answer.
    request_seconds: f64,
    /// Of bodies, as far as requests told their length.
    #[schema(minimum = 0)]
    received_bytes: u64,
    /// Of bodies; those of streams are not known.
    #[schema(minimum = 0)]
    sent_bytes: u64,
    /// Of requests, as the rows and the time of the database.
    #[schema(minimum = 0)]
    statements: u64,
    #[schema(minimum = 0)]
    rows: u64,
    database_ms: f64,
    /// That jobs were worked on.
    job_seconds: f64,
    /// That clients have stayed, by WebSocket or stream; of several at once the sum.
    stay_minutes: f64,
}

impl From<&Taken> for TakenView {
    fn from(taken: &Taken) -> Self {
        Self {
            requests: taken.requests,
            failed: taken.failed,
            request_seconds: taken.request_time.as_secs_f64(),
            received_bytes: taken.received_bytes,
            sent_bytes: taken.sent_bytes,
            statements: taken.statements,
            rows: taken.rows,
            database_ms: milliseconds(taken.database_time),
            job_seconds: taken.job_time.as_secs_f64(),
            stay_minutes: taken.stay_time.as_secs_f64() / 60.0,
        }
    }
}
