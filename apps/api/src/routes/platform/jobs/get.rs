use actix_web::{HttpResponse, get, web};
use fairlead_domain::jobs::Job;

use super::NoSuchQueue;
use super::view::JobWithPayloadView;
use crate::Services;
use crate::authentication::Operator;
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;

/// Inspect a job.
#[utoipa::path(
    tag = "platform",
    operation_id = "getJob",
    params(("id" = uuid::Uuid, Path, description = "The job's id.")),
    responses(
        (status = 200, description = "The job as it is kept.", body = JobWithPayloadView),
        Problems<NoSuchQueue>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/jobs/{id}")]
pub(super) async fn get(
    services: web::Data<Services>,
    _operator: Operator,
    id: PathId<Job>,
) -> Result<HttpResponse, Problem> {
    let job = services.jobs.operations.find(id.0).await?;
    let job = job.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(JobWithPayloadView::from(job)))
}
