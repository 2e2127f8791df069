//! Up to where a load must read.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fairlead_domain::consistency::{Consistency, LogPosition};
use fairlead_domain::identity::TenantId;

use tokio::time::timeout;

use crate::cache::Inner;
use crate::generations::Snapshot;

/// A replica that is further behind is out of the rotation long before.
const FLOOR_MATTERS_FOR: Duration = Duration::from_mins(1);
/// Tenants of which something is known that is not of all; of more, it is taken to be.
const TENANTS: usize = 1 << 12;

/// How long the primary may take to tell how far it has come.
const PATIENCE: Duration = Duration::from_secs(2);

/// A position from after the start of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Floor {
    position: LogPosition,
    learnt: Instant,
}

/// What is known of commits that nobody can name.
#[derive(Clone, Copy, Debug)]
enum Bound {
    /// Something was committed before this, and nobody knows where: loads read all there is.
    Unknown { since: Instant },
    /// It lies below.
    Floor(Floor),
}

/// What is known of commits that nobody can name: of those of any tenant, and of those whose tenant is known.
#[derive(Debug)]
pub(crate) struct Floors {
    all: Bound,
    tenants: HashMap<TenantId, Bound>,
}

/// What a load must see, and what its answer may tell of the floor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Required {
    pub(crate) consistency: Consistency,
    /// Set when the load reads all there is, because there is no floor.
    began: Option<Instant>,
}

impl Bound {
    fn unknown() -> Self {
        Self::Unknown {
            since: Instant::now(),
        }
    }

    fn floor(self) -> Option<Floor> {
        match self {
            Self::Unknown { .. } => None,
            Self::Floor(floor) => Some(floor),
        }
    }

    /// Takes note of what a load saw that `began` then, if it read all there is.
    fn learn(&mut self, as_of: LogPosition, began: Option<Instant>, sight_lag: Duration) {
        let is_news = match self {
            // It has seen the commit that nobody can name, if it has read the primary. What it says of that may be
            // somewhat older: only when that is younger than the commit, too, it bounds it.
            Self::Unknown { since } => began.is_some_and(|began| began >= *since + sight_lag),
            // After a failover no node reaches positions of the old timeline any more.
            Self::Floor(floor) => floor.position.timeline < as_of.timeline,
        };
        if is_news {
            *self = Self::Floor(Floor {
                position: as_of,
                learnt: Instant::now(),
            });
        }
    }
}

impl Default for Floors {
    /// Of a process that starts: what was committed before is none of its tags' business, and may be anywhere.
    fn default() -> Self {
        Self {
            all: Bound::unknown(),
            tenants: HashMap::new(),
        }
    }
}

impl Floors {
    /// `None`: what was committed may be anywhere.
    fn of(&self, tenant: TenantId) -> Option<Floor> {
        let of_all = self.all.floor()?;
        match self.tenants.get(&tenant) {
            None => Some(of_all),
            Some(own) => Some(of_all.or_later(own.floor()?)),
        }
    }

    /// Something was committed in a tenant, and nobody knows where.
    fn forget(&mut self, tenant: TenantId) {
        if self.tenants.len() >= TENANTS {
            self.tenants
                .retain(|_, own| own.floor().is_none_or(|floor| !floor.is_over()));
        }
        if self.tenants.len() >= TENANTS {
            *self = Self::default();
            return;
        }
        self.tenants.insert(tenant, Bound::unknown());
    }
}

impl Floor {
    fn is_over(self) -> bool {
        self.learnt.elapsed() >= FLOOR_MATTERS_FOR
    }

    fn position(self) -> LogPosition {
        if self.is_over() {
            LogPosition::UNKNOWN
        } else {
            self.position
        }
    }

    /// The one that asks for more.
    fn or_later(self, other: Self) -> Self {
        let position = other.position();
        if position != LogPosition::UNKNOWN && self.position().latest(position) == position {
            other
        } else {
            self
        }
    }

    /// What a load must see of tags that were bumped by a commit at `fence`. One of a timeline that is over asks for
    /// nothing any more: what was kept of it every node of this timeline has, and no node can say so.
    fn raised_to(self, fence: LogPosition) -> LogPosition {
        if fence.timeline < self.position.timeline {
            self.position()
        } else {
            self.position().latest(fence)
        }
    }

    /// The same of what a caller asks.
    fn left_of(self, asked: Consistency) -> Consistency {
        match asked {
            Consistency::AtLeast(token) if token.timeline < self.position.timeline => Consistency::Eventual,
            asked => asked,
        }
    }
}

impl Inner {
    /// What a load of a tenant must see: what the caller asks, and what bumped the tags of `snapshot`.
    pub(crate) fn required(
        &self,
        tenant: TenantId,
        consistency: Consistency,
        snapshot: &Snapshot,
    ) -> Required {
        match self.floors().of(tenant) {
            None => Required {
                consistency: Consistency::Strong,
                began: Some(Instant::now()),
            },
            Some(floor) => Required {
                consistency: floor
                    .left_of(consistency)
                    .raised_to(floor.raised_to(self.generations.fence(snapshot))),
                began: None,
            },
        }
    }

    /// The same of tags that another process bumped: what was required, and `fence`.
    pub(crate) fn required_of_others(&self, required: Consistency, fence: LogPosition) -> Consistency {
        let floor = self.floors().all.floor();
        required.raised_to(floor.map_or(fence, |floor| floor.raised_to(fence)))
    }

