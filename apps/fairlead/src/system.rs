//! The real clock and the real source of ids.

use fairlead_domain::clock::{Clock, Ids};
use time::OffsetDateTime;
use uuid::Uuid;

/// The machine's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is what the `Clock` port asks")]
    fn now(&self) -> OffsetDateTime {
        let now = OffsetDateTime::now_utc();
        // PostgreSQL keeps microseconds: what is read back equals what was written.
        now.replace_microsecond(now.microsecond()).unwrap_or(now)
    }
}

/// `UUIDv7` from the machine's clock and its random source.
#[derive(Clone, Copy, Debug)]
pub struct SystemIds;

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "this is what the `Ids` port asks")]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_tells_whole_microseconds() {
        for _ in 0..100 {
            assert_eq!(SystemClock.now().nanosecond() % 1000, 0);
        }
    }

    #[test]
    fn ids_follow_time() {
        let ids: Vec<Uuid> = (0..1000).map(|_| SystemIds.next()).collect();

        assert!(ids.is_sorted());
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
    }
}
