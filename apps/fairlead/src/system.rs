//! The real clock and the real source of ids.

use std::fs;
use std::net::SocketAddr;
use std::process;

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

/// Names this process to operators and to the others. In containers all have the same number and listen alike, so the
/// machine's name tells them apart.
pub(crate) fn process_name(address: SocketAddr) -> String {
    let process = process::id();
    match host_name() {
        Some(host) => format!("process {process} of {host} at {address}"),
        None => format!("process {process} at {address}"),
    }
}

/// The name of the machine or the container, where the system tells it.
fn host_name() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
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
