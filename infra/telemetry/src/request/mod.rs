//! The request that the current task works for: who asked, until when, and what it has cost so far.
//!
//! The edge opens a [`RequestContext`] around the handler with [`scope`]; everything below asks [`current`]. Work that
//! leaves the task takes the context along when it is started with [`spawn`](crate::spawn).

mod context;
mod cost;
mod hex;
mod request_id;
mod trace;

pub use context::{DatabaseWork, Place, RequestContext, current, scope, sync_scope};
pub use cost::{Phase, StatementWork};
pub use request_id::RequestId;
pub use trace::{InvalidTraceparent, SpanId, TraceContext, TraceId};

#[cfg(test)]
mod tests;
