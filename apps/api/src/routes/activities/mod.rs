//! Activities: what was done about a lead, and what happened to it.

mod delete;
mod get;
mod list;
mod list_of_lead;
mod log;
mod summarize;
mod update;
mod view;

use utoipa_actix_web::service_config::ServiceConfig;

pub(crate) use get::GetActivity;
pub(crate) use list_of_lead::ActivitiesOfLead;
pub(super) use view::ActivityView;

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(list_of_lead::list_of_lead)
        .service(log::log)
        .service(summarize::summarize)
        .service(list::list)
        .service(get::get)
        .service(update::update)
        .service(delete::delete);
}
