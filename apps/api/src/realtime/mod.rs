//! Clients that stay: each follows the events of its tenant, and operators see who they are.

mod connections;
mod follower;

pub use connections::Connections;
pub(crate) use connections::{Connection, ConnectionKind, OfTenant, Traffic};
pub(crate) use follower::{Follower, Room, Step};
