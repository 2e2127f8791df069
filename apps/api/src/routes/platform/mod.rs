//! The platform as its operators see it.

mod database_size;

use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(database_size::database_size);
}
