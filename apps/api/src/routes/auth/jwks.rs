use actix_web::http::header;
use actix_web::{HttpResponse, get, web};

use crate::Services;

/// Get the public keys that access tokens are signed with.
///
/// A JWK set (RFC 7517). A key that is going to be used is published before it is.
#[utoipa::path(
    tag = "auth",
    operation_id = "getJwks",
    responses((status = 200, description = "The keys.", body = Object, example = json!({"keys": [{
        "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "2026-11",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    }]}))),
)]
#[get("/.well-known/jwks.json")]
pub(super) async fn jwks(services: web::Data<Services>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .json(services.tokens.jwks())
}
