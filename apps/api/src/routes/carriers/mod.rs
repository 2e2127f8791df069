//! Carriers: the insurance companies a tenant works with.

mod body;
mod create;
mod delete;
mod get;
mod list;
mod update;
mod view;

use utoipa_actix_web::service_config::ServiceConfig;

pub(crate) use get::GetCarrier;

const COLLECTION: &str = "/api/v1/carriers";

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(list::list)
        .service(create::create)
        .service(get::get)
        .service(update::update)
        .service(delete::delete);
}
