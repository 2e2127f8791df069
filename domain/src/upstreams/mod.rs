//! Services of others that this installation was configured to call, and how calls to them are kept from taking it down.
//!
//! Each has a circuit breaker: after a number of failures within a time it opens, and calls are refused at once instead of
//! waited for; after a while one call at a time finds out whether the service is back. Whoever calls has another answer for
//! the time being, and says so.

mod fault;
mod model;
mod port;
mod sharing;

pub use fault::UpstreamFault;
pub use model::{BreakerState, Hold, LastFault, Times, UpstreamReport};
pub use port::Upstreams;
pub use sharing::{BoardUnavailable, BreakerBoard, BreakerNews, BreakerSharing, Numbered, Posted, ProbeTurn};
