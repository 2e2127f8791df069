//! What would become of throughput and response times if something were different.
//!
//! The installation is a network of queues: cores that compute, connections that are lent, nodes that work on what comes
//! over them, and delays at which nobody waits for anybody. Its demands are taken from [`Live`] figures by the utilisation
//! law and Little's law; a [`Change`] alters them; the network is solved again. Requests either come by themselves, however
//! long others take, or each client waits for its answer before it asks again: that is told, because it decides what more
//! load does.
//!
//! A pool of connections before a node is two queues at once, because who waits for a core holds a connection. So the node
//! is solved by itself for each number of connections that may be lent, and stands in the network as one station that is as
//! fast as that (Chandy, Herzog and Woo, 1975; Lazowska et al., *Quantitative System Performance*, chapters 8 and 9).
//!
//! What the model cannot explain of the live response time stays as it is, and the answer says how large that part is.

mod change;
mod closed;
mod live;
mod open;
mod outcome;
mod staffing;
mod station;
mod system;

pub use change::{Change, Node, WrongChange};
pub use live::{CacheShare, Live, Load, NodeUse, WrongLive};
pub use outcome::{Outcome, Use, WhatIf, WrongWhatIf, what_if};
pub use staffing::{needed_servers, square_root_staffing, waiting_share};

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
