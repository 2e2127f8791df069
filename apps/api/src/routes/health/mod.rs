//! How the process and what it depends on are doing.

mod live;
mod overall;
mod ready;
mod view;

use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(overall::health_v1);
}

/// What stands outside `/api/v1`.
pub(super) fn configure_root(config: &mut ServiceConfig) {
    config
        .service(live::live)
        .service(ready::ready)
        .service(overall::health);
}
