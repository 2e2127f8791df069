use actix_web::{HttpResponse, patch, web};
use fairlead_domain::invalid::Faults;
use fairlead_domain::jobs::{Job, JobState};
use serde::Deserialize;
use serde_json::value::to_raw_value;
use utoipa::ToSchema;

use super::NoSuchQueue;
use super::payload::payload_faults;
use super::view::JobWithPayloadView;
use crate::Services;
use crate::authentication::Operator;
use crate::json::JsonBody;
use crate::path::PathId;
use crate::problem::{Kind, Problem};
use crate::spec::{Problematic, Problems};

/// What a job is to be done with instead.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = JobEdit, example = json!({"payload": {"lead": "01934f6e-7b1a-7cc3-98a4-0242ac120009"}}))]
struct EditBody {
    #[schema(value_type = Value)]
    payload: serde_json::Value,
}

/// The job is in another state than dead.
#[derive(Clone, Copy, Debug)]
struct NotDead(&'static str);

impl From<NotDead> for Problem {
    fn from(NotDead(state): NotDead) -> Self {
        Self::client(
            Kind::Conflict,
            format!("the job is {state}; only one that was given up can be changed"),
        )
    }
}

impl Problematic for NotDead {
    const KINDS: &'static [Kind] = &[Kind::Conflict];
}

/// Change what a dead job is to be done with.
///
/// It stays dead until it is retried, by `retry-failed` with its id. What a job of the platform is to be done with is judged
/// as where such a job is scheduled.
#[utoipa::path(
    tag = "platform",
    operation_id = "editDeadJob",
    params(("id" = uuid::Uuid, Path, description = "The job's id.")),
    request_body = EditBody,
    responses(
        (status = 200, description = "The job as it is kept.", body = JobWithPayloadView),
        Problems<NoSuchQueue>,
        Problems<NotDead>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[patch("/performance/jobs/{id}")]
pub(super) async fn edit(
    services: web::Data<Services>,
    operator: Operator,
    id: PathId<Job>,
    body: JsonBody<EditBody>,
) -> Result<HttpResponse, Problem> {
    let payload = to_raw_value(&body.value.payload).expect("JSON can be written as JSON");
    let operations = &services.jobs.operations;
    let (job, _) = operations.find(id.0).await?.ok_or_else(Problem::not_found)?;
    if job.state != JobState::Dead {
        return Err(NotDead(job.state.as_str()).into());
    }
    // What tenants' jobs take their own handlers have written; those of the platform take what operators schedule.
    let mut handlers = services.jobs.schedulable.iter();
    if let Some(handler) = handlers.find(|handler| handler.kind() == job.kind) {
        let mut faults = Faults::default();
        faults.add_all(payload_faults(&**handler, &payload));
        faults.finish()?;
    }
    let is_edited = operations.edit_dead(id.0, &payload).await?;
    let job = operations.find(id.0).await?.ok_or_else(Problem::not_found)?;
    if !is_edited {
        return Err(NotDead(job.0.state.as_str()).into());
    }
    tracing::warn!(operator = operator.0.operator(), job.id = %id.0, "the payload of a dead job was changed");
    Ok(HttpResponse::Ok().json(JobWithPayloadView::from(job)))
}
