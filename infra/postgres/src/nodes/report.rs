//! The nodes as operators see them.

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
        let (position, standing) = (node.position(), node.standing());
        NodeReport {
            name: node.name.clone(),
            role: node.role,
            is_serving: standing == Standing::Serving,
            standing: standing.as_str(),
            position,
            unapplied_bytes: (!node.is_primary()).then(|| node.seen.received().saturating_sub(position.lsn)),
            lag: node.seen.lag(),
            latency: node.seen.latency(),
            pools,
        }
    }
}
