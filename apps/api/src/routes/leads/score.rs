use actix_web::{HttpResponse, post, web};
use fairlead_domain::access::ChangeLeads;
use fairlead_domain::ai::Degraded;
use fairlead_domain::leads::{self, Lead, ScoredLead, UpdateLeadError};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Services;
use crate::authentication::Permitted;
use crate::conditional::{EntityTag, IfMatch};
use crate::idempotency::{IdempotencyKey, WriteAnswer, replay};
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
///
/// With an `Idempotency-Key` it is written down once: requests with the same key that come while the first is answered may ask
/// the model too, and are answered as that one was.
#[utoipa::path(
    tag = "leads",
    operation_id = "scoreLead",
    params(("id" = uuid::Uuid, Path, description = "The lead's id."), IfMatch, IdempotencyKey),
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
    key: IdempotencyKey,
) -> Result<HttpResponse, Problem> {
    let hash = key.without_body();
    let mut uow = services.store.begin(permit.scope()).await?;
    if let Some(kept) = key.find(&mut *uow, permit.actor()).await? {
        return Ok(replay(kept, hash)?.respond());
    }
    let scoring = leads::begin_score(&mut *uow, &permit, &services.asker, id.0, expected.0).await?;
    uow.commit().await?;

    let judged = scoring.ask().await;

    let mut uow = services.store.begin(permit.scope()).await?;
    judged.settle(&mut *uow).await?;
    if let Some(kept) = key.claim(&mut *uow, permit.actor(), hash).await? {
        uow.commit().await?;
        return Ok(kept.respond());
    }
    let written = judged.write(&mut *uow, &permit).await;
    let answer = match written {
        Ok(scored) => {
            let tag = EntityTag::of(scored.lead.revision());
            WriteAnswer::changed(&tag, &ScoreView::from(scored))
        }
        Err(error) => {
            drop(uow);
            // What was spent was spent.
            let mut uow = services.store.begin(permit.scope()).await?;
            judged.settle(&mut *uow).await?;
            uow.commit().await?;
            return Err(error.into());
        }
    };
    key.keep(&mut *uow, permit.actor(), &answer).await?;
    uow.commit().await?;
    Ok(answer.respond())
}
