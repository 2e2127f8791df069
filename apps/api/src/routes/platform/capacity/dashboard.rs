use std::time::Duration;

use actix_web::{HttpResponse, get, web};
use fairlead_domain::access::SystemScope;
use fairlead_domain::performance::Level;
use fairlead_domain::performance::bottlenecks::Resource;
use fairlead_domain::store::StoreError;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{ResourceName, unit};
use crate::Services;
use crate::authentication::Operator;
use crate::performance::capacity::{InUse, RESOURCES, gauge, in_use, real};
use crate::problem::Problem;

const DAY: Duration = Duration::from_hours(24);

/// How much is used of what there is only so much of.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CapacityDashboard, example = json!({"at": "2026-11-22T10:00:00Z", "resources": [
    {
        "resource": "memory", "unit": "bytes", "used": 91_000_000.0, "limit": 8_000_000_000.0, "utilisation": 0.011,
        "lastDay": {"mean": 88_000_000.0, "highest": 120_000_000.0},
    },
    {
        "resource": "bandwidth", "unit": "bytes per second", "used": 20_400.0, "limit": null, "utilisation": null,
        "lastDay": {"mean": 18_100.0, "highest": 910_000.0},
    },
]}))]
struct CapacityView {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    resources: Vec<ResourceView>,
}

/// A resource of this process; storage is that of the whole database.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CapacityResource)]
struct ResourceView {
    #[schema(value_type = ResourceName)]
    resource: &'static str,
    unit: &'static str,
    /// Now, or within the last interval of measuring; `null` when it is not known, or not used.
    #[schema(required = true, minimum = 0)]
    used: Option<f64>,
    /// `null` where it is not known, as of the disk of the database's server.
    #[schema(required = true, minimum = 0)]
    limit: Option<f64>,
    #[schema(required = true, minimum = 0)]
    utilisation: Option<f64>,
    /// As all processes have written it down, each process for itself; `null` when none has.
    #[schema(required = true)]
    last_day: Option<LevelView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CapacityLevel)]
struct LevelView {
    mean: f64,
    highest: f64,
}

impl ResourceView {
    fn new(resource: Resource, now: Option<InUse>, day: Option<Level>) -> Self {
        let (used, limit) = now.map_or((None, None), |now| (now.used, now.limit));
        let utilisation = used
            .zip(limit)
            .filter(|(_, limit)| *limit > 0.0)
            .map(|(used, limit)| used / limit);
        Self {
            resource: resource.as_str(),
            unit: unit(resource),
            used,
            limit,
            utilisation,
            last_day: day.and_then(|day| {
                Some(LevelView {
                    mean: day.mean()?,
                    highest: day.highest,
                })
            }),
        }
    }
}

async fn last_day(services: &Services, resource: Resource) -> Result<Option<Level>, StoreError> {
    let Some(gauge) = gauge(resource) else {
        return Ok(None);
    };
    let since = services.clock.now() - DAY;
    let levels = services.performance.samples.levels(gauge, since, DAY).await?;
    Ok(levels
        .into_iter()
        .map(|(_, level)| level)
        .reduce(|mut all, level| {
            all.merge(&level);
            all
        }))
}

/// Tell how much is used of what there is only so much of.
#[utoipa::path(
    tag = "platform",
    operation_id = "getCapacity",
    responses((status = 200, description = "Of this process, and the last day of all.", body = CapacityView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/capacity/dashboard")]
#[expect(
    clippy::disallowed_methods,
    reason = "operators see the platform across tenants"
)]
pub(super) async fn dashboard(
    services: web::Data<Services>,
    _operator: Operator,
) -> Result<HttpResponse, Problem> {
    let mut uow = services
        .system
        .begin(&SystemScope::new("operator: capacity"))
        .await?;
    let size = uow.platform().database_size().await?;
    drop(uow);
    let mut now = in_use(&services);
    now.push(InUse {
        resource: Resource::Storage,
        used: Some(real(size.total_bytes)),
        limit: None,
    });
    let mut resources = Vec::new();
    for resource in RESOURCES {
        let day = last_day(&services, resource).await?;
        let now = now.iter().find(|now| now.resource == resource);
        resources.push(ResourceView::new(resource, now.copied(), day));
    }
    Ok(HttpResponse::Ok().json(CapacityView {
        at: services.clock.now(),
        resources,
    }))
}
