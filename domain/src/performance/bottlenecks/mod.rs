//! What holds requests up, why, and how much of their time it takes.
//!
//! A route is slow because of a part of its time, and that part because of something else: a request waits for a connection
//! because another holds it, which waits for a lock. So the [`Evidence`] of a period is added up by *root*: the time of each
//! route is followed down its [`Chain`] to the cause that would have to go for the time to go, and each millisecond is given
//! to one cause alone. What takes much of all time, or most of a slow route's, is a [`Bottleneck`], with what it costs and
//! what to do about it. Backlogs of jobs, and resources that are nearly used up, cost no request its time yet, and are
//! found by themselves.
//!
//! Time that is spent on work that has to be done is no bottleneck: of an installation that is well, nothing is reported.

mod advice;
mod attribution;
mod evidence;
mod find;
mod holders;
mod model;
mod pressure;

pub use evidence::{
    CacheUse, CpuUse, Evidence, LimitUse, LockWait, PoolUse, QueryUse, QueueUse, Resource, RouteTime,
    UpstreamUse,
};
pub use find::find;
pub use model::{Act, Advice, Affected, Bottleneck, Cause, Chain, Fact, Impact, Link};

#[cfg(test)]
mod tests;
