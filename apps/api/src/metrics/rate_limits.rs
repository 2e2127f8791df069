//! How often clients may ask.

use fairlead_domain::rate_limits::Limit;
use fairlead_telemetry::metrics::Page;

use crate::rate_limits::RateLimits;

pub(super) fn write(page: &mut Page, limits: &RateLimits) {
    let report = limits.limiter.report();
    let mut refused = page.counter(
        "rate_limited_total",
        "Requests beyond a limit; where limits are in shadow, they passed all the same.",
    );
    for limit in Limit::ALL {
        let labels = [
            ("scope", limit.name()),
            ("enforcement", limits.enforcement.as_str()),
        ];
        refused.sample(&labels, report.refused[limit.index()]);
    }
    page.gauge(
        "rate_limit_keys",
        "Addresses, tenants, keys and operations of them that have used something up.",
    )
    .sample(&[], count(report.keys));
    page.gauge("rate_limit_max_keys", "How many of them are told apart at once.")
        .sample(&[], count(report.capacity));
    page.counter(
        "rate_limit_forgotten_total",
        "Those forgotten for want of room, although something was used up.",
    )
    .sample(&[], report.forgotten);
    if let Some(sharing) = report.sharing {
        page.gauge(
            "rate_limits_shared",
            "Whether limits are shared between processes: Redis answers.",
        )
        .sample(&[], sharing.is_up);
        let mut settled = page.counter(
            "rate_limit_settlements_total",
            "How often this process told what was used up, and learnt what others have.",
        );
        for (result, count) in [("success", sharing.settled), ("error", sharing.failed)] {
            settled.sample(&[("result", result)], count);
        }
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
