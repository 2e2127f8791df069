use std::collections::HashMap;
use std::time::{Duration, Instant};

/// The limit is set anew after so long, and so many answers, whichever comes later.
const WINDOW: Duration = Duration::from_millis(100);
const ENOUGH: u32 = 10;
/// How much of the way to where it should be the limit moves at a time.
const STEP: f64 = 0.2;
/// One answer that took very long says no more than this.
const MOST: f64 = 10.0;
/// Operations whose usual time is known; there are far fewer.
const OPERATIONS: usize = 1024;
/// The first answers of an operation set its usual time, however busy it was.
const FIRST: u32 = 20;
/// How much of the way the usual time moves with each answer while there is little to do.
const LEARN: f64 = 0.02;
/// How much the usual time moves in a second while there is much to do: at the highest limit, and beyond that at the lowest.
const DRIFT: f64 = 0.001;
const DRIFT_WHEN_LOW: f64 = 0.02;

/// How many may work at once, found by how much longer the database takes than it usually does.
#[derive(Debug)]
pub(super) struct AdaptiveLimit {
    min: f64,
    max: f64,
    tolerance: f64,
    limit: f64,
    usual: HashMap<u64, Usual>,
    window: Window,
    slowdown: f64,
}

/// What an operation takes while there is little to do.
#[derive(Debug)]
struct Usual {
    seconds: f64,
    seen: u32,
    at: Instant,
}

#[derive(Debug)]
struct Window {
    began: Instant,
    answers: u32,
    slowdowns: f64,
    most_busy: u32,
}

impl Window {
    fn new(began: Instant) -> Self {
        Self {
            began,
            answers: 0,
            slowdowns: 0.0,
            most_busy: 0,
        }
    }
}

impl AdaptiveLimit {
    /// It begins at its lowest, and rises within seconds where that is asked for.
    pub(super) fn new(min: u32, max: u32, tolerance: f64, now: Instant) -> Self {
        let min = f64::from(min.max(1));
        Self {
            min,
            max: f64::from(max).max(min),
            tolerance,
            limit: min,
            usual: HashMap::new(),
            window: Window::new(now),
            slowdown: 1.0,
        }
    }

    pub(super) fn get(&self) -> u32 {
        whole(self.limit)
    }

    /// How many times longer than usual the database has lately taken.
    pub(super) fn slowdown(&self) -> f64 {
        self.slowdown
    }

    /// Takes note of how long the database took for an `operation` that began when `busy` requests were at work.
    pub(super) fn note(&mut self, operation: u64, took: Duration, busy: u32, now: Instant) {
        let Some(slowdown) = self.learn(operation, took.as_secs_f64(), busy, now) else {
            return;
        };
        let window = &mut self.window;
        window.answers += 1;
        window.slowdowns += slowdown.min(MOST);
        window.most_busy = window.most_busy.max(busy);
        if window.answers >= ENOUGH && now.saturating_duration_since(window.began) >= WINDOW {
            self.turn(now);
        }
    }

    /// Returns how many times longer than usual it took, and moves what is usual.
    fn learn(&mut self, operation: u64, took: f64, busy: u32, now: Instant) -> Option<f64> {
        let is_idle = f64::from(busy) <= (self.limit / 4.0).max(2.0);
        let above_lowest = (self.limit - self.min) / (self.max - self.min).max(1.0);
        let drift = DRIFT + DRIFT_WHEN_LOW * (1.0 - above_lowest).max(0.0).powi(2);
        if self.usual.len() >= OPERATIONS && !self.usual.contains_key(&operation) {
            return None;
        }
        let usual = self.usual.entry(operation).or_insert(Usual {
            seconds: took,
            seen: 0,
            at: now,
        });
        if usual.seen < FIRST {
            usual.seen += 1;
            usual.seconds += (took - usual.seconds) / f64::from(usual.seen);
        } else if is_idle {
            usual.seconds += (took - usual.seconds) * LEARN;
        } else {
            // That it takes longer now may be our own doing, and no more usual for that. It may have become slower for
            // good, too: then it goes on when the limit is low, and is believed in time.
            let most = drift * now.saturating_duration_since(usual.at).as_secs_f64().min(1.0);
            usual.seconds *= 1.0 + (took / usual.seconds.max(1e-9) - 1.0).clamp(-most, most);
        }
        usual.at = now;
        Some(took / usual.seconds.max(1e-9))
    }

