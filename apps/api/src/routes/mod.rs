//! The operations, a folder per context; each context mounts its own.

mod activities;
mod analytics;
mod auth;
mod billing;
mod carriers;
mod events;
mod health;
mod leads;
mod operations;
mod pages;
mod platform;
mod taken;
mod tenant;
mod users;
mod voice;
mod webhooks;

/// What is asked by reads whose answers can be loaded ahead of need.
pub(crate) mod questions {
    pub(crate) use super::activities::{ActivitiesOfLead, GetActivity};
    pub(crate) use super::carriers::GetCarrier;
    pub(crate) use super::leads::{CountLeads, GetLead, LeadListQuery, SearchQuery};
    pub(crate) use super::tenant::GetTenant;
    pub(crate) use super::users::GetUser;
}

pub use leads::{ImportPlaces, LeadFileWriter};
pub(crate) use pages::configure as configure_pages;
pub use platform::WarmTurn;
use utoipa_actix_web::scope;
use utoipa_actix_web::service_config::ServiceConfig;
pub(crate) use voice::VOICE_COUNTERS;
pub use voice::{ConfirmationKey, VoiceMeters};

/// Mounts what a process serves that answers no requests.
pub(crate) fn configure_health(config: &mut ServiceConfig) {
    config
        .service(scope::scope("/api/v1").configure(health::configure))
        .configure(health::configure_root);
}

/// Mounts everything that the specification describes.
pub(crate) fn configure(config: &mut ServiceConfig) {
    config
        .service(
            // Paths are tried in this order, those with an id by a regular expression each: what is asked for most
            // comes first.
            scope::scope("/api/v1")
                .configure(leads::configure)
                .configure(activities::configure)
                .configure(auth::configure)
                .configure(tenant::configure)
                .configure(analytics::configure)
                .configure(users::configure)
                .configure(carriers::configure)
                .configure(events::configure)
                .configure(operations::configure)
                .configure(webhooks::configure)
                .configure(voice::configure)
                .configure(billing::configure)
                .configure(platform::configure)
                .configure(health::configure),
        )
        .configure(auth::configure_root)
        .configure(health::configure_root);
}
