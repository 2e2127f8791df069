use std::fmt::Debug;
use std::time::{Duration, Instant};

use super::{Limit, LimitKey, Quota};

/// Counts requests. It is asked with each of them, often more than once, so it waits for nothing and allocates nothing.
pub trait RateLimiter: Debug + Send + Sync {
    /// Lets one request pass that came at `at`, if there is one left.
    fn take(&self, key: LimitKey, at: Instant) -> Verdict;

    /// Takes a request back that has passed: it costs nothing after all.
    fn give_back(&self, key: LimitKey);

    /// How a key stands, without a request; `None`: it is not limited.
    fn standing(&self, key: LimitKey, at: Instant) -> Option<Standing>;

    fn report(&self) -> RateLimitReport;
}

/// Whether a request may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is counted.
    Unlimited,
    Admitted(Standing),
    Refused {
        standing: Standing,
        /// When one may pass.
        after: Duration,
    },
}

/// How much of a limit is left to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub limit: Limit,
    pub quota: Quota,
    pub remaining: u32,
    /// After how long the whole quota is there again.
    pub reset: Duration,
}

impl Standing {
    /// Whether less is left of this than of another, in proportion.
    pub fn is_tighter_than(&self, other: &Self) -> bool {
        let share = |of: &Self, by: &Self| u64::from(of.remaining) * u64::from(by.quota.requests());
        share(self, other) < share(other, self)
    }
}

/// What a limiter has done since it began.
#[derive(Clone, Debug)]
pub struct RateLimitReport {
    /// Requests that did not pass, by [`Limit::index`].
    pub refused: [u64; Limit::COUNT],
    /// Keys that have used anything up, as of now.
    pub keys: usize,
    /// How many there may be at once.
    pub capacity: usize,
    /// Keys that were forgotten, although something was used up, because there were too many.
    pub forgotten: u64,
    /// `None`: limits are not shared between processes.
    pub sharing: Option<SharingReport>,
}

/// How limits are shared between processes.
#[derive(Clone, Copy, Debug)]
pub struct SharingReport {
    /// Whether Redis answers. If not, each process counts by itself.
    pub is_up: bool,
    /// How often what was used up was told, and what others have used up learnt.
    pub settled: u64,
    pub failed: u64,
}
