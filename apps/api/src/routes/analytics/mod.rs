//! What browsers of the tenant tell of its pages.

mod body;
mod measured;
mod record;
mod view;

use utoipa_actix_web::service_config::ServiceConfig;

pub(super) use measured::{VitalsParameters, VitalsQuery};
pub(super) use view::{PageView, pages};

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(record::record).service(measured::measured);
}
