use std::collections::BTreeMap;

use fairlead_domain::performance::vitals::{Page, PageVital, SlowestView, Vital};
use serde::Serialize;
use utoipa::ToSchema;

use crate::units::milliseconds;

/// How a page was for those who looked at it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PageVitals)]
pub(in crate::routes) struct PageView {
    /// Its path, with `:id` for what names one of many; `*` stands for pages that are not told apart.
    page: String,
    /// What was measured, in the order of the names.
    vitals: Vec<VitalView>,
}

/// What browsers have measured of a page by one figure.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PageVital)]
struct VitalView {
    /// `LCP`, `INP`, `CLS`, `FCP`, `TTFB` or `FID`. All but CLS are milliseconds.
    name: &'static str,
    /// Views that have told of it.
    #[schema(minimum = 1)]
    count: u64,
    p50: f64,
    /// By which it is judged: three of four views are as good, or better. Off by 1/32 at the most, as the others.
    p75: f64,
    p95: f64,
    /// `good`, `needs-improvement` or `poor`, by `p75` and the bounds that are published for it.
    standing: &'static str,
    /// The worst of those that have named their request; `null`: none has.
    #[schema(required = true)]
    slowest: Option<SlowestOfPage>,
}

/// A page view and the request that it was loaded with.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SlowestPageView)]
struct SlowestOfPage {
    value: f64,
    request_id: String,
    /// The trace of that request; `null`, as `serverMs`, where it took no time worth keeping.
    #[schema(required = true)]
    trace_id: Option<String>,
    /// How long the server took for it.
    #[schema(required = true)]
    server_ms: Option<f64>,
}

impl VitalView {
    fn new(vital: Vital, known: &PageVital) -> Option<Self> {
        let quantile = |of_thousand| Some(vital.value(known.sketch.quantile(of_thousand)?));
        let p75 = quantile(750)?;
        Some(Self {
            name: vital.as_str(),
            count: known.sketch.count(),
            p50: quantile(500)?,
            p75,
            p95: quantile(950)?,
            standing: vital.standing(p75).as_str(),
            slowest: known.slowest.as_ref().map(|slowest| of_page(vital, slowest)),
        })
    }
}

fn of_page(vital: Vital, slowest: &SlowestView) -> SlowestOfPage {
    SlowestOfPage {
        value: vital.value(slowest.value),
        request_id: slowest.request_id.to_string(),
        trace_id: slowest.trace_id.as_deref().map(str::to_owned),
        server_ms: slowest.server_time.map(milliseconds),
    }
}

/// By page, those that most views have told of first; and whether there are more.
pub(in crate::routes) fn pages(
    known: impl IntoIterator<Item = (Page, Vital, PageVital)>,
    limit: u32,
) -> (Vec<PageView>, bool) {
    let mut by_page: BTreeMap<Page, BTreeMap<&'static str, VitalView>> = BTreeMap::new();
    for (page, vital, known) in known {
        if let Some(view) = VitalView::new(vital, &known) {
            by_page.entry(page).or_default().insert(vital.as_str(), view);
        }
    }
    let mut pages: Vec<_> = by_page.into_iter().collect();
    let views = |vitals: &BTreeMap<_, VitalView>| vitals.values().map(|of| of.count).max();
    pages.sort_by_key(|(_, vitals)| std::cmp::Reverse(views(vitals)));
    let limit = limit as usize;
    let has_more = pages.len() > limit;
    pages.truncate(limit);
    let pages = pages.into_iter().map(|(page, vitals)| PageView {
        page: page.as_str().to_owned(),
        vitals: vitals.into_values().collect(),
    });
    (pages.collect(), has_more)
}
