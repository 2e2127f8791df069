//! What this process sends to webhooks.

use fairlead_domain::webhooks::{WebhookMeters, WebhooksReport};
use fairlead_telemetry::metrics::Page;

pub(super) fn write(page: &mut Page, report: &WebhooksReport) {
    let mut deliveries = page.counter(
        "webhook_deliveries_total",
        "Deliveries that this process has worked on, by what became of them: retried ones come again.",
    );
    for (outcome, count) in [
        ("succeeded", report.succeeded),
        ("retried", report.retried),
        ("failed", report.failed),
        ("canceled", report.canceled),
    ] {
        deliveries.sample(&[("outcome", outcome)], count);
    }
    page.counter(
        "webhooks_disabled_total",
        "Webhooks that this process has disabled: their receivers are gone, or took nothing for a day.",
    )
    .sample(&[], report.disabled);
    page.histogram(
        "webhook_attempt_seconds",
        "How long receivers took, from the lookup of their name to their answer.",
    )
    .distribution(
        &[],
        &WebhookMeters::BOUNDS,
        &report.attempts.counts,
        report.attempts.sum,
    );
    page.histogram(
        "webhook_wait_seconds",
        "How long events waited from when they happened to their first attempt.",
    )
    .distribution(
        &[],
        &WebhookMeters::BOUNDS,
        &report.waits.counts,
        report.waits.sum,
    );
}
