//! What people say is to be done.

mod action;
mod body;
mod command;
mod confirm;
mod confirmation;
mod meters;
mod speak;
mod view;

use utoipa_actix_web::service_config::ServiceConfig;

pub use confirmation::ConfirmationKey;
pub(crate) use meters::VOICE_COUNTERS;
pub use meters::VoiceMeters;

pub(super) fn configure(config: &mut ServiceConfig) {
    config.service(command::command);
}
