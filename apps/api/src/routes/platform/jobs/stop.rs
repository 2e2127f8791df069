use actix_web::{HttpResponse, post, web};
use fairlead_domain::clock;
use fairlead_domain::invalid::Faults;
use fairlead_domain::jobs::{NewStop, Queue, StopMode};
use fairlead_domain::text as texts;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::view::StopView;
use super::{NoSuchQueue, PathQueue, QueueName};
use crate::Services;
use crate::authentication::Operator;
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::spec::Problems;
use crate::text;

/// Why a queue is stopped, and for how long.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewQueueStop, example = json!({"reason": "the provider is down", "until": "2026-11-21T12:00:00Z"}))]
struct StopBody {
    #[schema(schema_with = text::line::<500>)]
    reason: String,
    /// When it goes on by itself; when somebody resumes it, unless given.
    #[serde(default, with = "time::serde::rfc3339::option")]
    until: Option<OffsetDateTime>,
}

/// What was resumed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ResumedQueue, example = json!({"queue": "webhooks", "wasStopped": true}))]
struct ResumedView {
    queue: &'static str,
    was_stopped: bool,
}

/// Pause a queue.
///
/// In all processes: from the answer on no job of it is begun. Those under way go on.
#[utoipa::path(
    tag = "platform",
    operation_id = "pauseQueue",
    params(("queue" = inline(QueueName), Path, description = "The queue.")),
    request_body = StopBody,
    responses(
        (status = 200, description = "How it is stopped.", body = StopView),
        Problems<NoSuchQueue>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/jobs/{queue}/pause")]
pub(super) async fn pause(
    services: web::Data<Services>,
    operator: Operator,
    queue: PathQueue,
    body: JsonBody<StopBody>,
) -> Result<HttpResponse, Problem> {
    stop(&services, &operator, queue.0, StopMode::Paused, body.value).await
}

/// Drain a queue.
///
/// In all processes: the jobs that are due now are done, those that become due later wait until it is resumed.
#[utoipa::path(
    tag = "platform",
    operation_id = "drainQueue",
    params(("queue" = inline(QueueName), Path, description = "The queue.")),
    request_body = StopBody,
    responses(
        (status = 200, description = "How it is stopped.", body = StopView),
        Problems<NoSuchQueue>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/jobs/{queue}/drain")]
pub(super) async fn drain(
    services: web::Data<Services>,
    operator: Operator,
    queue: PathQueue,
    body: JsonBody<StopBody>,
) -> Result<HttpResponse, Problem> {
    stop(&services, &operator, queue.0, StopMode::Draining, body.value).await
}

/// Resume a queue that was paused or drained.
#[utoipa::path(
    tag = "platform",
    operation_id = "resumeQueue",
    params(("queue" = inline(QueueName), Path, description = "The queue.")),
    responses(
        (status = 200, description = "Whether it was stopped.", body = ResumedView),
        Problems<NoSuchQueue>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/jobs/{queue}/resume")]
pub(super) async fn resume(
    services: web::Data<Services>,
    operator: Operator,
    queue: PathQueue,
) -> Result<HttpResponse, Problem> {
    let was_stopped = services.jobs.operations.resume(queue.0).await?;
    tracing::info!(operator = operator.0.operator(), queue = %queue.0, "a queue was resumed");
    Ok(HttpResponse::Ok().json(ResumedView {
        queue: queue.0.as_str(),
        was_stopped,
    }))
}

async fn stop(
    services: &Services,
    operator: &Operator,
    queue: Queue,
    mode: StopMode,
    body: StopBody,
) -> Result<HttpResponse, Problem> {
    let mut faults = Faults::default();
    let reason = faults.keep("reason", texts::line(&body.reason, 500));
    let until = faults.keep_optional("until", body.until.map(clock::stored));
    if until.is_some_and(|until| until <= services.clock.now()) {
        faults.add("until", "must lie in the future");
    }
    faults.finish()?;
    let new = NewStop {
        queue,
        mode,
        reason: reason.expect("there was no fault"),
        operator: operator.0.operator().to_owned(),
        until,
    };
    let stop = services.jobs.operations.stop(&new).await?;
    tracing::warn!(
        operator = new.operator,
        queue = %queue,
        mode = mode.as_str(),
        reason = new.reason,
        "a queue was stopped"
    );
    Ok(HttpResponse::Ok().json(StopView::from(stop)))
}
