//! The log of events: what happened in the tenant, in the order of cause.

mod filter;
mod list;
mod socket;
pub(super) mod stay;
mod stream;
mod view;

use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn configure(config: &mut ServiceConfig) {
    socket::configure(config);
    config.service(list::list).service(stream::stream);
}
