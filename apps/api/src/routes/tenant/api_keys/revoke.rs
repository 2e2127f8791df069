use actix_web::{HttpResponse, delete, web};
use fairlead_domain::access::ManageApiKeys;
use fairlead_domain::identity::{self, ApiKey, RevokeApiKeyError};

use crate::Services;
use crate::authentication::Permitted;
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;

/// Revoke an API key.
///
/// At once and for good; revoking it again changes nothing.
#[utoipa::path(
    tag = "tenant",
    operation_id = "revokeApiKey",
    params(("id" = uuid::Uuid, Path, description = "The API key's id.")),
    responses((status = 204, description = "It is refused from now on."), Problems<RevokeApiKeyError>),
    extensions(("x-permit" = json!("ManageApiKeys"))),
)]
#[delete("/tenant/api-keys/{id}")]
pub(super) async fn revoke(
    services: web::Data<Services>,
    permit: Permitted<ManageApiKeys>,
    id: PathId<ApiKey>,
) -> Result<HttpResponse, Problem> {
    let mut uow = services.store.begin(permit.scope()).await?;
    identity::revoke_api_key(&mut *uow, &permit, id.0).await?;
    uow.commit().await?;
    Ok(HttpResponse::NoContent().finish())
}
