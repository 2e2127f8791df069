//! How requests fare, and what they ask of the database.

mod changes;
mod dashboard;
mod endpoints;
mod get_slow;
mod history;
mod list_slow;
pub(super) mod period;
mod report;
mod reset;
mod slow_queries;
mod stats;
mod status;
mod stream;
mod sum;
mod trends;
mod view;

use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(status::status)
        .service(dashboard::dashboard)
        .service(trends::trends)
        .service(report::performance_report)
        .service(stats::stats)
        .service(reset::reset)
        .service(stream::stream)
        .service(endpoints::endpoints)
        .service(list_slow::list)
        .service(get_slow::get)
        .service(slow_queries::slow_queries);
}
