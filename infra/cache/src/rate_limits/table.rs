use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

use fairlead_domain::rate_limits::{LimitKey, Quota, TooSoon};

use super::account::Account;

/// Places side by side: they fill a line of the processor's cache.
const WIDTH: usize = 4;
/// Marks of places that hold no key.
const FREE: u64 = 0;
const CHANGING: u64 = 1;
/// Whoever finds every place of a key changing looks again this often.
const PATIENCE: usize = 64;

/// One moment per key, for as many keys as there are places, without locks.
///
/// A key has eight places, in two rows that its hash names; nobody outside knows by which secret hashes are made, so
/// nobody can choose keys that meet. The hash itself stands for the key: 64 bits of it. When all eight are taken, the one
/// goes that owes least: most owe nothing any more, and are forgotten without anybody's gain.
#[derive(Debug)]
pub(super) struct Table {
    rows: Box<[Row]>,
    /// Of each place, in the order of `rows`; empty where nothing is shared.
    accounts: Box<[Account]>,
    secret: RandomState,
    forgotten: AtomicU64,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Row([Place; WIDTH]);

#[derive(Debug, Default)]
struct Place {
    /// The hash of its key.
    mark: AtomicU64,
    /// See [`Quota`].
    moment: AtomicU64,
}

/// Where a key may be.
#[derive(Clone, Copy, Debug)]
struct Home {
    mark: u64,
    rows: [usize; 2],
}

/// A key that has its place.
#[derive(Clone, Copy)]
struct Held<'t> {
    place: &'t Place,
    number: usize,
}

impl Held<'_> {
    /// Moves the key's moment, if it still is `from`; else returns what it is.
    #[inline]
    fn exchange(self, from: u64, to: u64) -> Result<(), u64> {
        let moment = &self.place.moment;
        let exchanged = moment.compare_exchange_weak(from, to, Ordering::Relaxed, Ordering::Relaxed);
        exchanged.map(drop)
    }
}

/// Whether processes share what they count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accounts {
    Kept,
    None,
}

impl Table {
    /// Has room for `capacity` keys at least.
    pub(super) fn new(capacity: usize, accounts: Accounts) -> Self {
        let rows = capacity.div_ceil(WIDTH).next_power_of_two();
        let accounts = match accounts {
            Accounts::Kept => rows * WIDTH,
            Accounts::None => 0,
        };
        Self {
            rows: (0..rows).map(|_| Row::default()).collect(),
            accounts: (0..accounts).map(|_| Account::default()).collect(),
            secret: RandomState::new(),
            forgotten: AtomicU64::new(0),
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.rows.len() * WIDTH
    }

    /// Lets one request pass; returns how its key's moment has moved, and the key's account where there are any.
    #[inline]
    pub(super) fn take(
        &self,
        key: &LimitKey,
        quota: Quota,
        now: u64,
    ) -> Result<(u64, Option<&Account>), (u64, TooSoon)> {
        let home = self.home(key);
        for _ in 0..PATIENCE {
            let Some(held) = self.find(home).or_else(|| self.claim(home, now)) else {
                continue;
            };
            let mut moment = held.place.moment.load(Ordering::Relaxed);
            // Who is refused writes nothing: a flood does not make threads wait for each other.
            while held.place.mark.load(Ordering::Acquire) == home.mark {
                let moved = quota.admit(moment, now).map_err(|too_soon| (moment, too_soon))?;
                match held.exchange(moment, moved) {
                    Ok(()) => return Ok((moved, self.accounts.get(held.number))),
                    Err(actual) => moment = actual,
                }
            }
        }
        // More threads than places make room here at once: this one request is not counted.
        Ok((now, None))
    }

    /// Lets `change` move the moment of a key that has its place.
    pub(super) fn update(&self, key: &LimitKey, change: impl Fn(u64) -> u64) -> Option<&Account> {
        let home = self.home(key);
        let held = self.find(home)?;
        let mut moment = held.place.moment.load(Ordering::Relaxed);
        while held.place.mark.load(Ordering::Acquire) == home.mark {
            match held.exchange(moment, change(moment)) {
                Ok(()) => return self.accounts.get(held.number),
                Err(actual) => moment = actual,
            }
        }
        None
    }

    /// A key's moment; one that has no place owes nothing.
    pub(super) fn moment(&self, key: &LimitKey) -> u64 {
        let found = self.find(self.home(key));
        found.map_or(0, |held| held.place.moment.load(Ordering::Relaxed))
    }

    pub(super) fn account(&self, key: &LimitKey) -> Option<&Account> {
        self.accounts.get(self.find(self.home(key))?.number)
    }

    /// Leaves untold what is not told yet.
    pub(super) fn forget_accounts(&self) {
        for account in &self.accounts {
            account.settle();
        }
    }

    /// How many keys owe something.
    pub(super) fn owing(&self, now: u64) -> usize {
        let places = self.rows.iter().flat_map(|row| &row.0);
        places
            .filter(|place| place.moment.load(Ordering::Relaxed) > now)
            .count()
    }

    /// How many keys were forgotten although they owed something.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Relaxed)
    }

