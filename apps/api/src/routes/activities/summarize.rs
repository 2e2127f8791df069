use actix_web::{HttpResponse, post, web};
use fairlead_domain::access::ViewActivities;
use fairlead_domain::activities::ActivitySummary;
use fairlead_domain::ai::Degraded;
use fairlead_domain::leads::Lead;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Services;
use crate::authentication::Permitted;
use crate::path::PathId;
use crate::problem::Problem;

/// What was done about a lead, in short.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ActivitySummary, example = json!({
    "summary": "Two calls; wants a quote for two cars by Friday.", "nextSteps": ["Send the quote."], "activities": 4,
    "degraded": false, "degradedBecause": null,
}))]
struct SummaryView {
    summary: String,
    /// What may be done next, three at the most; nothing, if nothing suggests itself.
    next_steps: Vec<String>,
    /// How many activities that is of: the newest, thirty at the most.
    activities: usize,
    /// Whether rules have summed up in place of a model.
    degraded: bool,
    /// Why: `not-configured`, `budget-spent` (the tenant's, of this month), `unavailable` (the provider fails, or is not
    /// called because it has), or `invalid-answer`; `null`: a model has, or there is nothing to be summed up.
    #[schema(required = true)]
    degraded_because: Option<&'static str>,
}

impl From<ActivitySummary> for SummaryView {
    fn from(summary: ActivitySummary) -> Self {
        Self {
            summary: summary.text,
            next_steps: summary.next_steps,
            activities: summary.activities,
            degraded: summary.degraded.is_some(),
            degraded_because: summary.degraded.map(Degraded::as_str),
        }
    }
}

/// Sum up what was done about a lead.
///
/// A language model reads the newest activities with the beginnings of what stands in them, says what was done, and what
/// may be done next; rules say it where there is no model, where it does not answer, and where the tenant has used up its
/// budget of the month. Nothing is written down.
#[utoipa::path(
    tag = "activities",
    operation_id = "summarizeActivities",
    params(("id" = uuid::Uuid, Path, description = "The lead's id.")),
    responses((status = 200, description = "What was done, in short.", body = SummaryView)),
    extensions(("x-permit" = json!("ViewActivities"))),
)]
#[post("/leads/{id}/activities/summary")]
pub(super) async fn summarize(
    services: web::Data<Services>,
    permit: Permitted<ViewActivities>,
    id: PathId<Lead>,
) -> Result<HttpResponse, Problem> {
    let summary = services.summarizer.summarize(&permit, id.0).await?;
    let summary = summary.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(SummaryView::from(summary)))
}
