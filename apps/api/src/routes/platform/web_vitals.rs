use std::collections::BTreeMap;

use actix_web::{HttpResponse, get, web};
use fairlead_domain::performance::vitals::{Page, PageVital, Vital};
use fairlead_domain::performance::{Figures, Sample, Series, SeriesKind};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::Services;
use crate::authentication::Operator;
use crate::problem::Problem;
use crate::query::QueryOf;
use crate::routes::analytics::{PageView, VitalsParameters, VitalsQuery, pages};

/// How pages were for those who looked at them, of all tenants.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PlatformWebVitals, example = json!({
    "since": "2026-11-22T10:00:00Z", "percent": 100, "lost": 0, "items": [{
        "page": "/leads/:id", "vitals": [{
            "name": "LCP", "count": 5_120, "p50": 1_210.0, "p75": 1_830.5, "p95": 3_104.0, "standing": "good", "slowest": null,
        }],
    }], "hasMore": false,
}))]
struct PlatformVitalsView {
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    /// How many of a hundred messages are looked at.
    percent: u8,
    /// Figures that this process had no room for by tenant, since its start; they are told of here, and not there.
    lost: u64,
    /// Pages of which most views have told come first.
    items: Vec<PageView>,
    has_more: bool,
}

/// Tell how pages were for those who looked at them, of all tenants.
///
/// By page and figure, over all processes; a process tells fifty pages apart, those that it was told of first. Which view was
/// the slowest is told to its tenant alone.
#[utoipa::path(
    tag = "platform",
    operation_id = "listWebVitals",
    params(VitalsParameters),
    responses((status = 200, description = "By page and figure.", body = PlatformVitalsView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/web-vitals")]
pub(super) async fn web_vitals(
    services: web::Data<Services>,
    _operator: Operator,
    query: QueryOf<VitalsQuery>,
) -> Result<HttpResponse, Problem> {
    let VitalsQuery { period, limit } = query.0;
    let now = services.clock.now();
    let since = now - period.span();
    let mut known: BTreeMap<(Page, Vital), PageVital> = BTreeMap::new();
    let mut each = |sample: &Sample| {
        if let (Series::Vital(vital, page), Figures::Times(times)) = (&sample.series, &sample.figures) {
            known
                .entry((page.clone(), *vital))
                .or_default()
                .sketch
                .merge(times);
        }
    };
    let samples = &services.performance.samples;
    samples.read(since, now, &[SeriesKind::Vital], &mut each).await?;
    let known = known
        .into_iter()
        .map(|((page, vital), known)| (page, vital, known));
    let (items, has_more) = pages(known, limit);
    Ok(HttpResponse::Ok().json(PlatformVitalsView {
        since,
        percent: services.performance.vitals.percent(),
        lost: services.performance.vitals.lost(),
        items,
        has_more,
    }))
}
