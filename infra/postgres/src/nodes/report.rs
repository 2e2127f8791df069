//! The nodes as operators see them.

use fairlead_domain::consistency::LogPosition;
use fairlead_domain::database::{DatabaseNodes, NodeReport};
use fairlead_domain::performance::{Fingerprint, StatementMeters, StatementReport};

use super::Cluster;
use super::node::Node;
use super::rotation::Standing;

impl DatabaseNodes for Cluster {
    fn nodes(&self) -> Vec<NodeReport> {
        self.nodes().map(|node| self.report(node)).collect()
    }
}

impl StatementMeters for Cluster {
    fn statements(&self) -> Vec<StatementReport> {
        self.primary.pool.statements().report()
    }

    fn text(&self, fingerprint: Fingerprint) -> Option<Box<str>> {
        self.primary.pool.statements().text(fingerprint)
    }
}

impl Cluster {
    fn report(&self, node: &Node) -> NodeReport {
        let mut pools = vec![node.pool.report()];
        if node.is_primary() {
            pools.push(self.system_pool().report());
        }
        let standing = node.standing();
        let position = if node.is_primary() {
            self.written()
                .map_or(LogPosition::UNKNOWN, |written| written.position)
        } else {
            node.position()
        };
        let received = node.seen.received().filter(|_| !node.is_primary());
        NodeReport {
            name: node.name.clone(),
            role: node.role,
            is_serving: standing == Standing::Serving,
            standing: standing.as_str(),
            position,
            unapplied_bytes: received.map(|received| received.saturating_sub(position.lsn)),
            lag: node.seen.lag(),
            latency: node.seen.latency(),
            pools,
        }
    }
}
