use actix_web::{HttpResponse, delete, web};
use fairlead_domain::access::ManageApiKeys;
use fairlead_domain::identity::{self, ApiKey, RevokeApiKeyError};

use crate::Services;
use crate::authentication::Permitted;
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;

/// Revoke an API key.
///
/// At once and for good; revoking it again changes nothing.
#[utoipa::path(
    tag = "tenant",
    operation_id = "revokeApiKey",
    params(("id" = uuid::Uuid, Path, description = "The API key's id."), IdempotencyKey),
    responses((status = 204, description = "It is refused from now on."), Problems<RevokeApiKeyError>),
    extensions(("x-permit" = json!("ManageApiKeys"))),
)]
#[delete("/tenant/api-keys/{id}")]
pub(super) async fn revoke(
    services: web::Data<Services>,
    permit: Permitted<ManageApiKeys>,
    id: PathId<ApiKey>,
    key: IdempotencyKey,
) -> Result<HttpResponse, Problem> {
    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), key.without_body())
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    identity::revoke_api_key(&mut *uow, &permit, id.0).await?;
    uow.answer(WriteAnswer::gone()).await
}
