//! The tenant, its API keys, its limits and what it has stored.

mod api_keys;
mod get;
mod limits;
mod rename;
mod usage;
mod usage_by_day;
mod view;

use utoipa_actix_web::service_config::ServiceConfig;

pub(super) use api_keys::ScopeName;
pub(crate) use get::GetTenant;
pub(super) use view::TenantView;

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(get::get)
        .service(rename::rename)
        .configure(api_keys::configure)
        .service(limits::limits)
        .service(usage::usage)
        .service(usage_by_day::usage_by_day);
}
