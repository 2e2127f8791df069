//! Plans: what the tenant has, how another one is paid for, and what the payment provider tells.

mod checkout;
mod stripe;
mod subscription;

use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(subscription::look)
        .service(checkout::start)
        .service(stripe::receive);
}
