use actix_web::{HttpResponse, get, web};

use super::view::{HealthView, answer};
use crate::Services;

/// Tell how the database, the disk and the memory are doing.
#[utoipa::path(
    tag = "health",
    operation_id = "getHealth",
    responses(
        (status = 200, description = "All is well enough.", body = HealthView),
        (status = 503, description = "Something is down; `checks` tells what.", body = HealthView),
    ),
)]
#[get("/api/health")]
pub(super) async fn health(services: web::Data<Services>) -> HttpResponse {
    answer(&services).await
}

/// Tell how the database, the disk and the memory are doing: the same under the version's prefix.
#[utoipa::path(
    tag = "health",
    operation_id = "getHealthV1",
    responses(
        (status = 200, description = "All is well enough.", body = HealthView),
        (status = 503, description = "Something is down; `checks` tells what.", body = HealthView),
    ),
)]
#[get("/health")]
pub(super) async fn health_v1(services: web::Data<Services>) -> HttpResponse {
    answer(&services).await
}
