//! The servers of the database, and the pools of connections to them.

use fairlead_domain::database::{NodeReport, NodeRole, PoolReport};
use fairlead_telemetry::metrics::{Family, Figure, Page};

pub(super) fn write(page: &mut Page, nodes: &[NodeReport]) {
    write_nodes(page, nodes);
    write_pools(page, nodes);
}

fn write_nodes(page: &mut Page, nodes: &[NodeReport]) {
    let mut serving = page.gauge("db_node_serving", "Whether a server of the database gets work.");
    for node in nodes {
        let labels = [("node", node.name.as_str()), ("role", role(node.role))];
        serving.sample(&labels, node.is_serving);
    }
    let mut latency = page.gauge(
        "db_node_latency_seconds",
        "How long the last look at a server took.",
    );
    for node in nodes {
        if let Some(time) = node.latency {
            latency.sample(&[("node", node.name.as_str())], time);
        }
    }
    let mut lag = page.gauge(
        "db_replica_lag_seconds",
        "How long a replica is behind the primary at the most.",
    );
    for node in nodes {
        if let Some(behind) = node.lag {
            lag.sample(&[("node", node.name.as_str())], behind.time);
        }
    }
    let mut bytes = page.gauge(
        "db_replica_lag_bytes",
        "How many bytes of the log a replica is behind the primary.",
    );
    for node in nodes {
        if let Some(behind) = node.lag {
            bytes.sample(&[("node", node.name.as_str())], behind.bytes);
        }
    }
}

fn write_pools(page: &mut Page, nodes: &[NodeReport]) {
    let mut connections = page.gauge("db_pool_connections", "Open connections of a pool.");
    for_each(nodes, |node, pool| {
        for (state, count) in [("active", pool.active), ("idle", pool.idle)] {
            connections.sample(&[("node", node), ("role", pool.role), ("state", state)], count);
        }
    });

    let most = page.gauge("db_pool_max_connections", "Connections that a pool may open.");
    write_each(most, nodes, |pool| pool.max.into());
    let waiting = page.gauge("db_pool_waiting", "Units of work that wait for a connection.");
    write_each(waiting, nodes, |pool| pool.waiting.into());
    let lent = page.counter("db_pool_lent_total", "Connections lent.");
    write_each(lent, nodes, |pool| pool.lent.into());
    let timeouts = page.counter("db_pool_timeouts_total", "Waits that ended without a connection.");
    write_each(timeouts, nodes, |pool| pool.timeouts.into());
}

/// One sample a pool.
fn write_each(mut family: Family<'_>, nodes: &[NodeReport], figure: impl Fn(&PoolReport) -> Figure) {
    for_each(nodes, |node, pool| {
        family.sample(&[("node", node), ("role", pool.role)], figure(pool));
    });
}

fn for_each(nodes: &[NodeReport], mut write: impl FnMut(&str, &PoolReport)) {
    for node in nodes {
        for pool in &node.pools {
            write(node.name.as_str(), pool);
        }
    }
}

fn role(role: NodeRole) -> &'static str {
    match role {
        NodeRole::Primary => "primary",
        NodeRole::Replica => "replica",
        NodeRole::Analytics => "analytics",
    }
}
