//! The readers of the log of events.

use fairlead_domain::events::{EventsReport, LinkReport};
use fairlead_telemetry::metrics::Page;

pub(super) fn write(page: &mut Page, report: &EventsReport) {
    page.gauge(
        "events_leader",
        "Whether this process is the one that reads the events.",
    )
    .sample(&[], report.leads);
    page.gauge(
        "events_followers",
        "Clients that stay with this process: WebSockets, streams of events, and those who watch an operation.",
    )
    .sample(&[], report.followers);
    page.gauge(
        "events_followers_waiting_bytes",
        "What the events take that wait for those who follow and have yet to take them.",
    )
    .sample(&[], report.waiting_bytes);
    let mut waiting = page.gauge(
        "events_waiting",
        "Events that a reader of the log has not done yet; it is not counted beyond 10,000.",
    );
    for backlog in &report.backlogs {
        waiting.sample(&[("reader", &backlog.reader)], backlog.events);
    }
    let mut lag = page.gauge(
        "events_lag_seconds",
        "How long the oldest event that a reader has not done has been waiting; 0 when it has done all.",
    );
    for backlog in &report.backlogs {
        lag.sample(&[("reader", &backlog.reader)], backlog.oldest.unwrap_or_default());
    }
    for (name, help, count) in [
        (
            "events_handled_total",
            "Events that this process has handled, once for each consumer.",
            report.handled,
        ),
        (
            "events_duplicates_total",
            "Events that came again and were known to be handled.",
            report.duplicates,
        ),
        (
            "events_put_aside_total",
            "Events that could not be handled, and were put aside.",
            report.put_aside,
        ),
    ] {
        page.counter(name, help).sample(&[], count);
    }
    if let Some(link) = &report.link {
        write_link(page, link);
    }
}

fn write_link(page: &mut Page, link: &LinkReport) {
    page.gauge(
        "events_broker_up",
        "Whether this process is linked to the broker.",
    )
    .sample(&[], link.is_up);
    page.gauge(
        "events_dead_letters",
        "What lies in the dead-letter queue of the broker, when this process looked last.",
    )
    .sample(&[], link.dead_letters);
    for (name, help, count) in [
        (
            "events_broker_links_total",
            "How often the link to the broker came up.",
            link.connects,
        ),
        (
            "events_published_total",
            "Events that the broker has confirmed to this process.",
            link.published,
        ),
        (
            "events_retried_total",
            "Deliveries that failed, and come again later.",
            link.retried,
        ),
        (
            "events_dead_total",
            "Deliveries that were given up, and are dead letters.",
            link.dead,
        ),
        (
            "events_dead_dropped_total",
            "Dead letters that this process has dropped, the oldest first, because there were too many.",
            link.dead_dropped,
        ),
    ] {
        page.counter(name, help).sample(&[], count);
    }
}
