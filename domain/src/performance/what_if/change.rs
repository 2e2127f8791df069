use thiserror::Error;

use super::system::{Node as NodeDemand, System};
use super::{CacheShare, Live, Load};
use crate::performance::statistics::{real, whole};

/// What could be different.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change {
    /// So many times as many requests, or clients.
    Rate { times: f64 },
    /// So many connections.
    Pool { node: Node, connections: u32 },
    /// So many replicas fewer; the others take over what they did, and without any the primary does.
    LoseReplicas { count: u32 },
    /// Answers are kept for a part of the time.
    Ttl { divided_by: f64 },
}

/// Whose pool it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    Primary,
    /// Each of them.
    Replicas,
}

/// A change that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WrongChange {
    #[error("a factor must be more than 0 and at most 1,000")]
    Factor,
    #[error("that many clients are more than the model takes")]
    Clients,
    #[error("a pool has 1 to 1,000 connections")]
    Connections,
    #[error("there are no replicas, or fewer than that")]
    Replicas,
    #[error("no answers are kept, so it does not matter for how long")]
    Cache,
}

impl Change {
    pub(super) fn apply(self, system: &mut System) -> Result<(), WrongChange> {
        match self {
            Self::Rate { times } => {
                check_factor(times)?;
                system.load = match system.load {
                    Load::Open { per_second } => Load::Open {
                        per_second: per_second * times,
                    },
                    Load::Closed { clients, think_ms } => {
                        let clients = (f64::from(clients) * times).round().max(1.0);
                        if clients > f64::from(Live::MOST_CLIENTS) {
                            return Err(WrongChange::Clients);
                        }
                        let clients = u32::try_from(whole(clients)).map_err(|_| WrongChange::Clients)?;
                        Load::Closed { clients, think_ms }
                    }
                };
            }
            Self::Pool { node, connections } => {
                if !(1..=Live::MOST_CONNECTIONS).contains(&connections) {
                    return Err(WrongChange::Connections);
                }
                match node {
                    Node::Primary => system.primary.connections = connections,
                    Node::Replicas if system.replicas.is_empty() => return Err(WrongChange::Replicas),
                    Node::Replicas => {
                        for replica in &mut system.replicas {
                            replica.connections = connections;
                        }
                    }
                }
            }
            Self::LoseReplicas { count } => lose_replicas(system, whole(count.into()))?,
            Self::Ttl { divided_by } => {
                check_factor(divided_by)?;
                let cache = system.cache.as_mut().ok_or(WrongChange::Cache)?;
                let factor = cache.kept_for(divided_by);
                for node in system.replicas.iter_mut().chain([&mut system.primary]) {
                    node.work *= factor;
                    node.wait *= factor;
                }
            }
        }
        Ok(())
    }
}

fn check_factor(factor: f64) -> Result<(), WrongChange> {
    let is_sound = factor > 0.0 && factor <= 1_000.0;
    is_sound.then_some(()).ok_or(WrongChange::Factor)
}

fn lose_replicas(system: &mut System, count: usize) -> Result<(), WrongChange> {
    let left = system
        .replicas
        .len()
        .checked_sub(count)
        .ok_or(WrongChange::Replicas)?;
    if count == 0 {
        return Err(WrongChange::Replicas);
    }
    let sum = |demand: fn(&NodeDemand) -> f64| system.replicas.iter().map(demand).sum::<f64>();
    let (work, wait) = (sum(|node| node.work), sum(|node| node.wait));
    system.replicas.truncate(left);
    if left == 0 {
        system.primary.work += work;
        system.primary.wait += wait;
    }
    for node in &mut system.replicas {
        (node.work, node.wait) = (work / real(left), wait / real(left));
    }
    Ok(())
}

impl CacheShare {
    /// Keeps answers for a part of the time, and returns how many times as much the database has to do.
    ///
    /// An answer that is asked for r times while it is kept is found r times and missed once, so r / (1 + r) are hits. That
    /// holds for one answer whose requests come at random (Jung, Berger and Balakrishnan, *Modeling TTL-based Internet
    /// caches*, 2003); taken for all together it is the worst case, because those asked for most suffer least.
    fn kept_for(&mut self, divided_by: f64) -> f64 {
        let missed = 1.0 - self.hits;
        if missed <= 0.0 {
            return 1.0;
        }
        let asked = self.hits / missed / divided_by;
        let missed_then = 1.0 / (1.0 + asked);
        let factor = missed_then / missed;
        let more = 1.0 - self.of_database + self.of_database * factor;
        self.hits = 1.0 - missed_then;
        self.of_database *= factor / more;
        more
    }
}
