//! Which node serves a read, and which one instead when that one fails.

use std::sync::Arc;

use fairlead_domain::consistency::{Consistency, LogPosition, ReadIntent, Workload};
use fairlead_domain::database::NodeRole;
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::StoreError;

use super::Cluster;
use super::node::{Node, is_fault_of_node};
use super::rotation::{Fault, Standing};
use crate::connection::{Reach, begin};
use crate::pipeline::{Answer, Failure};
use crate::transaction::Transaction;

/// A read's way to a node.
#[derive(Debug)]
pub(crate) struct Route {
    cluster: Arc<Cluster>,
    tenant: TenantId,
    intent: ReadIntent,
    node: Arc<Node>,
    tried: Vec<Arc<Node>>,
    /// Set once pipelines have read here: what follows must see no less.
    has_read: bool,
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
            has_read: false,
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

    /// Begins on the node chosen; when it fails, on the next best. Returns what is known to be seen there.
    pub(crate) async fn begin(&mut self) -> Result<(Transaction, LogPosition), StoreError> {
        loop {
            let sees = self.node.position();
            let begun = self.begin_here().await;
            let error = match begun {
                Ok(transaction) => return Ok((transaction, sees)),
                Err(error) if is_fault_of_node(&error) => {
                    self.accuse();
                    error
                }
                // All connections to a replica are in use: that speaks for another node, not against this one.
                Err(error @ StoreError::Unavailable(_)) if self.has_detour() => error,
                Err(error) => return Err(error),
            };
            if !self.turn_away() {
                return Err(error);
            }
        }
    }

    /// Waits no longer for a replica than until it is known to be out of reach.
    async fn begin_here(&self) -> Result<Transaction, StoreError> {
        let (node, reach) = (&self.node, Reach::Read(self.tenant));
        if node.is_primary() {
            return self.cluster.begin_on_primary(&node.pool, reach).await;
        }
        tokio::select! {
            biased;
            begun = begin(&node.pool, reach) => begun,
            () = node.lost() => Err(node.down()),
        }
    }

    /// Reads by the pipelines of the node chosen, as long as it is in reach.
    pub(crate) async fn attempt(
        &mut self,
        reading: impl Future<Output = Result<Answer, Failure>>,
    ) -> Result<Answer, Failure> {
        let answer = if self.node.is_primary() {
            self.cluster.with_primary(reading).await
        } else {
            tokio::select! {
                biased;
                answer = reading => answer,
                () = self.node.lost() => Err(Failure::Lost(self.node.down())),
            }
        };
        if matches!(&answer, Err(Failure::NoConnection(error)) if is_fault_of_node(error)) {
            self.accuse();
        }
        self.has_read |= answer.is_ok();
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
        if is_first {
            self.intent = self.intent.raised_to(sees);
        } else {
            self.intent.consistency = Consistency::Strong;
        }
        if !self.turn_away() {
            return Err(self.node.down());
        }
        Ok(self.node.position())
    }

    /// Chooses another node than those tried; `false` when there is none.
    fn turn_away(&mut self) -> bool {
        if self.has_read {
            self.intent.consistency = Consistency::Strong;
        }
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
            .filter(|node| node.role == role)
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
