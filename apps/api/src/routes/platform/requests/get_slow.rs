use actix_web::{HttpResponse, get, web};

use super::view::SlowRequestView;
use crate::Services;
use crate::authentication::Operator;
use crate::problem::{Kind, Problem};
use crate::spec::{Problematic, Problems};

/// The request took no time worth keeping, or too many came after it, or another process has answered it.
#[derive(Clone, Copy, Debug)]
struct NotKept;

impl From<NotKept> for Problem {
    fn from(_: NotKept) -> Self {
        Self::client(
            Kind::NotFound,
            "this process keeps no request of this id: it keeps those that were slow lately, and the slowest of each route",
        )
    }
}

impl Problematic for NotKept {
    const KINDS: &'static [Kind] = &[Kind::NotFound];
}

/// Tell what a request spent its time on.
///
/// One of those that are listed as slow; by the `x-request-id` of its answer. Where several had it, the last one.
#[utoipa::path(
    tag = "platform",
    operation_id = "getSlowRequest",
    params(("id" = String, Path, description = "The request's id.", max_length = 128)),
    responses(
        (status = 200, description = "The request, as it was measured.", body = SlowRequestView),
        Problems<NotKept>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/requests/{id}")]
pub(super) async fn get(
    services: web::Data<Services>,
    _operator: Operator,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let request = services.slow.find(&id).ok_or(NotKept)?;
    Ok(HttpResponse::Ok().json(SlowRequestView::new(&request, &*services.statements)))
}
