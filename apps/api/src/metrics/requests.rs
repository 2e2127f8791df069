//! How long requests take.

use std::time::Duration;

use fairlead_telemetry::metrics::Page;

use crate::middleware::{BOUNDS_MS, RequestTimes, Series, Times};

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
        let Times { counts, sum } = times;
        let route = if route.is_empty() { "unknown" } else { &*route };
        let status = status.to_string();
        let labels = [
            ("method", method),
            ("route", route),
            ("status_code", status.as_str()),
        ];
        family.distribution(&labels, &bounds, &counts, sum);
    }
}