    #[inline]
    fn home(&self, key: &LimitKey) -> Home {
        let hash = self.secret.hash_one(key);
        let last = self.rows.len() - 1;
        let row = |bits: u64| usize::try_from(bits & u64::from(u32::MAX)).unwrap_or_default() & last;
        let (first, second) = (row(hash), row(hash >> 32));
        Home {
            mark: hash.max(CHANGING + 1),
            rows: [first, second],
        }
    }

    #[inline]
    fn find(&self, home: Home) -> Option<Held<'_>> {
        let is_held = |held: &Held<'_>| held.place.mark.load(Ordering::Acquire) == home.mark;
        self.places(home).find(is_held)
    }

    fn places(&self, home: Home) -> impl Iterator<Item = Held<'_>> {
        home.rows.into_iter().flat_map(|row| {
            let places = self.rows[row].0.iter().enumerate();
            places.map(move |(column, place)| Held {
                place,
                number: row * WIDTH + column,
            })
        })
    }

    /// Takes the place of whoever owes least; `None` when others are faster.
    ///
    /// Two threads may give one key a place each. The first is found from then on; the other is soon owed nothing.
    #[cold]
    fn claim(&self, home: Home, now: u64) -> Option<Held<'_>> {
        let owes = |held: &Held<'_>| match held.place.mark.load(Ordering::Acquire) {
            CHANGING => None,
            FREE => Some((FREE, 0)),
            mark => Some((mark, held.place.moment.load(Ordering::Relaxed))),
        };
        let places = self.places(home).filter_map(|held| Some((held, owes(&held)?)));
        let (held, (mark, moment)) = places.min_by_key(|(_, (_, moment))| *moment)?;
        let place = held.place;
        place
            .mark
            .compare_exchange(mark, CHANGING, Ordering::Acquire, Ordering::Relaxed)
            .ok()?;
        if moment > now {
            self.forgotten.fetch_add(1, Ordering::Relaxed);
        }
        place.moment.store(0, Ordering::Relaxed);
        if let Some(account) = self.accounts.get(held.number) {
            account.open();
        }
        // Seen by others no sooner than what it holds.
        place.mark.store(home.mark, Ordering::Release);
        Some(held)
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;
    use std::thread;
    use std::time::Duration;

    use super::*;

    const NOW: u64 = 1_000_000_000_000;

    fn key(number: u32) -> LimitKey {
        LimitKey::address(IpAddr::V4(Ipv4Addr::from_bits(number)))
    }

    fn quota(requests: u32) -> Quota {
        Quota::new(requests, Duration::from_mins(1)).unwrap()
    }

    #[test]
    fn a_million_keys_take_the_room_of_some_and_whoever_is_limited_stays_so() {
        let table = Table::new(1_024, Accounts::None);
        let limited: Vec<LimitKey> = (0..20).map(key).collect();
        for key in &limited {
            while table.take(key, quota(100), NOW).is_ok() {}
        }

        // Each asks once, and there are so many that all places are taken many times.
        for number in 1_000..1_001_000 {
            table.take(&key(number), quota(100), NOW).unwrap();
        }

        assert_eq!(table.capacity(), 1_024);
        assert!(table.owing(NOW) <= table.capacity());
        for key in &limited {
            assert!(table.take(key, quota(100), NOW).is_err(), "{key:?}");
        }
        // Nobody but those who asked once was forgotten.
        assert!(table.forgotten() >= 1_000_000 - 1_024);
    }

    #[test]
    fn whoever_owes_nothing_any_more_makes_room_first() {
        let table = Table::new(1_024, Accounts::None);
        for number in 0..10_000 {
            table.take(&key(number), quota(1), NOW).unwrap();
        }
        let forgotten = table.forgotten();

        let later = NOW + u64::try_from(Duration::from_mins(2).as_nanos()).unwrap();
        for number in 10_000..10_064 {
            table.take(&key(number), quota(1), later).unwrap();
        }

        assert_eq!(table.forgotten(), forgotten);
        assert_eq!(table.owing(later), 64);
    }

    #[test]
    fn threads_together_get_no_more_than_there_is() {
        let table = Arc::new(Table::new(64, Accounts::None));
        let passed = Arc::new(AtomicU32::new(0));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (table, passed) = (Arc::clone(&table), Arc::clone(&passed));
                thread::spawn(move || {
                    for _ in 0..2_000 {
                        if table.take(&key(1), quota(5_000), NOW).is_ok() {
                            passed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }

        // Those who came first at once may each have had a place of their own.
        let passed = passed.load(Ordering::Relaxed);
        assert!((5_000..5_008).contains(&passed), "{passed}");
    }

    #[test]
    fn what_is_given_back_may_be_taken_again() {
        let table = Table::new(64, Accounts::None);
        table.take(&key(1), quota(1), NOW).unwrap();
        assert!(table.take(&key(1), quota(1), NOW).is_err());

        table.update(&key(1), |moment| quota(1).give_back(moment));

        assert!(table.take(&key(1), quota(1), NOW).is_ok());
        assert_eq!(table.moment(&key(2)), 0);
    }
}
