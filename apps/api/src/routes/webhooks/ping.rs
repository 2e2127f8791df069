use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post, web};
use fairlead_domain::access::ManageWebhooks;
use fairlead_domain::webhooks::{self, UpdateWebhookError, Webhook};

use crate::Services;
use crate::authentication::Permitted;
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;

/// Send an event to a webhook, to see whether it arrives.
///
/// An event of the type `webhook_pinged` takes the way that all events take, and is sent to this webhook alone, enabled or
/// not, whatever types it wants. It is tried once; the list of deliveries tells what became of it.
#[utoipa::path(
    tag = "webhooks",
    operation_id = "pingWebhook",
    params(("id" = uuid::Uuid, Path, description = "The webhook's id."), IdempotencyKey),
    responses((status = 202, description = "It is on its way."), Problems<UpdateWebhookError>),
    extensions(("x-permit" = json!("ManageWebhooks"))),
)]
#[post("/webhooks/{id}/ping")]
pub(super) async fn ping(
    services: web::Data<Services>,
    permit: Permitted<ManageWebhooks>,
    id: PathId<Webhook>,
    key: IdempotencyKey,
) -> Result<HttpResponse, Problem> {
    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), key.without_body())
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    webhooks::ping(&mut *uow, &permit, id.0).await?;
    uow.answer(WriteAnswer::empty(StatusCode::ACCEPTED)).await
}
