use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post, web};
use fairlead_domain::identity::{self, RefreshError};
use serde::Deserialize;
use utoipa::ToSchema;

use super::session::{TokensView, hand_out};
use crate::Services;
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::spec::Problems;
use crate::text;

/// A refresh token to be traded.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = Refresh, example = json!({"refreshToken": "rt_…"}))]
struct RefreshBody {
    #[schema(schema_with = text::token)]
    refresh_token: String,
}

/// Trade a refresh token for a new pair of tokens.
///
/// A token can be traded once. One that comes back was stolen, so its session ends for everybody who holds a token of it.
/// Only within `auth.refresh_leeway_seconds` (10) of its trade, and while no token that it was traded for was traded
/// itself, it is traded for another pair of the same session: two tabs of a browser may ask at once, and an answer may be
/// lost on its way.
#[utoipa::path(
    tag = "auth",
    operation_id = "refresh",
    request_body = RefreshBody,
    responses((status = 200, description = "The new pair.", body = TokensView), Problems<RefreshError>),
)]
#[post("/auth/refresh")]
pub(super) async fn refresh(
    services: web::Data<Services>,
    body: JsonBody<RefreshBody>,
) -> Result<HttpResponse, Problem> {
    let tokens = identity::refresh(&*services.system, services.issuer(), &body.value.refresh_token).await?;
    Ok(hand_out(StatusCode::OK, &TokensView::from(tokens)))
}
