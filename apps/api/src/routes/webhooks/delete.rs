use actix_web::{HttpResponse, delete, web};
use fairlead_domain::access::ManageWebhooks;
use fairlead_domain::webhooks::{self, UpdateWebhookError, Webhook};

use crate::Services;
use crate::authentication::Permitted;
use crate::conditional::IfMatch;
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;

/// Delete a webhook.
///
/// What waits for it is not sent any more.
#[utoipa::path(
    tag = "webhooks",
    operation_id = "deleteWebhook",
    params(("id" = uuid::Uuid, Path, description = "The webhook's id."), IfMatch, IdempotencyKey),
    responses((status = 204, description = "It is gone."), Problems<UpdateWebhookError>),
    extensions(("x-permit" = json!("ManageWebhooks"))),
)]
#[delete("/webhooks/{id}")]
pub(super) async fn delete(
    services: web::Data<Services>,
    permit: Permitted<ManageWebhooks>,
    id: PathId<Webhook>,
    expected: IfMatch,
    key: IdempotencyKey,
) -> Result<HttpResponse, Problem> {
    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), key.without_body())
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    webhooks::delete(&mut *uow, &permit, id.0, expected.0).await?;
    uow.answer(WriteAnswer::gone()).await
}
