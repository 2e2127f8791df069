//! Long work: how far it has come, a way to stop it, and the file that it has written.

mod cancel;
mod drop_result;
mod get;
mod list;
mod result;
mod stream;
mod view;

use utoipa_actix_web::service_config::ServiceConfig;

pub(super) use view::OperationView;

pub(super) const COLLECTION: &str = "/api/v1/operations";

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(list::list)
        .service(get::get)
        .service(stream::stream)
        .service(result::result)
        .service(drop_result::drop_result)
        .service(cancel::cancel);
}
