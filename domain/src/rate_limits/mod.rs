//! How often clients may ask.
//!
//! A [`Limit`] says what is counted, a [`LimitKey`] whose requests they are, and a [`Quota`] how many there may be: its
//! arithmetic is the generic cell rate algorithm, which keeps one moment per key. [`Quotas`] has the quota of each limit
//! for each plan that a tenant may have. Where moments are kept, and how processes share them, is behind [`RateLimiter`].

mod key;
mod limit;
mod port;
mod quota;

pub use key::{LimitKey, Whose};
pub use limit::{Limit, LimitedOperation};
pub use port::{RateLimitReport, RateLimiter, SharingReport, Standing, Verdict};
pub use quota::{Quota, Quotas, TooSoon};

#[cfg(test)]
mod tests;