    /// Takes note of what a load of a tenant saw.
    pub(crate) fn note_seen(&self, tenant: TenantId, required: Required, as_of: LogPosition) {
        if as_of == LogPosition::UNKNOWN || !self.is_of_timeline(as_of) {
            return;
        }
        let (began, sight_lag) = (required.began, self.settings.sight_lag);
        let mut floors = self.floors();
        floors.all.learn(as_of, began, sight_lag);
        if let Some(own) = floors.tenants.get_mut(&tenant) {
            own.learn(as_of, began, sight_lag);
        }
    }

    /// Up to where a load sees everything that was committed before; unknown when the primary does not tell. `None` when
    /// there is nobody to ask.
    pub(crate) async fn log_end(&self) -> Option<LogPosition> {
        let log = self.log_end.get()?;
        let end = timeout(PATIENCE, log.log_end()).await;
        Some(end.ok().and_then(Result::ok).unwrap_or(LogPosition::UNKNOWN))
    }

    /// What is loaded next sees at least `position`; all there is when that is unknown.
    pub(crate) fn take_floor(&self, position: Option<LogPosition>) {
        match position {
            Some(LogPosition::UNKNOWN) => *self.floors() = Floors::default(),
            Some(position) => self.raise_floor(position),
            None => {}
        }
    }

    /// What is loaded next sees at least `position`.
    fn raise_floor(&self, position: LogPosition) {
        if let Bound::Floor(known) = &mut self.floors().all {
            *known = Floor {
                position: known.position.latest(position),
                learnt: Instant::now(),
            };
        }
    }

    /// Something was committed in a tenant, and nobody knows where: what is loaded next of it reads all there is.
    pub(crate) fn forget_floor_of(&self, tenant: TenantId) {
        self.floors().forget(tenant);
    }

    pub(crate) fn floors(&self) -> MutexGuard<'_, Floors> {
        self.floors.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floor(learnt_ago: Duration) -> Floor {
        Floor {
            position: LogPosition::new(2, 500),
            learnt: Instant::now()
                .checked_sub(learnt_ago)
                .expect("the machine runs for longer"),
        }
    }

    #[test]
    fn what_was_bumped_before_a_failover_asks_no_more_than_the_floor() {
        let of_old_timeline = LogPosition::new(1, 900);

        assert_eq!(
            floor(Duration::ZERO).raised_to(of_old_timeline),
            LogPosition::new(2, 500)
        );
        let later = floor(FLOOR_MATTERS_FOR).raised_to(of_old_timeline);
        assert_eq!(later, LogPosition::UNKNOWN, "replicas are read again");
    }

    #[test]
    fn a_token_of_before_a_failover_asks_no_more_than_the_floor() {
        let asked = |position| floor(Duration::ZERO).left_of(Consistency::AtLeast(position));

        assert_eq!(asked(LogPosition::new(1, 900)), Consistency::Eventual);
        let of_this = LogPosition::new(2, 900);
        assert_eq!(asked(of_this), Consistency::AtLeast(of_this));
        assert_eq!(
            floor(Duration::ZERO).left_of(Consistency::Strong),
            Consistency::Strong
        );
    }

    #[test]
    fn what_is_in_doubt_in_a_tenant_is_so_there_until_a_load_that_began_later_has_seen_it() {
        let tenant = |number: u128| TenantId::from_uuid(uuid::Uuid::from_u128(number));
        let mut floors = Floors {
            all: Bound::Floor(floor(Duration::ZERO)),
            tenants: HashMap::new(),
        };
        let before = Instant::now();

        floors.forget(tenant(1));
        assert!(floors.of(tenant(1)).is_none());
        assert!(floors.of(tenant(2)).is_some());

        let seen = LogPosition::new(2, 700);
        let own = floors.tenants.get_mut(&tenant(1)).unwrap();
        own.learn(seen, None, Duration::ZERO);
        own.learn(seen, Some(before), Duration::from_secs(1));
        assert!(own.floor().is_none(), "it may have seen what was before");
        own.learn(seen, Some(Instant::now()), Duration::ZERO);
        assert_eq!(floors.of(tenant(1)).map(Floor::position), Some(seen));
        let of_others = floors.of(tenant(2)).map(Floor::position);
        assert_eq!(of_others, Some(LogPosition::new(2, 500)));
    }

    #[test]
    fn what_is_in_doubt_in_too_many_tenants_is_so_in_all() {
        let tenant = |number: usize| TenantId::from_uuid(uuid::Uuid::from_u128(number as u128));
        let mut floors = Floors {
            all: Bound::Floor(floor(Duration::ZERO)),
            tenants: HashMap::new(),
        };
        let over = Bound::Floor(floor(FLOOR_MATTERS_FOR));
        floors
            .tenants
            .extend((0..TENANTS).map(|number| (tenant(number), over)));

        for number in 0..TENANTS {
            floors.forget(tenant(number));
        }
        assert!(floors.of(tenant(TENANTS)).is_some(), "there was room for all");
        floors.forget(tenant(TENANTS));

        assert!(floors.of(tenant(TENANTS + 1)).is_none());
        assert!(floors.tenants.is_empty());
    }

    #[test]
    fn what_was_bumped_since_is_asked_for_however_old_the_floor_is() {
        for learnt_ago in [Duration::ZERO, FLOOR_MATTERS_FOR] {
            let bumped = LogPosition::new(2, 600);
            assert_eq!(floor(learnt_ago).raised_to(bumped), bumped);
        }
    }
}
