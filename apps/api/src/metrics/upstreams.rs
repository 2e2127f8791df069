//! The services that this process calls.

use fairlead_domain::upstreams::{BreakerState, Times, UpstreamFault, UpstreamReport};
use fairlead_telemetry::metrics::Page;

pub(super) fn write(page: &mut Page, reports: &[UpstreamReport]) {
    let mut calls = page.counter(
        "upstream_calls_total",
        "Calls to services that are configured, by what they came to: succeeded, or why not.",
    );
    for report in reports {
        calls.sample(
            &[("upstream", report.name), ("outcome", "succeeded")],
            report.succeeded,
        );
        for (fault, count) in UpstreamFault::NAMES.into_iter().zip(report.faults) {
            calls.sample(&[("upstream", report.name), ("outcome", fault)], count);
        }
    }
    let mut retries = page.counter(
        "upstream_retries_total",
        "Attempts beyond the first of a call to a service.",
    );
    for report in reports {
        retries.sample(&[("upstream", report.name)], report.retries);
    }
    let mut attempts = page.histogram(
        "upstream_attempt_seconds",
        "How long attempts to call a service took, whatever they came to.",
    );
    for report in reports {
        let times = &report.attempts;
        attempts.distribution(
            &[("upstream", report.name)],
            &Times::BOUNDS,
            &times.counts,
            times.sum,
        );
    }
    let mut in_flight = page.gauge(
        "upstream_calls_in_flight",
        "Calls to services that are under way.",
    );
    for report in reports {
        let count = u64::try_from(report.in_flight).unwrap_or(u64::MAX);
        in_flight.sample(&[("upstream", report.name)], count);
    }
    let mut states = page.gauge(
        "circuit_breaker_state",
        "1 for the state that the circuit breaker of a service is in, else 0.",
    );
    for report in reports {
        for state in BreakerState::ALL {
            let labels = [("upstream", report.name), ("state", state.as_str())];
            states.sample(&labels, report.state == state);
        }
    }
    let mut opened = page.counter(
        "circuit_breaker_opened_total",
        "How often the circuit breaker of a service has opened by itself.",
    );
    for report in reports {
        opened.sample(&[("upstream", report.name)], report.opened);
    }
}
