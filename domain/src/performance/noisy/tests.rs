use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::Id;
use crate::identity::TenantId;

fn tenant(number: u128) -> TenantId {
    Id::from_uuid(Uuid::from_u128(number))
}

/// A tenant that lists leads, and searches for some.
fn uses(number: u128, requests: u64, db_ms: f64, p95_ms: f64) -> TenantUse {
    let route = |route: &str, share: u64| RouteUse {
        route: route.to_owned(),
        requests: requests / share,
        db_ms: db_ms / if share == 1 { 1.25 } else { 5.0 },
        p95_ms,
    };
    TenantUse {
        tenant: tenant(number),
        routes: vec![route("GET /leads", 1), route("GET /leads/search", 4)],
    }
}

/// Five tenants that ask a thousand times each, and take a second.
fn quiet() -> Vec<TenantUse> {
    (1..=5).map(|number| uses(number, 1_000, 1_000.0, 20.0)).collect()
}

fn find(tenants: Vec<TenantUse>) -> Vec<NoisyNeighbour> {
    let usage = Usage {
        tenants,
        before: quiet(),
    };
    noisy_neighbours(&usage, &Bounds::default())
}

#[test]
fn a_noisy_neighbour_is_named_with_its_route_and_its_victims() {
    let mut now = quiet();
    now[2] = uses(3, 20_000, 30_000.0, 200.0);
    now[0] = uses(1, 1_000, 1_500.0, 90.0);
    now[4] = uses(5, 1_000, 1_500.0, 60.0);

    let found = find(now);

    let [noisy] = &found[..] else { panic!("{found:?}") };
    assert_eq!((noisy.tenant, noisy.route.as_str()), (tenant(3), "GET /leads"));
    assert!(noisy.share > 0.8 && noisy.growth == Some(30.0));
    let victims: Vec<TenantId> = noisy.victims.iter().map(|victim| victim.tenant).collect();
    assert_eq!(victims, [tenant(1), tenant(5)]);
    assert_eq!(
        (noisy.victims[0].p95_before_ms, noisy.victims[0].p95_ms),
        (20.0, 90.0)
    );
}

#[test]
fn one_of_two_can_be_noisy() {
    let usage = |noisy: f64, p95| Usage {
        tenants: vec![uses(1, 1_000, noisy, p95), uses(2, 1_000, 1_000.0, p95)],
        before: quiet(),
    };
    let find = |usage| noisy_neighbours(&usage, &Bounds::default()).len();

    // 60 and 80 hundredths of all.
    assert_eq!([find(usage(1_500.0, 90.0)), find(usage(4_000.0, 90.0))], [0, 1]);
}

#[test]
fn who_uses_much_but_harms_nobody_is_not_noisy() {
    let mut now = quiet();
    now[2] = uses(3, 20_000, 30_000.0, 20.0);

    assert_eq!(find(now), []);
}

#[test]
fn who_asks_for_more_is_slower_by_itself() {
    let mut now = quiet();
    now[2] = uses(3, 20_000, 30_000.0, 200.0);
    now[0] = uses(1, 5_000, 5_000.0, 90.0);

    assert_eq!(find(now), []);
}

#[test]
fn what_was_always_so_is_not_found() {
    let mut now = quiet();
    now[2] = uses(3, 20_000, 30_000.0, 200.0);
    now[0].routes[0].p95_ms = 90.0;
    let mut before = quiet();
    before[2] = uses(3, 18_000, 28_000.0, 200.0);

    let usage = Usage { tenants: now, before };

    assert_eq!(noisy_neighbours(&usage, &Bounds::default()), []);
}

#[test]
fn when_all_are_well_nobody_is_noisy() {
    assert_eq!(find(quiet()), []);
    assert_eq!(noisy_neighbours(&Usage::default(), &Bounds::default()), []);
}

proptest! {
    #[test]
    fn nobody_is_its_own_victim_and_victims_are_slower(
        loads in proptest::collection::vec((0_u64..5_000, 0.0_f64..50_000.0, 1.0_f64..500.0), 0..8),
    ) {
        let uses = |((requests, db_ms, p95_ms), number)| uses(number, requests, db_ms, p95_ms);
        let found = find(loads.into_iter().zip(1..).map(uses).collect());

        for noisy in found {
            prop_assert!(noisy.share >= 0.3 && noisy.share <= 1.0 + 1e-9);
            prop_assert!(!noisy.victims.is_empty());
            for victim in &noisy.victims {
                prop_assert!(victim.tenant != noisy.tenant && victim.p95_ms > victim.p95_before_ms);
            }
        }
    }
}
