//! The platform as its operators see it.

mod acts;
mod admission;
mod alerts;
mod billing;
mod cache;
mod capacity;
mod circuit_breakers;
mod connection_pool;
mod connections;
mod database;
mod database_size;
mod health;
mod initialize;
mod jobs;
mod memory;
mod memory_stats;
mod neighbours;
mod rate_limits;
mod requests;
mod tenant_use;
mod web_vitals;

pub use cache::WarmTurn;

use utoipa_actix_web::service_config::ServiceConfig;

pub(super) use requests::period::{Period, PeriodName};

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(admission::admission)
        .service(database_size::database_size)
        .service(connection_pool::connection_pool)
        .service(connections::list)
        .service(connections::clean_up)
        .service(connections::end)
        .service(health::performance_health)
        .service(initialize::initialize)
        .service(memory::release)
        .service(memory::clean_up)
        .service(rate_limits::rate_limits)
        .service(memory_stats::stats)
        .service(billing::refund)
        .service(tenant_use::tenants)
        .service(neighbours::noisy)
        .service(web_vitals::web_vitals)
        .configure(acts::configure)
        .configure(alerts::configure)
        .configure(cache::configure)
        .configure(capacity::configure)
        .configure(circuit_breakers::configure)
        .configure(database::configure)
        .configure(jobs::configure)
        .configure(requests::configure);
}
