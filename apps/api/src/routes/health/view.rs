use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::http::header;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{HealthCheck, HealthReport, Services};

/// Whether all is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = OverallStatus)]
pub(super) enum Overall {
    Ok,
    Degraded,
}

/// How the process and what it depends on are doing.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Health, example = json!({
    "status": "ok",
    "version": "0.1.0",
    "schemaVersion": "m20261121_000600_events_audit",
    "checks": {
        "database": {"status": "ok", "figures": {"latencyMs": 0.8}},
        "disk": {"status": "ok", "figures": {"freeBytes": 51_000_000_000.0, "totalBytes": 270_000_000_000.0}},
        "memory": {"status": "ok", "figures": {"availableBytes": 9_000_000_000.0}},
    },
    "roles": ["api", "worker", "relay", "scheduler"],
    "reduced": [],
}))]
pub(super) struct HealthView {
    /// `degraded` when something that requests need is down.
    status: Overall,
    /// Of the program.
    version: &'static str,
    /// The last migration that the database has seen; `null` when it cannot be asked.
    #[schema(required = true)]
    schema_version: Option<String>,
    checks: BTreeMap<&'static str, HealthCheck>,
    /// What this process does, of `api`, `worker`, `relay` and `scheduler`; the rest is for others to do.
    roles: Vec<&'static str>,
    /// What works less well than it could, in words.
    reduced: Vec<String>,
}

impl From<HealthReport> for HealthView {
    fn from(report: HealthReport) -> Self {
        Self {
            status: if report.is_ready() {
                Overall::Ok
            } else {
                Overall::Degraded
            },
            version: env!("CARGO_PKG_VERSION"),
            schema_version: report.schema_version,
            checks: report.checks,
            roles: report.roles,
            reduced: report.reduced,
        }
    }
}

/// Asks everything and answers 200 or 503.
pub(super) async fn answer(services: &Services) -> HttpResponse {
    let view = HealthView::from(services.health.check().await);
    let mut response = match view.status {
        Overall::Ok => HttpResponse::Ok(),
        Overall::Degraded => HttpResponse::ServiceUnavailable(),
    };
    if view.status == Overall::Degraded {
        response.insert_header((header::RETRY_AFTER, "5"));
    }
    response
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(view)
}
