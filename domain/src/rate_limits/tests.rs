use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::Id;
use crate::billing::Plan;

/// Requests that are out, by when each comes back: what the algorithm keeps in one number.
#[derive(Debug, Default)]
struct Model {
    returns: Vec<u64>,
}

impl Model {
    fn out(&self, now: u64) -> usize {
        self.returns.iter().filter(|returns| **returns > now).count()
    }

    fn admit(&mut self, quota: Quota, now: u64) -> bool {
        if self.out(now) >= quota.requests() as usize {
            return false;
        }
        // They come back one after the other.
        let last = self.returns.last().copied().unwrap_or(0);
        self.returns.push(last.max(now) + interval(quota));
        true
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Ask,
    GiveBack,
    Wait(u64),
}

fn interval(quota: Quota) -> u64 {
    u64::try_from(quota.interval().as_nanos()).unwrap()
}

fn quota() -> impl Strategy<Value = Quota> {
    let window = 1u64..20;
    (1u32..12, window).prop_map(|(requests, window)| {
        Quota::new(requests, Duration::from_nanos(u64::from(requests) * window)).unwrap()
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => Just(Step::Ask),
        1 => Just(Step::GiveBack),
        3 => (0u64..40).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn one_moment_decides_as_a_list_of_all_requests_does(quota in quota(), steps in steps()) {
        let (mut model, mut moment, mut now) = (Model::default(), 0, 1_000);
        for step in steps {
            match step {
                Step::Wait(time) => now += time,
                Step::GiveBack => {
                    // What has come back cannot be given back.
                    if model.returns.last().is_some_and(|returns| *returns > now) {
                        model.returns.pop();
                        moment = quota.give_back(moment);
                    }
                }
                Step::Ask => {
                    let admitted = quota.admit(moment, now);
                    prop_assert_eq!(admitted.is_ok(), model.admit(quota, now));
                    moment = admitted.unwrap_or(moment);
                }
            }
            let out = u32::try_from(model.out(now)).unwrap();
            prop_assert_eq!(quota.remaining(moment, now), quota.requests().saturating_sub(out));
        }
    }

    #[test]
    fn no_time_lets_more_pass_than_the_quota_and_what_came_back_in_it(
        quota in quota(),
        waits in proptest::collection::vec(0u64..10, 1..300),
    ) {
        let (mut moment, mut now, mut admitted) = (0, 1_000, Vec::new());
        for wait in waits {
            now += wait;
            if let Ok(moved) = quota.admit(moment, now) {
                moment = moved;
                admitted.push(now);
            }
        }
        for (first, from) in admitted.iter().enumerate() {
            for (last, to) in admitted.iter().enumerate().skip(first) {
                let passed = u64::try_from(last - first + 1).unwrap();
                let came_back = (to - from) / interval(quota);
                prop_assert!(passed <= u64::from(quota.requests()) + came_back);
            }
        }
    }

    #[test]
    fn whoever_waits_as_long_as_it_is_told_passes(quota in quota(), before in 0usize..30) {
        let (mut moment, mut now) = (0, 1_000);
        for _ in 0..before {
            moment = quota.admit(moment, now).unwrap_or(moment);
        }
        if let Err(TooSoon(wait)) = quota.admit(moment, now) {
            let wait = u64::try_from(wait.as_nanos()).unwrap();
            prop_assert!(quota.admit(moment, now + wait - 1).is_err());
            now += wait;
        }
        prop_assert!(quota.admit(moment, now).is_ok());
    }
}

#[test]
fn a_quota_that_is_none_or_too_fast_is_no_quota() {
    assert_eq!(Quota::new(0, Duration::from_secs(1)), None);
    assert_eq!(Quota::new(5, Duration::ZERO), None);
    assert_eq!(Quota::new(5, Duration::from_nanos(4)), None);
    let fastest = Quota::new(1_000_000_000, Duration::from_secs(1)).unwrap();
    assert_eq!(fastest.interval(), Duration::from_nanos(1));
    let longest = Quota::new(1, Duration::from_hours(24 * 366 * 100)).unwrap();
    assert_eq!(longest.admit(0, 5), Ok(5 + interval(longest)));
}

#[test]
fn each_limit_stands_at_its_index_under_a_name_of_its_own() {
    for (index, limit) in Limit::ALL.into_iter().enumerate() {
        assert_eq!(limit.index(), index);
        let same = Limit::ALL.iter().filter(|other| other.name() == limit.name());
        assert_eq!(same.count(), 1, "{limit:?}");
    }
}

#[test]
fn the_quota_of_a_limit_is_that_of_all_its_keys() {
    let quotas = Quotas::new(|limit| {
        let requests = u32::try_from(limit.index()).unwrap();
        Quota::new(requests, Duration::from_mins(1))
    });

    assert_eq!(quotas.of(&address("192.0.2.1")), None);
    let key = LimitKey::api_key(Id::from_uuid(Uuid::from_u128(7)));
    assert_eq!(quotas.of(&key).unwrap().requests(), 3);
}

#[test]
fn a_plan_has_quotas_of_its_own_and_changes_nothing_of_what_is_counted() {
    let of = |plan: Plan, limit: Limit| {
        let requests = match (plan, limit) {
            (Plan::Business, Limit::ApiKey) => 50,
            _ => 10,
        };
        Quota::new(requests, Duration::from_mins(1))
    };
    let quotas = Quotas::by_plan(of);
    let key = LimitKey::api_key(Id::from_uuid(Uuid::from_u128(7)));
    let of_plan = |plan| quotas.of(&key.under(plan)).unwrap().requests();

    assert_eq!(Plan::ALL.map(of_plan), [10, 10, 50]);
    assert!(quotas.differ() && !Quotas::new(|limit| of(Plan::Free, limit)).differ());
    let (state, paid) = (RandomState::new(), key.under(Plan::Business));
    assert_eq!((key, state.hash_one(key)), (paid, state.hash_one(paid)));
}

fn address(text: &str) -> LimitKey {
    LimitKey::address(text.parse::<IpAddr>().unwrap())
}

#[test]
fn addresses_of_one_network_of_ipv6_are_one_and_others_are_not() {
    assert_eq!(address("2001:db8:1:2::1"), address("2001:db8:1:2:ffff::9"));
    assert_ne!(address("2001:db8:1:2::1"), address("2001:db8:1:3::1"));
    assert_ne!(address("192.0.2.1"), address("192.0.2.2"));
    assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
    assert_ne!(address("192.0.2.1"), address("::1"));
}

#[test]
fn keys_of_different_limits_are_told_apart() {
    let (one, state) = ("192.0.2.1".parse().unwrap(), RandomState::new());
    let keys = [
        LimitKey::address(one),
        LimitKey::operator_attempts(one),
        LimitKey::operation_of_strangers(LimitedOperation::LogIn, one),
        LimitKey::operation_of_strangers(LimitedOperation::SignUp, one),
    ];

    for (place, key) in keys.iter().enumerate() {
        for other in &keys[place + 1..] {
            assert_ne!(state.hash_one(key), state.hash_one(other), "{key:?} {other:?}");
        }
    }
}

#[test]
fn the_tightest_limit_is_the_one_of_which_the_least_share_is_left() {
    let standing = |requests, remaining| Standing {
        limit: Limit::Tenant,
        quota: Quota::new(requests, Duration::from_mins(1)).unwrap(),
        remaining,
        reset: Duration::ZERO,
    };

    assert!(standing(1_000, 10).is_tighter_than(&standing(10, 1)));
    assert!(!standing(10, 1).is_tighter_than(&standing(1_000, 10)));
    assert!(!standing(10, 5).is_tighter_than(&standing(1_000, 500)));
}
