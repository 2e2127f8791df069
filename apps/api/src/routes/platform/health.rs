use actix_web::{HttpResponse, get, web};
use fairlead_domain::performance::health::{Component, Finding, Health, Part, health as judge};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::Services;
use crate::authentication::Operator;
use crate::performance::readings::readings;

/// How well this process is, with what it depends on.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PerformanceHealth, example = json!({
    "at": "2026-11-22T10:00:00Z", "verdict": "healthy", "isHealthy": true, "score": 98.1, "lowest": 98.1, "highest": 98.1,
    "knownRatio": 1.0, "heldDownBy": null,
    "parts": [
        {
            "component": "latency", "unit": "ms", "good": 100.0, "bad": 500.0, "state": "measured", "value": 4.4,
            "points": 100.0, "weight": 0.17, "lost": 0.0, "why": null,
        },
        {
            "component": "replicas", "unit": "seconds", "good": 1.0, "bad": 30.0, "state": "not-used", "value": null,
            "points": null, "weight": null, "lost": 0.0, "why": null,
        },
    ],
}))]
struct HealthView {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// `healthy` from 80 points on; `unhealthy` below 50; `degraded` in between; `unknown` where what is missing could
    /// decide it.
    verdict: &'static str,
    /// What is not known to be healthy is not.
    is_healthy: bool,
    /// By what is known; `null` when nothing is.
    #[schema(required = true, minimum = 0, maximum = 100)]
    score: Option<f64>,
    /// What the score would be if all that is missing were as bad,
    #[schema(minimum = 0, maximum = 100)]
    lowest: f64,
    /// or as good, as can be.
    #[schema(minimum = 0, maximum = 100)]
    highest: f64,
    /// How much of what there is is known, by weight.
    #[schema(minimum = 0, maximum = 1)]
    known_ratio: f64,
    /// The component without which nothing works and that is worse than the mean; `null` when none is.
    #[schema(required = true)]
    held_down_by: Option<&'static str>,
    parts: Vec<PartView>,
}

/// What a component adds to the score.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = HealthPart)]
struct PartView {
    component: &'static str,
    unit: &'static str,
    /// Up to this a value is worth 100 points,
    good: f64,
    /// and from this on none.
    bad: f64,
    /// `measured`; `down`: it does not work; `missing`: it could not be read; `not-used`: there is none.
    state: &'static str,
    #[schema(required = true)]
    value: Option<f64>,
    #[schema(required = true, minimum = 0, maximum = 100)]
    points: Option<f64>,
    /// Its part of the weight of what is known.
    #[schema(required = true, minimum = 0, maximum = 1)]
    weight: Option<f64>,
    /// How many points the score lacks because of it.
    lost: f64,
    /// Of what is down or missing.
    #[schema(required = true)]
    why: Option<String>,
}

impl HealthView {
    fn new(health: Health, at: OffsetDateTime) -> Self {
        Self {
            at,
            verdict: health.verdict.as_str(),
            is_healthy: health.verdict.is_healthy(),
            score: health.score,
            lowest: health.lowest,
            highest: health.highest,
            known_ratio: health.known,
            held_down_by: health.held_down_by.map(Component::as_str),
            parts: health.parts.into_iter().map(PartView::from).collect(),
        }
    }
}

impl From<Part> for PartView {
    fn from(part: Part) -> Self {
        let (good, bad) = part.component.bounds();
        let points = part.finding.points();
        let (state, value, why) = match part.finding {
            Finding::Measured { value, .. } => ("measured", Some(value), None),
            Finding::Down { why } => ("down", None, Some(why)),
            Finding::Missing { why } => ("missing", None, Some(why)),
            Finding::NotUsed => ("not-used", None, None),
        };
        Self {
            component: part.component.as_str(),
            unit: part.component.unit(),
            good,
            bad,
            state,
            value,
            points,
            weight: part.weight,
            lost: part.lost,
            why,
        }
    }
}

/// Judge how well this process is, from 0 to 100, and tell what that is made of.
///
/// What could not be read counts neither as good nor as bad; between which bounds the score would lie if it were known is
/// told as well.
#[utoipa::path(
    tag = "platform",
    operation_id = "getPerformanceHealth",
    responses((status = 200, description = "Of this process, now.", body = HealthView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/health")]
pub(super) async fn performance_health(services: web::Data<Services>, _operator: Operator) -> HttpResponse {
    let health = judge(readings(&services).await);
    HttpResponse::Ok().json(HealthView::new(health, services.clock.now()))
}
