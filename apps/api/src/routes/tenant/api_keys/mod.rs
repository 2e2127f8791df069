//! API keys: credentials for machines.

mod create;
mod list;
mod revoke;
mod scope;
mod view;

use utoipa_actix_web::service_config::ServiceConfig;

pub(in crate::routes) use scope::ScopeName;

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(list::list)
        .service(create::create)
        .service(revoke::revoke);
}
