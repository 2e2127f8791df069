//! Clients that stay.

use fairlead_telemetry::metrics::Page;

use super::OTHERS;
use crate::realtime::{Connections, Traffic};

/// Names `tenants` tenants at the most: those with the most connections.
pub(super) fn write(page: &mut Page, connections: &Connections, tenants: usize) {
    let all = connections.by_tenant();
    let (listed, others) = all.split_at(tenants.min(all.len()));
    for (name, help, count) in [
        (
            "websocket_connections_active",
            "Open WebSockets of this process.",
            (|of| of.sockets) as fn(&crate::realtime::OfTenant) -> u64,
        ),
        (
            "event_streams_active",
            "Open streams of events of this process.",
            |of| of.streams,
        ),
    ] {
        let mut family = page.gauge(name, help);
        for of in listed {
            family.sample(&[("tenant_id", &of.tenant.to_string())], count(of));
        }
        family.sample(&[("tenant_id", OTHERS)], others.iter().map(count).sum::<u64>());
    }
    let Traffic {
        events,
        bytes,
        received,
    } = connections.traffic();
    for (name, help, count) in [
        (
            "realtime_events_sent_total",
            "Events that were sent to clients that stay.",
            events,
        ),
        (
            "realtime_bytes_sent_total",
            "Bytes that were sent to clients that stay.",
            bytes,
        ),
        (
            "realtime_messages_received_total",
            "Messages of WebSocket clients.",
            received,
        ),
    ] {
        page.counter(name, help).sample(&[], count);
    }
}
