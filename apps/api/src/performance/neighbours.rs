//! What tenants have taken by route lately, to find who slows others down.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fairlead_domain::identity::TenantId;
use fairlead_domain::performance::LatencySketch;
use fairlead_domain::performance::noisy::{self, Usage};
use time::OffsetDateTime;

use crate::middleware::RouteUse;
use crate::units::milliseconds;

/// The younger half of these intervals is compared with the older one.
const INTERVALS: usize = 10;
/// Routes of tenants that are kept of an interval: those that took most of the database.
const MOST: usize = 1_000;

/// The last intervals. All clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Neighbours(Arc<Mutex<VecDeque<Taken>>>);

/// What was taken within an interval.
#[derive(Debug)]
struct Taken {
    began_at: OffsetDateTime,
    span: Duration,
    routes: Vec<(TenantId, String, Stored)>,
}

/// A sketch as it is written down, which takes some tens of bytes instead of 3 KiB.
#[derive(Debug)]
struct Stored {
    times: Vec<u8>,
    database: Duration,
}

/// Two halves of the last intervals, as they can be compared.
#[derive(Clone, Debug)]
pub(crate) struct Compared {
    pub(crate) since: OffsetDateTime,
    pub(crate) span: Duration,
    pub(crate) usage: Usage,
}

#[derive(Default)]
struct Sum {
    times: LatencySketch,
    database: Duration,
}

impl Neighbours {
    /// Takes note of an interval that is over.
    pub(super) fn push(
        &self,
        began_at: OffsetDateTime,
        span: Duration,
        mut routes: Vec<(TenantId, RouteUse)>,
    ) {
        if routes.len() > MOST {
            routes.select_nth_unstable_by(MOST, |(_, one), (_, other)| other.database.cmp(&one.database));
            routes.truncate(MOST);
        }
        let routes = routes.into_iter().map(|(tenant, of)| {
            let stored = Stored {
                times: of.times.to_bytes(),
                database: of.database,
            };
            (tenant, format!("{} {}", of.method, of.route), stored)
        });
        let taken = Taken {
            began_at,
            span,
            routes: routes.collect(),
        };
        let mut intervals = self.lock();
        intervals.push_back(taken);
        while intervals.len() > INTERVALS {
            intervals.pop_front();
        }
    }

    /// `None`: fewer than two intervals are over.
    pub(crate) fn compare(&self) -> Option<Compared> {
        let intervals = self.lock();
        let half = intervals.len() / 2;
        if half == 0 {
            return None;
        }
        let (younger, older) = (intervals.len() - half, intervals.len() - 2 * half);
        Some(Compared {
            since: intervals[younger].began_at,
            span: intervals.range(younger..).map(|taken| taken.span).sum(),
            usage: Usage {
                tenants: of_tenants(intervals.range(younger..)),
                before: of_tenants(intervals.range(older..younger)),
            },
        })
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Taken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of_tenants<'t>(intervals: impl Iterator<Item = &'t Taken>) -> Vec<noisy::TenantUse> {
    let mut all: BTreeMap<TenantId, BTreeMap<&str, Sum>> = BTreeMap::new();
    for (tenant, route, stored) in intervals.flat_map(|taken| &taken.routes) {
        let sum = all.entry(*tenant).or_default().entry(route).or_default();
        sum.database += stored.database;
        if let Ok(times) = LatencySketch::from_bytes(&stored.times) {
            sum.times.merge(&times);
        }
    }
    let route = |(route, sum): (&str, Sum)| noisy::RouteUse {
        route: route.to_owned(),
        requests: sum.times.count(),
        db_ms: milliseconds(sum.database),
        p95_ms: sum.times.quantile(950).map_or(0.0, milliseconds),
    };
    all.into_iter()
        .map(|(tenant, routes)| noisy::TenantUse {
            tenant,
            routes: routes.into_iter().map(route).collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use fairlead_domain::Id;
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn the_younger_half_of_the_intervals_is_compared_with_the_older() {
        let tenant = Id::from_uuid(Uuid::from_u128(1));
        let began = datetime!(2026-11-23 10:00 UTC);
        let neighbours = Neighbours::default();
        let push = |minute: u32| {
            let mut times = LatencySketch::default();
            for _ in 0..=minute {
                times.note(Duration::from_millis(10));
            }
            let of = RouteUse {
                method: "GET",
                route: "/leads".into(),
                times,
                database: Duration::from_millis(2),
            };
            neighbours.push(
                began + Duration::from_mins(1) * minute,
                Duration::from_mins(1),
                vec![(tenant, of)],
            );
        };
        push(0);
        assert!(neighbours.compare().is_none());
        for minute in 1..=12 {
            push(minute);
        }

        let compared = neighbours.compare().unwrap();

        assert_eq!(
            (compared.since, compared.span),
            (began + Duration::from_mins(8), Duration::from_mins(5))
        );
        let of = |tenants: &[noisy::TenantUse]| {
            let route = &tenants[0].routes[0];
            (route.route.clone(), route.requests, route.db_ms)
        };
        // Of the minutes from 8 to 12, and of those from 3 to 7.
        assert_eq!(of(&compared.usage.tenants), ("GET /leads".to_owned(), 55, 10.0));
        assert_eq!(of(&compared.usage.before), ("GET /leads".to_owned(), 30, 10.0));
    }
}
