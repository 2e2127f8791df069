use actix_web::{HttpResponse, post, web};
use fairlead_domain::clock;
use fairlead_domain::invalid::{Faults, Invalid};
use fairlead_domain::jobs::{JobOwner, NewPause, NewStop, Part, Queue, StopMode, Which};
use fairlead_domain::text as texts;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::kind::fault_of_kind;
use super::list::which;
use super::view::StopView;
use super::{NoSuchQueue, PathQueue, QueueName};
use crate::Services;
use crate::authentication::Operator;
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::spec::Problems;
use crate::{moment, text};

/// Why a queue is stopped, and for how long.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewQueueStop, example = json!({"reason": "the provider is down", "until": "2026-11-21T12:00:00Z"}))]
struct StopBody {
    #[schema(schema_with = text::line::<500>)]
    reason: String,
    /// When it goes on by itself; when somebody resumes it, unless given.
    #[serde(default, deserialize_with = "moment::optional")]
    until: Option<OffsetDateTime>,
}

/// Why a queue or a part of it is paused, and for how long.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewQueuePause, example = json!({
    "reason": "its imports are to wait for the night", "until": "2026-11-21T22:00:00Z",
    "tenantId": "01934f6e-7b1a-7cc3-98a4-0242ac120002",
}))]
struct PauseBody {
    #[schema(schema_with = text::line::<500>)]
    reason: String,
    /// When it goes on by itself; when somebody resumes it, unless given.
    #[serde(default, deserialize_with = "moment::optional")]
    until: Option<OffsetDateTime>,
    /// The jobs of this kind alone.
    #[serde(default)]
    #[schema(schema_with = text::line_or_null::<100>)]
    kind: Option<String>,
    /// The jobs of this tenant alone; `00000000-0000-0000-0000-000000000000` for the platform's own.
    #[serde(default)]
    #[schema(nullable = false)]
    tenant_id: Option<Uuid>,
}

/// What a [`PartQuery`] is read from, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
struct PartParameters {
    /// The jobs of this kind, as they were paused.
    #[param(min_length = 1, max_length = 100, nullable = false)]
    kind: Option<String>,
    /// The jobs of this tenant, as they were paused; `00000000-0000-0000-0000-000000000000` for the platform's own.
    #[param(nullable = false)]
    tenant_id: Option<Uuid>,
}

#[derive(Debug)]
struct PartQuery(Option<Part>);

impl FromQuery for PartQuery {
    fn read(query: &mut QueryReader) -> Self {
        let Which { kind, owner, .. } = which(query);
        Self(Part::new(kind, owner))
    }
}

/// What was resumed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ResumedQueue, example = json!({"queue": "webhooks", "wasStopped": true}))]
struct ResumedView {
    queue: &'static str,
    was_stopped: bool,
}

/// Pause a queue, or the jobs of a kind or of a tenant in it.
///
/// In all processes: from the answer on no claim of such jobs begins. Those under way go on. By the part of one that is
/// paused already, that pause is changed.
#[utoipa::path(
    tag = "platform",
    operation_id = "pauseQueue",
    params(("queue" = inline(QueueName), Path, description = "The queue.")),
    request_body = PauseBody,
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
    body: JsonBody<PauseBody>,
) -> Result<HttpResponse, Problem> {
    let PauseBody {
        reason,
        until,
        kind,
        tenant_id,
    } = body.value;
    let mut faults = Faults::default();
    let kind = faults.keep_optional("kind", kind.map(|kind| texts::line(&kind, 100)));
    let why = Why::read(&services, &operator, &StopBody { reason, until }, faults)?;
    let Some(part) = Part::new(kind, tenant_id.map(JobOwner::from_uuid)) else {
        return stop(&services, queue.0, StopMode::Paused, why).await;
    };
    if let Some(detail) = fault_of_kind(&services.jobs, queue.0, part.kind()).await? {
        return Err(Invalid::field("kind", detail).into());
    }
    let new = NewPause {
        queue: queue.0,
        part,
        reason: why.reason,
        operator: why.operator,
        until: why.until,
    };
    let pause = services.jobs.operations.pause_part(&new).await?;
    tracing::warn!(
        operator = new.operator,
        queue = %new.queue,
        part = ?new.part,
        reason = new.reason,
        "a part of a queue was paused"
    );
    Ok(HttpResponse::Ok().json(StopView::from(pause)))
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
    let why = Why::read(&services, &operator, &body.value, Faults::default())?;
    stop(&services, queue.0, StopMode::Draining, why).await
}

/// Resume a queue that was paused or drained, or a part of it that was paused.
///
/// Parts that are paused stay so when the queue is resumed: each is resumed by itself.
#[utoipa::path(
    tag = "platform",
    operation_id = "resumeQueue",
    params(("queue" = inline(QueueName), Path, description = "The queue."), PartParameters),
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
    query: QueryOf<PartQuery>,
) -> Result<HttpResponse, Problem> {
    let PartQuery(part) = query.0;
    let operations = &services.jobs.operations;
    let was_stopped = match &part {
        None => operations.resume(queue.0).await?,
        Some(part) => operations.resume_part(queue.0, part).await?,
    };
    tracing::info!(operator = operator.0.operator(), queue = %queue.0, ?part, "a queue was resumed");
    Ok(HttpResponse::Ok().json(ResumedView {
        queue: queue.0.as_str(),
        was_stopped,
    }))
}

/// What an operator says who stops something.
struct Why {
    reason: String,
    operator: String,
    until: Option<OffsetDateTime>,
}

impl Why {
    /// Finishes `faults`, which may have some of other fields.
    fn read(
        services: &Services,
        operator: &Operator,
        body: &StopBody,
        mut faults: Faults,
    ) -> Result<Self, Problem> {
        let reason = faults.keep("reason", texts::line(&body.reason, 500));
        let until = faults.keep_optional("until", body.until.map(clock::stored));
        let now = services.clock.now();
        if until.is_some_and(|until| until <= now) {
            let now = moment::shown(now);
            faults.add("until", format!("must lie in the future; it is {now} now"));
        }
        faults.finish()?;
        Ok(Self {
            reason: reason.expect("there was no fault"),
            operator: operator.0.operator().to_owned(),
            until,
        })
    }
}

async fn stop(services: &Services, queue: Queue, mode: StopMode, why: Why) -> Result<HttpResponse, Problem> {
    let new = NewStop {
        queue,
        mode,
        reason: why.reason,
        operator: why.operator,
        until: why.until,
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
