use std::collections::BTreeMap;

use fairlead_domain::upstreams::{Hold, LastFault, UpstreamFault, UpstreamReport};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// How a service fares, as this process sees it. Counts are those since the process started.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CircuitBreaker, example = json!({
    "name": "ai", "state": "open", "since": "2026-11-22T10:00:00Z", "held": null, "nextProbeAt": "2026-11-22T10:01:00Z",
    "failures": 5, "failuresAllowed": 5, "inFlight": 0, "maxInFlight": 16, "calls": 900, "succeeded": 880,
    "unsuccessful": {"timed-out": 5, "open": 15}, "retries": 2, "opened": 1,
    "lastFaults": [{"at": "2026-11-22T10:00:00Z", "kind": "timed-out", "detail": "no answer came within 4000 ms"}],
}))]
pub(super) struct CircuitBreakerView {
    name: &'static str,
    /// `closed`: calls go through. `half-open`: one at a time does, to find out whether the service is back. `open`: none does.
    state: &'static str,
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    /// By whom it is kept open; `null`: by nobody.
    #[schema(required = true)]
    held: Option<HoldView>,
    /// When a call is let through to find out whether the service is back; `null`: it is closed, or is kept open until
    /// somebody closes it.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    next_probe_at: Option<OffsetDateTime>,
    /// Failures of late,
    failures: usize,
    /// of which so many open it.
    failures_allowed: usize,
    in_flight: usize,
    max_in_flight: usize,
    calls: u64,
    succeeded: u64,
    /// Calls that came to nothing, by why; what did not happen is absent. `open` and `full`: nobody was asked.
    unsuccessful: BTreeMap<&'static str, u64>,
    /// Attempts beyond the first of a call.
    retries: u64,
    /// How often it has opened by itself.
    opened: u64,
    /// The newest first, ten at the most.
    last_faults: Vec<FaultView>,
}

/// By whom a circuit breaker is kept open.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CircuitBreakerHold)]
struct HoldView {
    operator: String,
    reason: String,
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    /// `null`: until somebody closes it.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    until: Option<OffsetDateTime>,
}

/// A failure of a service.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UpstreamFault)]
struct FaultView {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    kind: &'static str,
    detail: String,
}

impl From<UpstreamReport> for CircuitBreakerView {
    fn from(report: UpstreamReport) -> Self {
        let unsuccessful = UpstreamFault::NAMES.into_iter().zip(report.faults);
        Self {
            name: report.name,
            state: report.state.as_str(),
            since: report.since,
            held: report.hold.map(HoldView::from),
            next_probe_at: report.next_probe,
            failures: report.failures,
            failures_allowed: report.failures_allowed,
            in_flight: report.in_flight,
            max_in_flight: report.max_in_flight,
            calls: report.calls,
            succeeded: report.succeeded,
            unsuccessful: unsuccessful.filter(|(_, count)| *count > 0).collect(),
            retries: report.retries,
            opened: report.opened,
            last_faults: report.last_faults.into_iter().map(FaultView::from).collect(),
        }
    }
}

impl From<Hold> for HoldView {
    fn from(hold: Hold) -> Self {
        Self {
            operator: hold.operator,
            reason: hold.reason,
            since: hold.since,
            until: hold.until,
        }
    }
}

impl From<LastFault> for FaultView {
    fn from(LastFault { at, fault }: LastFault) -> Self {
        Self {
            at,
            kind: fault.name(),
            detail: fault.to_string(),
        }
    }
}
