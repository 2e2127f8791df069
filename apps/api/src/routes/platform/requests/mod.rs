//! How requests fare, and what they ask of the database.

mod endpoints;
mod get_slow;
mod list_slow;
mod slow_queries;
mod stats;
mod view;

use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(stats::stats)
        .service(endpoints::endpoints)
        .service(list_slow::list)
        .service(get_slow::get)
        .service(slow_queries::slow_queries);
}
