use fairlead_domain::jobs::{JobOwner, JobRecord, Pause, Schedule, Stop, StopMode};
use serde::Serialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// A job and what it is to be done with.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobWithPayload, example = json!({
    "id": "01934f6e-7b1a-7cc3-98a4-0242ac120009", "tenantId": null, "queue": "maintenance", "kind": "clear-expired",
    "uniqueKey": "schedule clear-expired", "priority": 1, "state": "completed", "attempts": 1,
    "worker": "process 1 of fairlead-7c9d4 at 0.0.0.0:8080", "fault": null, "schedule": "clear-expired", "traceparent": null,
    "createdAt": "2026-11-21T10:07:00Z", "runAt": "2026-11-21T10:07:00Z", "startedAt": "2026-11-21T10:07:00.1Z",
    "leaseUntil": null, "finishedAt": "2026-11-21T10:07:00.2Z", "payload": null,
}))]
pub(super) struct JobWithPayloadView {
    #[serde(flatten)]
    job: JobView,
    #[schema(value_type = Value)]
    payload: Box<RawValue>,
}

impl From<(JobRecord, Box<RawValue>)> for JobWithPayloadView {
    fn from((job, payload): (JobRecord, Box<RawValue>)) -> Self {
        Self {
            job: job.into(),
            payload,
        }
    }
}

/// A job.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Job, example = json!({
    "id": "01934f6e-7b1a-7cc3-98a4-0242ac120009", "tenantId": null, "queue": "maintenance", "kind": "clear-expired",
    "uniqueKey": "schedule clear-expired", "priority": 1, "state": "completed", "attempts": 1,
    "worker": "process 1 of fairlead-7c9d4 at 0.0.0.0:8080", "fault": null, "schedule": "clear-expired", "traceparent": null,
    "createdAt": "2026-11-21T10:07:00Z", "runAt": "2026-11-21T10:07:00Z", "startedAt": "2026-11-21T10:07:00.1Z",
    "leaseUntil": null, "finishedAt": "2026-11-21T10:07:00.2Z",
}))]
pub(super) struct JobView {
    id: Uuid,
    /// `null`: the platform's own. Where jobs are chosen by their tenant, those are chosen by
    /// `00000000-0000-0000-0000-000000000000`.
    #[schema(required = true)]
    tenant_id: Option<Uuid>,
    queue: &'static str,
    /// Names what is to be done.
    kind: String,
    #[schema(required = true)]
    unique_key: Option<String>,
    /// Of the jobs of one tenant the lowest is first.
    priority: i32,
    /// `delayed`, `waiting`, `active`, `completed` or `dead`.
    state: &'static str,
    attempts: u32,
    /// Which process has claimed it last.
    #[schema(required = true)]
    worker: Option<String>,
    /// Why the last attempt failed.
    #[schema(required = true)]
    fault: Option<String>,
    /// What has enqueued it, if it was no request.
    #[schema(required = true)]
    schedule: Option<String>,
    /// The request that has, by W3C Trace Context.
    #[schema(required = true)]
    traceparent: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When it is due.
    #[serde(with = "time::serde::rfc3339")]
    run_at: OffsetDateTime,
    /// When the last attempt was begun.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    started_at: Option<OffsetDateTime>,
    /// Until when it is claimed.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    lease_until: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    finished_at: Option<OffsetDateTime>,
}

impl From<JobRecord> for JobView {
    fn from(job: JobRecord) -> Self {
        Self {
            id: job.id.as_uuid(),
            tenant_id: job.owner.tenant().map(fairlead_domain::Id::as_uuid),
            queue: job.queue.as_str(),
            kind: job.kind,
            unique_key: job.unique_key,
            priority: job.priority,
            state: job.state.as_str(),
            attempts: job.attempts,
            worker: job.worker,
            fault: job.fault,
            schedule: job.schedule,
            traceparent: job.trace_parent,
            created_at: job.created_at,
            run_at: job.run_at,
            started_at: job.started_at,
            lease_until: job.lease_until,
            finished_at: job.finished_at,
        }
    }
}

/// A queue, or a part of one, that begins no jobs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = QueueStop, example = json!({
    "mode": "paused", "reason": "the provider is down", "operator": "olga", "since": "2026-11-21T10:00:00Z",
    "until": "2026-11-21T12:00:00Z", "kind": null, "tenantId": null,
}))]
pub(super) struct StopView {
    /// The jobs of this kind alone.
    #[schema(required = true)]
    kind: Option<String>,
    /// The jobs of this tenant alone; `00000000-0000-0000-0000-000000000000`: the platform's own.
    #[schema(required = true)]
    tenant_id: Option<Uuid>,
    /// `paused`: no job is begun. `draining`: none that became due after `since`.
    mode: &'static str,
    reason: String,
    operator: String,
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    /// `null`: until somebody resumes it.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    until: Option<OffsetDateTime>,
}

impl From<Stop> for StopView {
    fn from(stop: Stop) -> Self {
        Self {
            kind: None,
            tenant_id: None,
            mode: stop.mode.as_str(),
            reason: stop.reason,
            operator: stop.operator,
            since: stop.since,
            until: stop.until,
        }
    }
}

impl From<Pause> for StopView {
    fn from(pause: Pause) -> Self {
        Self {
            kind: pause.part.kind().map(str::to_owned),
            tenant_id: pause.part.owner().map(JobOwner::as_uuid),
            mode: StopMode::Paused.as_str(),
            reason: pause.reason,
            operator: pause.operator,
            since: pause.since,
            until: pause.until,
        }
    }
}

/// A job that is enqueued again and again.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobSchedule, example = json!({
    "name": "clear-expired", "queue": "maintenance", "kind": "clear-expired", "payload": null, "cron": "7 * * * *",
    "timeZone": "UTC", "missed": "once", "overlap": "skip", "createdBy": "system", "lastAt": "2026-11-21T10:07:00Z",
    "nextRuns": ["2026-11-21T11:07:00Z"],
}))]
pub(super) struct ScheduleView {
    name: String,
    queue: &'static str,
    kind: String,
    #[schema(value_type = Value)]
    payload: Box<RawValue>,
    cron: String,
    time_zone: String,
    /// `skip` or `once`.
    missed: &'static str,
    /// `skip` or `allow`.
    overlap: &'static str,
    /// The operator who has made it; `system`: it comes with the platform.
    created_by: String,
    /// The last moment that was not missed.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    last_at: Option<OffsetDateTime>,
    /// The next five.
    #[schema(value_type = Vec<OffsetDateTime>)]
    next_runs: Vec<Moment>,
}

/// A moment in a list.
#[derive(Debug, Serialize)]
struct Moment(#[serde(with = "time::serde::rfc3339")] OffsetDateTime);

impl ScheduleView {
    /// How many runs are shown ahead.
    pub(super) const AHEAD: usize = 5;

    pub(super) fn new(schedule: Schedule, next_runs: Vec<OffsetDateTime>) -> Self {
        Self {
            name: schedule.name,
            queue: schedule.queue.as_str(),
            kind: schedule.kind,
            payload: schedule.payload,
            cron: schedule.timing.cron,
            time_zone: schedule.timing.time_zone,
            missed: schedule.missed.as_str(),
            overlap: schedule.overlap.as_str(),
            created_by: schedule.created_by,
            last_at: schedule.last_at,
            next_runs: next_runs.into_iter().map(Moment).collect(),
        }
    }
}