    /// The gradient of Netflix' concurrency limits: the limit sinks by as much as the database is slower than tolerated,
    /// and a root of it is left for a queue, so that it finds out whether more would do.
    fn turn(&mut self, now: Instant) {
        let window = std::mem::replace(&mut self.window, Window::new(now));
        self.slowdown = window.slowdowns / f64::from(window.answers);
        let gradient = (self.tolerance / self.slowdown).clamp(0.5, 1.0);
        let mut wanted = self.limit * gradient + self.limit.sqrt();
        // Where half of it is not used, nothing shows that more would do.
        if f64::from(window.most_busy) * 2.0 < self.limit {
            wanted = wanted.min(self.limit);
        }
        self.limit = (self.limit + (wanted - self.limit) * STEP).clamp(self.min, self.max);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "limits are small, and no less than 1"
)]
fn whole(limit: f64) -> u32 {
    limit.round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPERATION: u64 = 1;

    fn limit(now: Instant) -> AdaptiveLimit {
        AdaptiveLimit::new(4, 64, 2.0, now)
    }

    /// A second of answers that take `millis`, `busy` at a time; returns the moment after.
    fn second(
        limit: &mut AdaptiveLimit,
        mut now: Instant,
        millis: u64,
        busy: impl Fn(&AdaptiveLimit) -> u32,
    ) -> Instant {
        for _ in 0..200 {
            now += Duration::from_millis(5);
            let busy = busy(limit);
            limit.note(OPERATION, Duration::from_millis(millis), busy, now);
        }
        now
    }

    #[test]
    fn it_rises_while_it_is_used_up_and_nothing_gets_slower() {
        let mut now = Instant::now();
        let mut limit = limit(now);
        for _ in 0..20 {
            now = second(&mut limit, now, 2, AdaptiveLimit::get);
        }

        assert_eq!(limit.get(), 64);
    }

    #[test]
    fn it_stays_where_it_is_not_used() {
        let mut now = Instant::now();
        let mut limit = limit(now);
        now = second(&mut limit, now, 2, AdaptiveLimit::get);
        let before = limit.get();
        for _ in 0..20 {
            now = second(&mut limit, now, 2, |_| 1);
        }

        assert_eq!(limit.get(), before);
    }

    #[test]
    fn it_sinks_when_the_database_gets_slower_and_recovers_with_it() {
        let mut now = Instant::now();
        let mut limit = limit(now);
        for _ in 0..20 {
            now = second(&mut limit, now, 2, AdaptiveLimit::get);
        }

        for _ in 0..6 {
            now = second(&mut limit, now, 20, AdaptiveLimit::get);
        }
        assert!(limit.get() <= 8, "{}", limit.get());
        assert!(limit.slowdown() > 5.0);
        for _ in 0..10 {
            now = second(&mut limit, now, 2, AdaptiveLimit::get);
        }
        assert!(limit.get() > 50, "{}", limit.get());
    }

    #[test]
    fn what_stays_slow_at_the_lowest_limit_becomes_usual() {
        let mut now = Instant::now();
        let mut limit = limit(now);
        now = second(&mut limit, now, 2, AdaptiveLimit::get);
        for _ in 0..300 {
            now = second(&mut limit, now, 8, AdaptiveLimit::get);
        }

        assert!(limit.get() > 8, "{}", limit.get());
    }

    #[test]
    fn slow_operations_beside_fast_ones_are_no_slowdown() {
        let mut now = Instant::now();
        let mut limit = limit(now);
        for round in 0..4_000_u64 {
            now += Duration::from_millis(1);
            let operation = round % 2;
            let busy = limit.get();
            limit.note(operation, Duration::from_millis(1 + 99 * operation), busy, now);
        }

        assert!(limit.slowdown() < 1.1);
        assert!(limit.get() > 20, "{}", limit.get());
    }
}
