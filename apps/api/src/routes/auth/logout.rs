use actix_web::{HttpResponse, post, web};
use fairlead_domain::identity::{self, LogoutError};

use crate::Services;
use crate::authentication::Authenticated;
use crate::problem::Problem;
use crate::spec::Problems;

/// Log out.
///
/// Ends the session: its refresh token and its access tokens are refused from now on. An API key has no session.
#[utoipa::path(
    tag = "auth",
    operation_id = "logout",
    responses((status = 204, description = "The session has ended."), Problems<LogoutError>),
)]
#[post("/auth/logout")]
pub(super) async fn logout(
    services: web::Data<Services>,
    caller: Authenticated,
) -> Result<HttpResponse, Problem> {
    identity::logout(&*services.system, &caller.0).await?;
    Ok(HttpResponse::NoContent().finish())
}
