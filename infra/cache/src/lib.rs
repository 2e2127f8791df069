//! Answers kept in this process's memory and in Redis, behind one port.
//!
//! [`TieredCache`] is the whole. An answer is valid while the generations of its tags are those from before its load
//! (`generations`); memory holds it ready to be sent (`memory`); one load per key is under way at a time (`flights`);
//! Redis shares answers and bumps between processes (`shared`). [`TieredRateLimiter`] counts requests in the same two places;
//! [`RedisBreakerBoard`] tells processes which services are not to be called.

mod breakers;
mod bump;
mod cache;
mod control;
mod deployment;
mod fill;
mod flights;
mod floor;
mod generations;
mod hash;
mod heard;
mod memory;
mod meters;
mod rate_limits;
mod report;
mod schedule;
mod settings;
mod shared;
mod sweep;
mod timeline;
mod validity;
mod warm;

#[cfg(test)]
mod tests;

pub use breakers::RedisBreakerBoard;
pub use cache::{LoaderLost, TieredCache};
pub use control::Dropped;
pub use rate_limits::{RateLimitSettings, TieredRateLimiter};
pub use settings::{CacheSettings, EncryptionKey, Eviction, MemorySettings, OutageSettings, SharedSettings};
pub use shared::{BadRedis, Found, LinkError, ProbeError, probe};
pub use warm::Warmer;
