//! How long a leadership is certain.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fairlead_domain::events::Lease;
use rustix::time::{ClockId, clock_gettime};

/// A moment by a clock that goes on while the machine is suspended. `Instant` stands still meanwhile on Linux: whoever
/// wakes would believe for some seconds more that it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(Duration);

impl Moment {
    pub(super) fn now() -> Self {
        #[cfg(target_os = "linux")]
        const CLOCK: ClockId = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        const CLOCK: ClockId = ClockId::Monotonic;
        Self(Duration::try_from(clock_gettime(CLOCK)).expect("no machine has run for less than no time"))
    }
}

/// Held until a moment, which its leader moves on.
#[derive(Debug)]
pub(super) struct PgLease(Mutex<Moment>);

impl PgLease {
    /// One that is not held yet.
    pub(super) fn lapsed() -> Self {
        Self(Mutex::new(Moment(Duration::ZERO)))
    }

    /// It was asked for at `moment`, and the server has heard.
    pub(super) fn extend(&self, moment: Moment, by: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Moment(moment.0 + by);
    }
}

impl Lease for PgLease {
    fn holds(&self) -> bool {
        Moment::now() < *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_held_for_its_time_from_when_it_was_asked_for() {
        let lease = PgLease::lapsed();
        assert!(!lease.holds());

        let asked_at = Moment::now();
        lease.extend(asked_at, Duration::from_mins(1));
        assert!(lease.holds());
        // As after a minute in which the machine was suspended.
        lease.extend(
            Moment(asked_at.0.saturating_sub(Duration::from_mins(1))),
            Duration::from_mins(1),
        );
        assert!(!lease.holds());
    }

    /// The clock of the machine, and not that of its waking hours.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_clock_counts_since_the_machine_was_started() {
        let uptime = std::fs::read_to_string("/proc/uptime").unwrap();
        let uptime: f64 = uptime.split(' ').next().unwrap().parse().unwrap();

        let Moment(now) = Moment::now();

        assert!((now.as_secs_f64() - uptime).abs() < 1.0, "{now:?}, {uptime} s");
    }
}
