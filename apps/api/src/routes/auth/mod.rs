//! Signing up, logging in, and who one is.

mod accept_invitation;
mod jwks;
mod login;
mod logout;
mod me;
mod refresh;
mod session;
mod signup;

use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(signup::sign_up)
        .service(login::login)
        .service(refresh::refresh)
        .service(logout::logout)
        .service(me::me)
        .service(accept_invitation::accept_invitation);
}

/// What stands outside `/api/v1`.
pub(super) fn configure_root(config: &mut ServiceConfig) {
    config.service(jwks::jwks);
}
