//! Webhooks: URLs that the tenant's events are sent to.

mod create;
mod delete;
mod deliveries;
mod delivery_view;
mod get;
mod get_replay;
mod list;
mod ping;
mod replay;
mod replay_view;
mod retry;
mod rotate_secret;
mod update;
mod view;

use utoipa_actix_web::service_config::ServiceConfig;

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(list::list)
        .service(create::create)
        .service(get::get)
        .service(update::update)
        .service(delete::delete)
        .service(rotate_secret::rotate_secret)
        .service(ping::ping)
        .service(replay::replay_events)
        .service(get_replay::get_replay)
        .service(deliveries::deliveries)
        .service(retry::retry);
}
