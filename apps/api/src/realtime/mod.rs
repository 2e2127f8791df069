//! Clients that stay: each follows the events of its tenant, or watches an operation, and operators see who they are.

mod connections;
mod follower;
mod turns;
mod watcher;
mod watches;

pub use connections::Connections;
pub(crate) use connections::{Connection, ConnectionKind, OfTenant, Traffic};
pub(crate) use follower::{Follower, Room, Step, SubscribeError};
pub use turns::CatchUpTurns;
pub(crate) use watcher::{News, Watcher};
pub use watches::OperationWatches;
pub(crate) use watches::Sight;
