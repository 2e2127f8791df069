use actix_web::{HttpResponse, delete, get, web};
use fairlead_domain::text;
use serde::Serialize;
use utoipa::ToSchema;

use super::NoSuchQueue;
use super::view::ScheduleView;
use crate::Services;
use crate::authentication::Operator;
use crate::problem::Problem;
use crate::spec::Problems;

/// Schedules, by their names.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = JobSchedules)]
struct SchedulesView {
    items: Vec<ScheduleView>,
}

/// List the schedules of recurring jobs, each with its next five runs.
#[utoipa::path(
    tag = "platform",
    operation_id = "listJobSchedules",
    responses((status = 200, description = "By their names.", body = SchedulesView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/jobs/schedules")]
pub(super) async fn list(
    services: web::Data<Services>,
    _operator: Operator,
) -> Result<HttpResponse, Problem> {
    let jobs = &services.jobs;
    let mut items = Vec::new();
    for schedule in jobs.schedules.list().await? {
        let mut runs = vec![schedule.next_at];
        // One that has no further moment has this one alone.
        let behind = jobs
            .calendar
            .preview(&schedule.timing, schedule.next_at, ScheduleView::AHEAD - 1);
        runs.extend(behind.unwrap_or_default());
        items.push(ScheduleView::new(schedule, runs));
    }
    Ok(HttpResponse::Ok().json(SchedulesView { items }))
}

/// Delete the schedule of a recurring job.
///
/// One that comes with the platform is there again when a server starts; change it instead.
#[utoipa::path(
    tag = "platform",
    operation_id = "deleteJobSchedule",
    params(("name" = String, Path, description = "The schedule's name.")),
    responses(
        (status = 204, description = "It fires no more."),
        Problems<NoSuchQueue>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[delete("/performance/jobs/schedules/{name}")]
pub(super) async fn delete(
    services: web::Data<Services>,
    operator: Operator,
    name: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    // What cannot be a name is none.
    let name = text::line(&name, 100).map_err(|_| Problem::not_found())?;
    if !services.jobs.schedules.delete(&name).await? {
        return Err(Problem::not_found());
    }
    tracing::info!(
        operator = operator.0.operator(),
        schedule = name.as_str(),
        "a schedule was deleted"
    );
    Ok(HttpResponse::NoContent().finish())
}
