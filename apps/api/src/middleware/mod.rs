//! What happens to every request before and after its handler.
//!
//! One layer does it all, in `edge`: each layer of its own would box another future. From the outside in: the
//! request gets its identity and its deadline; one too many from its address, or too much of it, is refused; a browser
//! that asks what its page may send is told; who asks is established, and one too many of that caller is refused; what is
//! kept in memory is answered; a query that is not to be there is refused; what there is no room for waits or is refused;
//! the handler answers, or is given up when it panics or its time is over; the answer is compressed and gets the headers that all
//! have; it is timed, and one line is logged.

mod admission;
mod client;
mod cors;
mod edge;
mod gate;
pub(crate) mod guard;
mod headers;
mod limits;
mod log;
mod query;
mod slow;
mod tenants;
mod times;

pub(crate) use admission::HEALTH;
pub use client::{ForwardedHeader, TrustedProxies, client_address};
pub(crate) use edge::edge;
pub use slow::SlowRequests;
pub(crate) use slow::{SlowRequest, Spent};
pub use tenants::TenantMeters;
pub(crate) use tenants::{OfTenants, RouteUse, TenantUse};
pub use times::RequestTimes;
pub(crate) use times::{BOUNDS_MS, MOST_CALLS, Series, StatementOfRoute, Times, Waited};

#[cfg(test)]
mod tests;
