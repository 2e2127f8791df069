//! The platform as its operators see it.

mod connection_pool;
mod database_size;

use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(database_size::database_size)
        .service(connection_pool::connection_pool);
}
