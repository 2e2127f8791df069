//! What was written lately, by tenant: so that a tenant's reads see its writes, whatever node they go to.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fairlead_domain::consistency::LogPosition;
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::WriteObserver;

/// A replica that is further behind is out of the rotation long before: `database.monitor.max_lag_ms` is at most half. Not
/// while the primary is gone; but then a write that no replica has would keep its tenant from reading at all.
const KEPT_FOR: Duration = Duration::from_mins(1);
/// Writers of different tenants rarely meet at one lock.
const SHARDS: usize = 16;
const TENANTS_PER_SHARD: usize = 4096;

/// The last write of each tenant, kept for a minute, for 65,536 tenants at a time: about 5 MB when full.
///
/// When more tenants than that write within a minute, the one written longest ago is folded into a floor, which all
/// reads are held to while it would have been kept: memory is bounded, and no write is missed.
#[derive(Debug)]
pub struct LastWrites {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    tenants_per_shard: usize,
}

#[derive(Debug, Default)]
struct Shard {
    tenants: HashMap<TenantId, Write>,
    floor: Option<Write>,
}

#[derive(Clone, Copy, Debug)]
struct Write {
    position: LogPosition,
    noted: Instant,
}

impl Default for LastWrites {
    fn default() -> Self {
        Self::with_room_for(TENANTS_PER_SHARD)
    }
}

impl LastWrites {
    fn with_room_for(tenants_per_shard: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            tenants_per_shard,
        }
    }

    /// Returns the position that reads in `tenant` must see; [`LogPosition::UNKNOWN`] when nothing was written lately.
    pub(crate) fn of(&self, tenant: TenantId) -> LogPosition {
        let now = Instant::now();
        let shard = self.shard(tenant);
        let of_tenant = shard.tenants.get(&tenant).copied();
        [of_tenant, shard.floor]
            .into_iter()
            .flatten()
            .filter(|write| !write.is_over(now))
            .fold(LogPosition::UNKNOWN, |position, write| {
                position.latest(write.position)
            })
    }

    /// Holds all reads to a position for as long as a write is kept: what tenants wrote before is not known here, and it lies
    /// below. For a process that starts, and one that was cut off from the primary.
    pub(super) fn note_all_before(&self, position: LogPosition) {
        let now = Instant::now();
        let write = Write { position, noted: now };
        for shard in &self.shards {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            shard.floor = Some(write.over(shard.floor, now));
        }
    }

    fn note(&self, tenant: TenantId, position: LogPosition, now: Instant) {
        let mut shard = self.shard(tenant);
        if let Some(known) = shard.tenants.get_mut(&tenant) {
            // Commits of one tenant may be told in another order than they were made.
            if known.is_over(now) || known.position.latest(position) == position {
                *known = Write { position, noted: now };
            }
            return;
        }
        if shard.tenants.len() >= self.tenants_per_shard {
            shard.make_room(now);
        }
        shard.tenants.insert(tenant, Write { position, noted: now });
    }

    fn shard(&self, tenant: TenantId) -> MutexGuard<'_, Shard> {
        let hash = self.hasher.hash_one(tenant);
        let index = usize::try_from(hash % SHARDS as u64).unwrap_or_default();
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WriteObserver for LastWrites {
    fn note_write(&self, tenant: TenantId, position: LogPosition) {
        self.note(tenant, position, Instant::now());
    }
}

impl Shard {
    /// Forgets what is over; when nothing is, the quarter that was written longest ago goes into the floor, so that the
    /// work of looking for it is shared by many writes.
    fn make_room(&mut self, now: Instant) {
        let full = self.tenants.len();
        self.tenants.retain(|_, write| !write.is_over(now));
        if self.tenants.len() < full {
            return;
        }
        let mut noted: Vec<Instant> = self.tenants.values().map(|write| write.noted).collect();
        noted.sort_unstable();
        let oldest = noted[full / 4];
        let mut floor = self.floor;
        self.tenants.retain(|_, write| {
            let stays = write.noted > oldest;
            if !stays {
                floor = Some(write.over(floor, now));
            }
            stays
        });
        self.floor = floor;
    }
}

impl Write {
    fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.noted) >= KEPT_FOR
    }

    /// A floor that holds for this one, too.
    fn over(self, floor: Option<Self>, now: Instant) -> Self {
        match floor {
            Some(floor) if !floor.is_over(now) => Self {
                position: self.position.latest(floor.position),
                noted: self.noted.max(floor.noted),
            },
            _ => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use fairlead_domain::Id;
    use uuid::Uuid;

    use super::*;

    fn tenant(number: u128) -> TenantId {
        Id::from_uuid(Uuid::from_u128(number))
    }

    fn at(lsn: u64) -> LogPosition {
        LogPosition::new(1, lsn)
    }

    #[test]
    fn a_tenant_sees_its_last_write_and_not_that_of_others() {
        let writes = LastWrites::default();

        writes.note_write(tenant(1), at(20));
        writes.note_write(tenant(1), at(10));

        assert_eq!(writes.of(tenant(1)), at(20));
        assert_eq!(writes.of(tenant(2)), LogPosition::UNKNOWN);
    }

    #[test]
    fn a_write_is_forgotten_after_a_minute() {
        let writes = LastWrites::default();
        let long_ago = Instant::now().checked_sub(KEPT_FOR).unwrap();

        writes.note(tenant(1), at(20), long_ago);
        assert_eq!(writes.of(tenant(1)), LogPosition::UNKNOWN);

        // A new one counts even if it is lower: after a failover positions start again.
        writes.note_write(tenant(1), at(10));
        assert_eq!(writes.of(tenant(1)), at(10));
    }

    #[test]
    fn all_tenants_see_what_was_there_when_the_primary_came_into_sight() {
        let writes = LastWrites::default();

        writes.note_all_before(at(20));
        writes.note_write(tenant(1), at(30));
        // Told late, of before.
        writes.note_write(tenant(2), at(10));

        assert_eq!(writes.of(tenant(1)), at(30));
        assert_eq!(writes.of(tenant(2)), at(20));
        assert_eq!(writes.of(tenant(3)), at(20));
    }

    #[test]
    fn with_more_tenants_than_there_is_room_for_no_write_is_missed() {
        let writes = LastWrites::with_room_for(8);

        for number in 1..=10_000_u64 {
            writes.note_write(tenant(number.into()), at(number));
        }

        let kept: usize = writes
            .shards
            .iter()
            .map(|shard| shard.lock().unwrap().tenants.len())
            .sum();
        assert!(kept <= 8 * SHARDS, "{kept}");
        for number in 1..=10_000_u64 {
            assert!(writes.of(tenant(number.into())).covers(at(number)), "{number}");
        }
    }
}
