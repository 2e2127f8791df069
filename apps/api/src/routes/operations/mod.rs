//! Long work: how far it has come, and a way to stop it.

mod cancel;
mod get;
mod list;
mod view;

use utoipa_actix_web::service_config::ServiceConfig;

pub(super) use view::OperationView;

pub(super) const COLLECTION: &str = "/api/v1/operations";

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(list::list)
        .service(get::get)
        .service(cancel::cancel);
}
