use actix_web::{HttpResponse, patch, web};
use fairlead_domain::access::ChangeLeads;
use fairlead_domain::leads::{self, Lead, LeadPatch, UpdateLeadError};

use super::body::LeadPatchBody;
use super::view::LeadView;
use crate::Services;
use crate::authentication::Permitted;
use crate::conditional::{EntityTag, IfMatch};
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::json::JsonBody;
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;

/// Change a lead.
///
/// A change of status, score or assignee is also written as an activity. An agent changes its own leads and nobody's.
#[utoipa::path(
    tag = "leads",
    operation_id = "updateLead",
    params(("id" = uuid::Uuid, Path, description = "The lead's id."), IfMatch, IdempotencyKey),
    request_body = LeadPatchBody,
    responses(
        (status = 200, description = "The lead as it is now.", body = LeadView),
        Problems<UpdateLeadError>,
    ),
    extensions(("x-permit" = json!("ChangeLeads"))),
)]
#[patch("/leads/{id}")]
pub(super) async fn update(
    services: web::Data<Services>,
    permit: Permitted<ChangeLeads>,
    id: PathId<Lead>,
    expected: IfMatch,
    key: IdempotencyKey,
    body: JsonBody<LeadPatchBody>,
) -> Result<HttpResponse, Problem> {
    let patch = LeadPatch::parse(body.value.into())?;

    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), &body.request_hash)
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    let lead = leads::update(&mut *uow, &permit, id.0, expected.0, patch).await?;

    let tag = EntityTag::of(lead.revision());
    uow.answer(WriteAnswer::changed(&tag, &LeadView::from(lead)))
        .await
}
