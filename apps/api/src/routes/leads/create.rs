use actix_web::{HttpResponse, post, web};
use fairlead_domain::access::ChangeLeads;
use fairlead_domain::leads::{self, CreateLeadError, LeadDraft};

use super::COLLECTION;
use super::body::LeadBody;
use super::view::LeadView;
use crate::Services;
use crate::authentication::Permitted;
use crate::conditional::EntityTag;
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::spec::Problems;

/// Create a lead.
///
/// An agent creates leads for itself or for nobody.
#[utoipa::path(
    tag = "leads",
    operation_id = "createLead",
    params(IdempotencyKey),
    request_body = LeadBody,
    responses(
        (status = 201, description = "The lead as it is stored.", body = LeadView),
        Problems<CreateLeadError>,
    ),
    extensions(("x-permit" = json!("ChangeLeads"))),
)]
#[post("/leads")]
pub(super) async fn create(
    services: web::Data<Services>,
    permit: Permitted<ChangeLeads>,
    key: IdempotencyKey,
    body: JsonBody<LeadBody>,
) -> Result<HttpResponse, Problem> {
    let draft = LeadDraft::parse(body.value.into())?;

    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), &body.request_hash)
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    let lead = leads::create(&mut *uow, &permit, draft).await?;
    let tag = EntityTag::of(lead.revision());
    uow.answer(WriteAnswer::created(COLLECTION, &tag, &LeadView::from(lead)))
        .await
}
