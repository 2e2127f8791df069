use std::time::Duration;

use super::{Limit, LimitKey};
use crate::billing::Plan;

/// So many requests at once; they come back one by one, all of them within a window.
///
/// This is the generic cell rate algorithm (ITU-T I.371, annex A). Of each key nothing is kept but the moment at which its
/// requests will all have come back, its *theoretical arrival time*: each request moves it on by the time that one takes
/// to come back, and one that would move it further ahead than the window is refused. A moment is a number of nanoseconds
/// since whenever the caller counts from; one that is past owes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    requests: u32,
    interval: u64,
}

/// The quota is used up; the next request comes back after this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSoon(pub Duration);

impl Quota {
    /// Allows `requests` within `window`; `None` when they are none, or come back faster than can be told.
    pub fn new(requests: u32, window: Duration) -> Option<Self> {
        let interval = nanos(window).checked_div(requests.into())?;
        let is_sound = interval > 0 && interval.checked_mul(2 * u64::from(requests)).is_some();
        is_sound.then_some(Self { requests, interval })
    }

    pub const fn requests(self) -> u32 {
        self.requests
    }

    /// After how long one request comes back.
    pub const fn interval(self) -> Duration {
        Duration::from_nanos(self.interval)
    }

    /// After how long all have come back.
    pub const fn window(self) -> Duration {
        Duration::from_nanos(self.window_nanos())
    }

    /// Lets one request pass: returns how its key's moment moves.
    ///
    /// # Errors
    ///
    /// When as many are out as may be.
    #[inline]
    pub fn admit(self, moment: u64, now: u64) -> Result<u64, TooSoon> {
        let moved = moment.max(now).saturating_add(self.interval);
        let latest = now.saturating_add(self.window_nanos());
        if moved > latest {
            Err(TooSoon(Duration::from_nanos(moved - latest)))
        } else {
            Ok(moved)
        }
    }

    /// Takes the last request back, as if it had not been made.
    #[inline]
    pub const fn give_back(self, moment: u64) -> u64 {
        moment.saturating_sub(self.interval)
    }

    /// How many requests would pass now.
    #[inline]
    pub fn remaining(self, moment: u64, now: u64) -> u32 {
        let owed = moment.saturating_sub(now);
        let out = owed.div_ceil(self.interval);
        self.requests
            .saturating_sub(u32::try_from(out).unwrap_or(u32::MAX))
    }

    const fn window_nanos(self) -> u64 {
        self.interval * self.requests as u64
    }
}

/// The quota of each limit, for each plan that a tenant may have.
///
/// [`Quotas::of`] is the one place where a plan says how much there is, on the path of each request; the plan comes with the
/// key. Whoever is no tenant has the quotas of the first plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quotas([[Option<Quota>; Limit::COUNT]; Plan::ALL.len()]);

impl Quotas {
    /// Asks for the quota of each limit, which is the same for all plans; `None`: it is not limited.
    pub fn new(of: impl Fn(Limit) -> Option<Quota>) -> Self {
        Self::by_plan(|_, limit| of(limit))
    }

    /// Asks for the quota of each limit for each plan.
    pub fn by_plan(of: impl Fn(Plan, Limit) -> Option<Quota>) -> Self {
        Self(Plan::ALL.map(|plan| Limit::ALL.map(|limit| of(plan, limit))))
    }

    #[inline]
    pub const fn of(&self, key: &LimitKey) -> Option<Quota> {
        self.of_plan(key.plan(), key.limit())
    }

    #[inline]
    pub const fn of_plan(&self, plan: Plan, limit: Limit) -> Option<Quota> {
        self.0[plan as usize][limit.index()]
    }

    /// Whether it matters which plan a tenant has.
    pub fn differ(&self) -> bool {
        self.0.iter().any(|of_plan| *of_plan != self.0[0])
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
