use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post, web};
use fairlead_domain::identity::{self, AcceptInvitationError, Password};
use fairlead_domain::invalid::Invalid;
use serde::Deserialize;
use utoipa::ToSchema;

use super::session::{SessionView, hand_out};
use crate::Services;
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::spec::Problems;
use crate::text;

/// An invitation, and the password that the invited person chooses.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = AcceptInvitation, example = json!({"token": "inv_…", "password": "correct horse battery staple"}))]
struct AcceptInvitationBody {
    #[schema(schema_with = text::token)]
    token: String,
    /// 10 to 128 characters, at least 4 different ones.
    #[schema(schema_with = text::password)]
    password: String,
}

/// Accept an invitation.
///
/// Sets the password and logs the user in. An invitation can be used once.
#[utoipa::path(
    tag = "auth",
    operation_id = "acceptInvitation",
    request_body = AcceptInvitationBody,
    responses(
        (status = 200, description = "The user, its tenant and its tokens.", body = SessionView),
        Problems<AcceptInvitationError>,
    ),
)]
#[post("/auth/accept-invitation")]
pub(super) async fn accept_invitation(
    services: web::Data<Services>,
    body: JsonBody<AcceptInvitationBody>,
) -> Result<HttpResponse, Problem> {
    let AcceptInvitationBody { token, password } = body.value;
    let password =
        Password::parse(password).map_err(|error| Invalid::field("password", error.to_string()))?;
    let (system, hasher) = (&*services.system, &*services.hasher);
    let session = identity::accept_invitation(system, hasher, services.issuer(), &token, password).await?;
    Ok(hand_out(StatusCode::OK, &SessionView::from(session)))
}
