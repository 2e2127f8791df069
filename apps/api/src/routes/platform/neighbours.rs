use actix_web::{HttpResponse, get, web};
use fairlead_domain::performance::noisy::{Bounds, NoisyNeighbour, Victim, noisy_neighbours};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Services;
use crate::authentication::Operator;

/// Tenants whose load slows others down, as this process has seen it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NoisyNeighbours, example = json!({
    "since": "2026-11-23T10:05:00Z", "seconds": 300.0, "items": [{
        "tenantId": "01934f6e-7b1a-7cc3-98a4-0242ac120001", "databaseRatio": 0.82, "growth": 3.1,
        "route": "POST /api/v1/leads/bulk", "routeRatio": 0.96, "victims": [{
            "tenantId": "01934f6e-7b1a-7cc3-98a4-0242ac120002", "route": "GET /api/v1/leads", "requests": 412,
            "p95BeforeMs": 9.4, "p95Ms": 61.2,
        }],
        "advice": {"act": "limit-tenant", "text": "Lower the limits of this tenant."},
    }],
}))]
struct NeighboursView {
    /// From when on what tenants took is compared with as long a time before. `null`: fewer than two intervals of
    /// `performance.interval_ms` are over, so there is nothing to compare.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    since: Option<OffsetDateTime>,
    /// For how long: that of up to five intervals.
    #[schema(required = true)]
    seconds: Option<f64>,
    /// Those that take most come first; empty where nobody is slower because of another.
    items: Vec<NeighbourView>,
}

/// A tenant that takes far more than its share of the database and more than before, while others became slower that did not
/// ask for more.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NoisyNeighbour)]
struct NeighbourView {
    tenant_id: Uuid,
    /// Its time of the database, as a part of that of all tenants.
    #[schema(minimum = 0, maximum = 1)]
    database_ratio: f64,
    /// How many times as much as before; `null`: it took nothing then.
    #[schema(required = true)]
    growth: Option<f64>,
    /// The method and route that take most of it.
    route: String,
    /// Their part of what the tenant takes.
    #[schema(minimum = 0, maximum = 1)]
    route_ratio: f64,
    /// Who is slower for it; the one that suffers most comes first.
    victims: Vec<VictimView>,
    advice: NoiseAdvice,
}

/// What to do about it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = NoiseAdvice)]
struct NoiseAdvice {
    act: &'static str,
    text: String,
}

/// A tenant that became slower, though it did not ask for more.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = NoiseVictim)]
struct VictimView {
    tenant_id: Uuid,
    /// The method and route that became slower most.
    route: String,
    requests: u64,
    /// In so many milliseconds 95 of a hundred requests were answered.
    p95_before_ms: f64,
    p95_ms: f64,
}

impl From<NoisyNeighbour> for NeighbourView {
    fn from(neighbour: NoisyNeighbour) -> Self {
        Self {
            tenant_id: neighbour.tenant.as_uuid(),
            database_ratio: neighbour.share,
            growth: neighbour.growth,
            advice: NoiseAdvice {
                act: "limit-tenant",
                text: format!(
                    "Most of it is {}: look whether that can be asked in another way or as a job, and else lower the tenant's rate \
                     limit.",
                    neighbour.route
                ),
            },
            route: neighbour.route,
            route_ratio: neighbour.route_share,
            victims: neighbour.victims.into_iter().map(VictimView::from).collect(),
        }
    }
}

impl From<Victim> for VictimView {
    fn from(victim: Victim) -> Self {
        Self {
            tenant_id: victim.tenant.as_uuid(),
            route: victim.route,
            requests: victim.requests,
            p95_before_ms: victim.p95_before_ms,
            p95_ms: victim.p95_ms,
        }
    }
}

/// Tell whose load slows others down.
#[utoipa::path(
    tag = "platform",
    operation_id = "listNoisyNeighbours",
    responses((status = 200, description = "In this process, lately.", body = NeighboursView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/tenants/noisy")]
pub(super) async fn noisy(services: web::Data<Services>, _operator: Operator) -> HttpResponse {
    let compared = services.performance.neighbours.compare();
    let found = compared
        .as_ref()
        .map(|compared| noisy_neighbours(&compared.usage, &Bounds::default()));
    HttpResponse::Ok().json(NeighboursView {
        since: compared.as_ref().map(|compared| compared.since),
        seconds: compared.as_ref().map(|compared| compared.span.as_secs_f64()),
        items: found.into_iter().flatten().map(NeighbourView::from).collect(),
    })
}
