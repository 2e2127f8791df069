use actix_web::HttpResponse;
use actix_web::http::{StatusCode, header};
use fairlead_domain::identity::{Tenant, Tokens, User};
use serde::Serialize;
use utoipa::ToSchema;

use crate::routes::tenant::TenantView;
use crate::routes::users::UserView;

/// Somebody who has just logged in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session, example = json!({
    "tenant": {
        "id": "01934f6e-7b1a-7cc3-98a4-0242ac120001", "slug": "acme-insurance-k3v9x2ma", "name": "Acme Insurance",
        "version": 1, "createdAt": "2026-11-20T09:30:00Z", "updatedAt": "2026-11-20T09:30:00Z",
    },
    "user": {
        "id": "01934f6e-7b1a-7cc3-98a4-0242ac120002", "email": "ann@example.com", "name": "Ann Lee", "role": "OWNER",
        "active": true, "agent": null, "version": 1, "createdAt": "2026-11-20T09:30:00Z",
        "updatedAt": "2026-11-20T09:30:00Z",
    },
    "accessToken": "eyJ…", "refreshToken": "rt_…", "expiresIn": 900,
}))]
pub(super) struct SessionView {
    tenant: TenantView,
    user: UserView,
    /// Send it as `Authorization: Bearer …`.
    access_token: String,
    /// Trade it for a new pair before the access token expires; each can be traded once.
    refresh_token: String,
    /// For how many seconds the access token is good.
    #[schema(minimum = 1)]
    expires_in: i64,
}

/// A new pair of tokens.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Tokens, example = json!({"accessToken": "eyJ…", "refreshToken": "rt_…", "expiresIn": 900}))]
pub(super) struct TokensView {
    /// Send it as `Authorization: Bearer …`.
    access_token: String,
    /// Trade it for a new pair before the access token expires; each can be traded once.
    refresh_token: String,
    /// For how many seconds the access token is good.
    #[schema(minimum = 1)]
    expires_in: i64,
}

impl From<(Tenant, User, Tokens)> for SessionView {
    fn from((tenant, user, tokens): (Tenant, User, Tokens)) -> Self {
        let TokensView {
            access_token,
            refresh_token,
            expires_in,
        } = tokens.into();
        Self {
            tenant: tenant.into(),
            user: user.into(),
            access_token,
            refresh_token,
            expires_in,
        }
    }
}

impl From<Tokens> for TokensView {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access_token.expose().to_owned(),
            refresh_token: tokens.refresh_token.expose().to_owned(),
            expires_in: tokens.expires_in.whole_seconds(),
        }
    }
}

/// Answers with tokens, which no cache may keep.
pub(super) fn hand_out(status: StatusCode, view: &impl Serialize) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(view)
}
