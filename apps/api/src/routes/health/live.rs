use actix_web::http::header;
use actix_web::{HttpResponse, get};
use serde::Serialize;
use utoipa::ToSchema;

/// The process answers.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Liveness, example = json!({"status": "ok"}))]
struct LivenessView {
    #[schema(example = "ok")]
    status: &'static str,
}

/// Tell that the process is alive.
///
/// Asks nothing else: a process that answers need not be restarted, whatever it waits for.
#[utoipa::path(
    tag = "health",
    operation_id = "getLiveness",
    responses((status = 200, description = "It is alive.", body = LivenessView)),
)]
#[get("/health/live")]
pub(super) async fn live() -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(LivenessView { status: "ok" })
}
