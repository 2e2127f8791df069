//! The services that this installation calls, and who may call them: as operators see them.

mod control;
mod list;
mod view;

use utoipa_actix_web::service_config::ServiceConfig;

use crate::problem::{Kind, Problem};
use crate::spec::Problematic;

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(list::list)
        .service(control::open)
        .service(control::close);
}

/// No service of this name is configured.
#[derive(Clone, Copy, Debug)]
struct NoSuchUpstream;

impl From<NoSuchUpstream> for Problem {
    fn from(_: NoSuchUpstream) -> Self {
        Self::client(
            Kind::NotFound,
            "no service of this name is configured; the list of circuit breakers has those that are",
        )
    }
}

impl Problematic for NoSuchUpstream {
    const KINDS: &'static [Kind] = &[Kind::NotFound];
}
