//! The model of Fairlead: tenants, users, leads, activities, carriers, webhooks; the rules they follow, the use cases, and the
//! ports through which they reach the outside. Nothing here does I/O, reads the clock or makes up an id.

pub mod access;
pub mod activities;
pub mod admission;
pub mod ai;
pub mod billing;
pub mod cache;
pub mod carriers;
pub mod clock;
pub mod consistency;
pub mod database;
pub mod events;
mod expected;
pub mod field;
mod id;
pub mod idempotency;
pub mod identity;
pub mod invalid;
pub mod jobs;
pub mod leads;
pub mod marketing;
pub mod network;
pub mod operations;
pub mod paging;
pub mod performance;
pub mod rate_limits;
pub mod store;
pub mod text;
pub mod upstreams;
pub mod voice;
pub mod webhooks;

pub use expected::{Expected, Revision};
pub use id::Id;
