use actix_web::{HttpResponse, post, web};
use fairlead_domain::access::ManageCarriers;
use fairlead_domain::carriers::{self, CarrierDraft, CreateCarrierError, RawCarrier};
use serde::Deserialize;
use utoipa::ToSchema;

use super::COLLECTION;
use super::body::{StatusName, TierName};
use super::view::CarrierView;
use crate::Services;
use crate::authentication::Permitted;
use crate::conditional::EntityTag;
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::spec::Problems;
use crate::text;
use crate::whole::Whole;

/// A new carrier.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewCarrier, example = json!({
    "name": "Acme Mutual", "active": true, "partnershipStatus": "ACTIVE", "partnershipTier": "GOLD",
    "performanceScore": 87,
}))]
struct CarrierBody {
    /// Unique in the tenant.
    #[schema(schema_with = text::line::<200>)]
    name: String,
    #[schema(default = true)]
    active: Option<bool>,
    #[schema(default = "PROSPECT")]
    partnership_status: Option<StatusName>,
    #[schema(default = "BRONZE")]
    partnership_tier: Option<TierName>,
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 100, default = 0)]
    performance_score: Option<Whole>,
}

impl From<CarrierBody> for RawCarrier {
    fn from(body: CarrierBody) -> Self {
        Self {
            name: body.name,
            active: body.active,
            partnership_status: body.partnership_status.map(StatusName::text),
            partnership_tier: body.partnership_tier.map(TierName::text),
            performance_score: body.performance_score.map(|Whole(score)| score),
        }
    }
}

/// Create a carrier.
#[utoipa::path(
    tag = "carriers",
    operation_id = "createCarrier",
    params(IdempotencyKey),
    request_body = CarrierBody,
    responses(
        (status = 201, description = "The carrier as it is stored.", body = CarrierView),
        Problems<CreateCarrierError>,
    ),
    extensions(("x-permit" = json!("ManageCarriers"))),
)]
#[post("/carriers")]
pub(super) async fn create(
    services: web::Data<Services>,
    permit: Permitted<ManageCarriers>,
    key: IdempotencyKey,
    body: JsonBody<CarrierBody>,
) -> Result<HttpResponse, Problem> {
    let draft = CarrierDraft::parse(body.value.into())?;

    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), &body.request_hash)
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    let carrier = carriers::create(&mut *uow, &permit, draft).await?;
    let tag = EntityTag::of(carrier.revision());
    uow.answer(WriteAnswer::created(
        COLLECTION,
        &tag,
        &CarrierView::from(carrier),
    ))
    .await
}
