use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, HttpResponse, post, web};
use fairlead_domain::Id;
use fairlead_domain::access::ManageWebhooks;
use fairlead_domain::webhooks::{self, DeliveryId, RetryDeliveryError, Webhook};

use super::delivery_view::DeliveryView;
use crate::Services;
use crate::authentication::Permitted;
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::path::PathId;
use crate::problem::{Kind, Problem};
use crate::query::hyphenated;
use crate::spec::Problems;

/// The `{deliveryId}` of the path.
#[derive(Debug)]
pub(super) struct PathDelivery(DeliveryId);

impl FromRequest for PathDelivery {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("deliveryId").and_then(hyphenated);
        ready(id.map(|id| Self(Id::from_uuid(id))).ok_or_else(|| {
            Problem::client(
                Kind::MalformedRequest,
                "the delivery's id in the path must be a UUID such as 01934f6e-7b1a-7cc3-98a4-0242ac120002",
            )
        }))
    }
}

/// Make a delivery now.
///
/// One that waits does not wait any longer. One that has ended, as whatever, is made once more, and tried for as long as
/// a new one.
#[utoipa::path(
    tag = "webhooks",
    operation_id = "retryDelivery",
    params(
        ("id" = uuid::Uuid, Path, description = "The webhook's id."),
        ("deliveryId" = uuid::Uuid, Path, description = "The delivery's id."),
        IdempotencyKey,
    ),
    responses(
        (status = 202, description = "It is on its way.", body = DeliveryView),
        Problems<RetryDeliveryError>,
    ),
    extensions(("x-permit" = json!("ManageWebhooks"))),
)]
#[post("/webhooks/{id}/deliveries/{deliveryId}/retry")]
pub(super) async fn retry(
    services: web::Data<Services>,
    permit: Permitted<ManageWebhooks>,
    webhook: PathId<Webhook>,
    delivery: PathDelivery,
    key: IdempotencyKey,
) -> Result<HttpResponse, Problem> {
    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), key.without_body())
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    let delivery = webhooks::retry(&mut *uow, &permit, webhook.0, delivery.0).await?;
    let view = DeliveryView::from(delivery);
    uow.answer(WriteAnswer::new(StatusCode::ACCEPTED, &view)).await
}
