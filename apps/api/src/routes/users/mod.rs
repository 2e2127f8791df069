//! Users: the people of a tenant, and those among them who take leads.

mod agent;
mod agents;
mod deactivate;
mod get;
mod invite;
mod list;
mod role;
mod update;
mod view;

use utoipa_actix_web::service_config::ServiceConfig;

pub(crate) use get::GetUser;
pub(super) use view::UserView;

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(list::list)
        .service(invite::invite)
        .service(get::get)
        .service(update::update)
        .service(deactivate::deactivate)
        .service(agents::agents);
}
