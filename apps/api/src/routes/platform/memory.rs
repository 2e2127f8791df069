use actix_web::{HttpResponse, post, web};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::authentication::Operator;
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::{Release, ReleasedMemory, Services};

/// How much is given back, each with all before it.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = MemoryCleanupLevel)]
enum Level {
    /// All answers in this process's memory: what Redis keeps comes back from there, the rest from the database.
    Caches,
    /// Connections to the database that nobody uses, beyond those that are always open.
    Connections,
    /// These, too: for when the process is about to be ended for want of memory.
    Emergency,
}

/// What is to be given back.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = MemoryCleanup, example = json!({"level": "caches"}))]
struct CleanupBody {
    level: Level,
}

impl From<Level> for Release {
    fn from(level: Level) -> Self {
        match level {
            Level::Caches => Self::Caches,
            Level::Connections => Self::Connections,
            Level::Emergency => Self::Everything,
        }
    }
}

/// What was given back. There is no garbage to collect: memory is freed when its owner goes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ReleasedMemory, example = json!({
    "residentBeforeBytes": 91_000_000, "residentAfterBytes": 90_200_000, "droppedAnswers": 31,
    "droppedBytes": 640_000, "closedConnections": 0, "purgedBytes": null,
    "notes": ["purgedBytes: the allocator of this build cannot be asked to give memory back"],
}))]
struct ReleasedMemoryView {
    /// Memory of the process before, as the system counts it.
    #[schema(required = true, minimum = 0)]
    resident_before_bytes: Option<u64>,
    #[schema(required = true, minimum = 0)]
    resident_after_bytes: Option<u64>,
    /// Answers dropped from memory.
    #[schema(required = true, minimum = 0)]
    dropped_answers: Option<u64>,
    /// What those took; the allocator may keep it for the next ones.
    #[schema(required = true, minimum = 0)]
    dropped_bytes: Option<u64>,
    /// Connections to the database that were closed.
    #[schema(minimum = 0)]
    closed_connections: u64,
    /// What the allocator gave back to the system.
    #[schema(required = true, minimum = 0)]
    purged_bytes: Option<u64>,
    /// Why a figure is `null`.
    notes: Vec<&'static str>,
}

impl From<ReleasedMemory> for ReleasedMemoryView {
    fn from(released: ReleasedMemory) -> Self {
        let known = [
            (
                released.resident_before_bytes.and(released.resident_after_bytes),
                "residentBeforeBytes, residentAfterBytes: this system does not tell what a process takes",
            ),
            (
                released.dropped_answers,
                "droppedAnswers, droppedBytes: this process keeps no answers",
            ),
            (
                released.purged_bytes,
                "purgedBytes: the allocator of this build cannot be asked to give memory back",
            ),
        ];
        let unknown = known.into_iter().filter(|(figure, _)| figure.is_none());
        Self {
            resident_before_bytes: released.resident_before_bytes,
            resident_after_bytes: released.resident_after_bytes,
            dropped_answers: released.dropped_answers,
            dropped_bytes: released.dropped_bytes,
            closed_connections: released.closed_connections,
            purged_bytes: released.purged_bytes,
            notes: unknown.map(|(_, note)| note).collect(),
        }
    }
}

/// Give back memory that is held for nothing, and tell what that was.
#[utoipa::path(
    tag = "platform",
    operation_id = "releaseMemory",
    responses((status = 200, description = "What was done.", body = ReleasedMemoryView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/memory/gc")]
pub(super) async fn release(
    services: web::Data<Services>,
    _operator: Operator,
) -> Result<HttpResponse, Problem> {
    let released = services.memory.release(Release::Stale).await;
    Ok(HttpResponse::Ok().json(ReleasedMemoryView::from(released)))
}

/// Give back memory that serves requests, and tell what that was.
///
/// Of this process. It answers slower until it has what it dropped again, so this is for when memory runs out.
#[utoipa::path(
    tag = "platform",
    operation_id = "cleanUpMemory",
    request_body = CleanupBody,
    responses((status = 200, description = "What was done.", body = ReleasedMemoryView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/memory/cleanup")]
pub(super) async fn clean_up(
    services: web::Data<Services>,
    operator: Operator,
    body: JsonBody<CleanupBody>,
) -> Result<HttpResponse, Problem> {
    let level = body.value.level;
    let released = services.memory.release(level.into()).await;
    tracing::warn!(
        operator = operator.0.operator(),
        level = ?level,
        resident_before_bytes = released.resident_before_bytes,
        resident_after_bytes = released.resident_after_bytes,
        dropped_answers = released.dropped_answers,
        closed_connections = released.closed_connections,
        "memory was given back that served requests"
    );
    Ok(HttpResponse::Ok().json(ReleasedMemoryView::from(released)))
}
