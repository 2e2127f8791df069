//! How long requests take.

use std::time::Duration;

use fairlead_telemetry::metrics::Page;

use super::OTHERS;
use super::tenants::{Counters, Listing};
use crate::middleware::{BOUNDS_MS, OfTenants, RequestTimes, Series, TenantMeters, TenantUse, Times};

pub(super) fn write(page: &mut Page, times: &RequestTimes) {
    let bounds = BOUNDS_MS.map(Duration::from_millis);
    let mut family = page.histogram(
        "http_request_duration_seconds",
        "Time from the head of a request to its answer, by the pattern of its route; unknown where there is none.",
    );
    for (series, times) in times.all() {
        let Series {
            route,
            method,
            status,
        } = series;
        let Times { counts, sketch, .. } = times;
        let route = if route.is_empty() { "unknown" } else { &*route };
        let status = status.to_string();
        let labels = [
            ("method", method),
            ("route", route),
            ("status_code", status.as_str()),
        ];
        family.distribution(&labels, &bounds, &counts, sketch.sum());
    }
}

/// How many took how long, and the sum in microseconds.
const COUNTERS: usize = BOUNDS_MS.len() + 2;

/// The series of tenants, from one look to the next.
#[derive(Debug)]
pub(super) struct TenantSeries(Listing<COUNTERS>);

impl TenantSeries {
    /// Gives so many tenants series of their own.
    pub(super) fn new(tenants: usize) -> Self {
        Self(Listing::new(tenants))
    }

    pub(super) fn write(&mut self, page: &mut Page, meters: &TenantMeters) {
        let OfTenants {
            tenants,
            rest,
            nobodys,
        } = meters.read();
        let tenants: Vec<_> = tenants.iter().map(|(who, of)| (*who, counters(of))).collect();
        let (listed, others) = self.0.look(&tenants, counters(&rest));
        let bounds = BOUNDS_MS.map(Duration::from_millis);
        let mut family = page.histogram(
            "http_tenant_request_duration_seconds",
            "The same by tenant; other: those without series of their own, unknown: nobody's.",
        );
        let mut write = |tenant: &str, counters: Counters<COUNTERS>| {
            let (counts, sum) = counters.split_at(COUNTERS - 1);
            family.distribution(
                &[("tenant_id", tenant)],
                &bounds,
                counts,
                Duration::from_micros(sum[0]),
            );
        };
        for (tenant, counters) in &tenants[..listed] {
            write(&tenant.to_string(), *counters);
        }
        write(OTHERS, others);
        write("unknown", counters(&nobodys));
    }
}

fn counters(of: &TenantUse) -> Counters<COUNTERS> {
    let mut counters = [0; COUNTERS];
    counters[..COUNTERS - 1].copy_from_slice(&of.counts);
    counters[COUNTERS - 1] = u64::try_from(of.time.as_micros()).unwrap_or(u64::MAX);
    counters
}
