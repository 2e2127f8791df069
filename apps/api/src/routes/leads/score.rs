use actix_web::{HttpResponse, post, web};
use fairlead_domain::access::ChangeLeads;
use fairlead_domain::ai::Degraded;
use fairlead_domain::leads::{Lead, ScoredLead, UpdateLeadError};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Services;
use crate::authentication::Permitted;
use crate::conditional::{self, EntityTag, IfMatch};
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;

/// What a lead was found to be worth.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LeadScore, example = json!({
    "leadId": "01934f6e-7b1a-7cc3-98a4-0242ac120004", "score": 72, "reasons": ["was referred", "a call two days ago"],
    "degraded": false, "degradedBecause": null, "version": 4,
}))]
struct ScoreView {
    lead_id: Uuid,
    #[schema(minimum = 0, maximum = 100)]
    score: i32,
    /// One line each.
    reasons: Vec<String>,
    /// Whether rules have said it in place of a model.
    degraded: bool,
    /// Why: `not-configured`, `budget-spent` (the tenant's, of this month), `unavailable` (the provider fails, or is not
    /// called because it has), or `invalid-answer`; `null`: a model has said it.
    #[schema(required = true)]
    degraded_because: Option<&'static str>,
    /// Of the lead as it is now.
    version: i64,
}

impl From<ScoredLead> for ScoreView {
    fn from(scored: ScoredLead) -> Self {
        Self {
            lead_id: scored.lead.id.as_uuid(),
            score: scored.lead.quality_score,
            reasons: scored.reasons,
            degraded: scored.degraded.is_some(),
            degraded_because: scored.degraded.map(Degraded::as_str),
            version: scored.lead.version,
        }
    }
}

/// Score a lead.
///
/// A language model says how likely it is to become a customer, and why; rules say it where there is no model, where it
/// does not answer, and where the tenant has used up its budget of the month. The score becomes the lead's `qualityScore`,
/// with an activity that has the reasons and an event `lead_scored`. Neither its name, e-mail address and phone number nor
/// custom fields are told to the model. Of a lead that is changed meanwhile nothing is written.
#[utoipa::path(
    tag = "leads",
    operation_id = "scoreLead",
    params(("id" = uuid::Uuid, Path, description = "The lead's id."), IfMatch),
    responses(
        (status = 200, description = "What it was found to be worth.", body = ScoreView),
        Problems<UpdateLeadError>,
    ),
    extensions(("x-permit" = json!("ChangeLeads"))),
)]
#[post("/leads/{id}/score")]
pub(super) async fn score(
    services: web::Data<Services>,
    permit: Permitted<ChangeLeads>,
    id: PathId<Lead>,
    expected: IfMatch,
) -> Result<HttpResponse, Problem> {
    let scored = services.scorer.score(&permit, id.0, expected.0).await?;
    let tag = EntityTag::version(scored.lead.version);
    Ok(conditional::changed(&tag, &ScoreView::from(scored)))
}
