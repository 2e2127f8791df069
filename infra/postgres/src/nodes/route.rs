//! Which node serves a read, and which one instead when that one fails.

use std::sync::Arc;

use fairlead_domain::consistency::{Consistency, LogPosition, ReadIntent, Workload};
use fairlead_domain::database::NodeRole;
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::StoreError;

use super::Cluster;
use super::node::{Node, is_fault_of_node};
use super::rotation::{Fault, Standing};
use crate::pool::Failure;

/// A read's way to a node.
#[derive(Debug)]
pub(crate) struct Route {
    cluster: Arc<Cluster>,
    tenant: TenantId,
    intent: ReadIntent,
    node: Arc<Node>,
    tried: Vec<Arc<Node>>,
}

impl Route {
    pub(super) fn new(cluster: Arc<Cluster>, tenant: TenantId, intent: ReadIntent) -> Self {
        let node = choose(&cluster, intent, &[]);
        Self {
            cluster,
            tenant,
            intent,
            node,
            tried: Vec::new(),
        }
    }

    /// The node chosen.
    pub(crate) fn node(&self) -> &Arc<Node> {
        &self.node
    }

    pub(crate) fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// Whether another node may serve what this one could not.
    pub(crate) fn has_detour(&self) -> bool {
        !self.node.is_primary()
    }

    /// Reads on the node chosen, as long as it is in reach.
    pub(crate) async fn attempt<T>(
        &self,
        reading: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        if self.node.is_primary() {
            return self.cluster.with_primary(reading).await;
        }
        let answer = tokio::select! {
            biased;
            answer = reading => answer,
            () = self.node.lost() => Err(Failure::Lost(self.node.down())),
        };
        if matches!(&answer, Err(Failure::NoConnection(error)) if is_fault_of_node(error)) {
            self.accuse();
        }
        answer
    }

    /// A replica that takes no connection leaves the rotation before the monitor finds out.
    fn accuse(&self) {
        if !self.node.is_primary() && self.node.is_serving() {
            self.node.fail(Fault::Refuses);
        }
    }

    /// Leads elsewhere after a statement has failed on this node; returns what is known to be seen there. The first
    /// statement of a unit of work may run on any node that sees `sees`. A later one must see what those before it have
    /// seen, which the primary always does: each statement has a snapshot of its own.
    pub(crate) fn redirect(&mut self, is_first: bool, sees: LogPosition) -> Result<LogPosition, StoreError> {
        self.intent = if is_first {
            self.intent.raised_to(sees)
        } else {
            ReadIntent {
                consistency: Consistency::Strong,
                ..self.intent
            }
        };
        if !self.turn_away() {
            return Err(self.node.down());
        }
        Ok(self.node.position())
    }

    /// Chooses another node than those tried; `false` when there is none.
    fn turn_away(&mut self) -> bool {
        self.tried.push(Arc::clone(&self.node));
        let next = choose(&self.cluster, self.intent, &self.tried);
        let is_new = !is_among(&self.tried, &next);
        self.node = next;
        is_new
    }
}

fn is_among(nodes: &[Arc<Node>], node: &Arc<Node>) -> bool {
    nodes.iter().any(|other| Arc::ptr_eq(other, node))
}

/// The node for a read: the least loaded of the replicas that are fresh enough, of the kind the work prefers; else the
/// primary. Without a primary, whichever replica is fresh enough.
///
/// While the primary is out of sight, nobody knows how far replicas are behind. Reads that would rely on a limit go to the
/// primary then; if that is gone, what a replica has is all there is, and a position that is asked for still holds.
fn choose(cluster: &Cluster, intent: ReadIntent, tried: &[Arc<Node>]) -> Arc<Node> {
    let primary = &cluster.primary;
    let needed = match intent.consistency {
        Consistency::Strong => return Arc::clone(primary),
        Consistency::AtLeast(position) => position,
        Consistency::Eventual => LogPosition::UNKNOWN,
    };
    let fresh = || {
        cluster
            .replicas_by_turn()
            .filter(|node| node.is_serving() && node.position().covers(needed) && !is_among(tried, node))
    };
    let least_loaded = |role| {
        fresh()
            .filter(|node| node.role == role && node.has_known_lag())
            .min_by_key(|node| node.busy())
    };
    let preferred = match intent.workload {
        Workload::Interactive => least_loaded(NodeRole::Replica),
        Workload::Analytics => least_loaded(NodeRole::Analytics).or_else(|| least_loaded(NodeRole::Replica)),
    };
    let is_primary_there = !matches!(primary.standing(), Standing::Out(_)) && !is_among(tried, primary);
    preferred
        .or_else(|| is_primary_there.then_some(primary))
        .or_else(|| fresh().min_by_key(|node| node.busy()))
        .map_or_else(|| Arc::clone(primary), Arc::clone)
}

#[cfg(test)]
mod tests;
