use actix_web::{HttpResponse, patch, web};
use fairlead_domain::access::ManageCarriers;
use fairlead_domain::carriers::{self, Carrier, CarrierPatch, RawCarrierPatch, UpdateCarrierError};
use fairlead_domain::field::Change;
use serde::Deserialize;
use utoipa::ToSchema;

use super::body::{StatusName, TierName};
use super::view::CarrierView;
use crate::Services;
use crate::authentication::Permitted;
use crate::conditional::{EntityTag, IfMatch};
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::json::JsonBody;
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;
use crate::whole::Whole;
use crate::{patch as partial, text};

/// What is to change about a carrier; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = CarrierPatch, example = json!({"partnershipTier": "PLATINUM"}))]
struct CarrierPatchBody {
    #[serde(default, deserialize_with = "partial::given")]
    #[schema(schema_with = text::line::<200>, required = false)]
    name: Change<String>,
    #[serde(default, deserialize_with = "partial::given")]
    #[schema(value_type = bool, required = false)]
    active: Change<bool>,
    #[serde(default, deserialize_with = "partial::given")]
    #[schema(value_type = StatusName, required = false)]
    partnership_status: Change<StatusName>,
    #[serde(default, deserialize_with = "partial::given")]
    #[schema(value_type = TierName, required = false)]
    partnership_tier: Change<TierName>,
    #[serde(default, deserialize_with = "partial::given")]
    #[schema(value_type = i64, minimum = 0, maximum = 100, required = false)]
    performance_score: Change<Whole>,
}

impl From<CarrierPatchBody> for RawCarrierPatch {
    fn from(body: CarrierPatchBody) -> Self {
        Self {
            name: body.name,
            active: body.active,
            partnership_status: body.partnership_status.map(StatusName::text),
            partnership_tier: body.partnership_tier.map(TierName::text),
            performance_score: body.performance_score.map(|Whole(score)| score),
        }
    }
}

/// Change a carrier.
#[utoipa::path(
    tag = "carriers",
    operation_id = "updateCarrier",
    params(("id" = uuid::Uuid, Path, description = "The carrier's id."), IfMatch, IdempotencyKey),
    request_body = CarrierPatchBody,
    responses(
        (status = 200, description = "The carrier as it is now.", body = CarrierView),
        Problems<UpdateCarrierError>,
    ),
    extensions(("x-permit" = json!("ManageCarriers"))),
)]
#[patch("/carriers/{id}")]
pub(super) async fn update(
    services: web::Data<Services>,
    permit: Permitted<ManageCarriers>,
    id: PathId<Carrier>,
    expected: IfMatch,
    key: IdempotencyKey,
    body: JsonBody<CarrierPatchBody>,
) -> Result<HttpResponse, Problem> {
    let patch = CarrierPatch::parse(body.value.into())?;

    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), &body.request_hash)
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    let carrier = carriers::update(&mut *uow, &permit, id.0, expected.0, patch).await?;

    let tag = EntityTag::of(carrier.revision());
    uow.answer(WriteAnswer::changed(&tag, &CarrierView::from(carrier)))
        .await
}
