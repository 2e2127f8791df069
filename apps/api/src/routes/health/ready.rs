use actix_web::{HttpResponse, get, web};

use super::view::{HealthView, answer};
use crate::Services;

/// Tell whether requests can be served.
///
/// 503 when something is down that requests cannot do without. `reduced` names what is missing and can be done without.
#[utoipa::path(
    tag = "health",
    operation_id = "getReadiness",
    responses(
        (status = 200, description = "Requests are served.", body = HealthView),
        (status = 503, description = "Requests would fail; `checks` tells why.", body = HealthView),
    ),
)]
#[get("/health/ready")]
pub(super) async fn ready(services: web::Data<Services>) -> HttpResponse {
    answer(&services).await
}
