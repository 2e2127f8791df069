use std::time::Duration;

use uuid::Uuid;

use super::Queue;

/// How often a job is tried, and when again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// At the most; then it is dead.
    pub attempts: u32,
    /// Between the first and the second; twice as long each time.
    pub first: Duration,
    /// No pause is longer.
    pub most: Duration,
}

impl Retry {
    /// How long to wait after attempt number `attempt` has failed; `None`: it was the last.
    ///
    /// Jobs that fail together, because what they need is away, do not come again together: each waits between half of
    /// the pause and all of it, by its own id.
    pub fn after(self, attempt: u32, job: Uuid) -> Option<Duration> {
        if attempt >= self.attempts {
            return None;
        }
        let factor = 1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX);
        let pause = self.first.saturating_mul(factor).min(self.most);
        Some(pause.mul_f64(0.5 + spread(job, attempt) / 2.0))
    }
}

/// A number from 0 to 1 for each attempt of each job. The last bytes of an id are random; multiplied (Fibonacci
/// hashing: 2^64 divided by the golden ratio) they differ by attempt as well.
fn spread(job: Uuid, attempt: u32) -> f64 {
    let (_, random) = job.as_u64_pair();
    let mixed = (random ^ u64::from(attempt)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    f64::from((mixed >> 48) as u16) / f64::from(u16::MAX)
}

/// The priority of jobs that say none, by their queue. Among the jobs of one owner in a queue the lowest is first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priorities([i32; Queue::ALL.len()]);

impl Priorities {
    pub fn new(of: impl FnMut(Queue) -> i32) -> Self {
        Self(Queue::ALL.map(of))
    }

    pub fn of(self, queue: Queue) -> i32 {
        self.0[queue as usize]
    }
}

impl Default for Priorities {
    fn default() -> Self {
        Self([1; Queue::ALL.len()])
    }
}

/// How the jobs of a queue are worked off, in each process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// Jobs at once; 0: this process leaves them to others.
    pub concurrency: usize,
    pub retry: Retry,
    /// How long an attempt may take.
    pub timeout: Duration,
}

impl QueueSettings {
    /// Jobs of one tenant at once: one place less than there are, so that no tenant keeps all others waiting for as
    /// long as its jobs take; and no more than four or a quarter, so that two or three tenants do not either.
    pub fn concurrency_of_tenant(self) -> usize {
        let but_one = self.concurrency.saturating_sub(1);
        but_one.min((self.concurrency / 4).max(4)).max(1)
    }

    /// Those of them that stand aside.
    pub fn aside_of_tenant(self) -> usize {
        (self.concurrency_of_tenant() / 3).max(1)
    }

    /// Jobs of all tenants that stand aside: the others have half of the places at the least.
    pub fn aside(self) -> usize {
        (self.concurrency / 2).max(1)
    }

    /// Jobs of a tenant that wait for one and the same, and do not stand aside: so one place is left for what does not.
    pub fn concurrency_of_one(self) -> usize {
        let left = self
            .concurrency_of_tenant()
            .saturating_sub(self.aside_of_tenant());
        left.saturating_sub(1).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RETRY: Retry = Retry {
        attempts: 9,
        first: Duration::from_secs(1),
        most: Duration::from_mins(1),
    };

    #[test]
    fn pauses_double_up_to_the_most_and_end_with_the_attempts() {
        let jobs = (0..500_u128).map(|number| Uuid::from_u128(number * 0x1234_5678_9abc_def1));
        let mut least = [Duration::MAX; 8];
        let mut most = [Duration::ZERO; 8];
        for job in jobs {
            for attempt in 1..=8 {
                let pause = RETRY.after(attempt, job).unwrap();
                let at = attempt as usize - 1;
                (least[at], most[at]) = (least[at].min(pause), most[at].max(pause));
            }
            assert_eq!(RETRY.after(9, job), None);
        }

        for (at, full) in [1_u64, 2, 4, 8, 16, 32, 60, 60].into_iter().enumerate() {
            let full = Duration::from_secs(full);
            assert!(
                least[at] >= full / 2 && most[at] <= full,
                "{at}: {:?} {:?}",
                least[at],
                most[at]
            );
            // They are spread over the whole half.
            assert!(
                least[at] < full.mul_f64(0.55) && most[at] > full.mul_f64(0.95),
                "{at}"
            );
        }
    }

    #[test]
    fn a_tenant_leaves_places_to_others() {
        let of = |concurrency| {
            let settings = QueueSettings {
                concurrency,
                retry: RETRY,
                timeout: Duration::from_secs(1),
            };
            settings.concurrency_of_tenant()
        };

        assert_eq!([of(1), of(2), of(5), of(10), of(50)], [1, 1, 4, 4, 12]);
    }

    #[test]
    fn what_waits_for_one_and_what_stands_aside_leave_places_to_the_others_of_their_tenant() {
        for concurrency in 4..200 {
            let settings = QueueSettings {
                concurrency,
                retry: RETRY,
                timeout: Duration::from_secs(1),
            };
            let held = settings.concurrency_of_one() + settings.aside_of_tenant();
            assert!(held < settings.concurrency_of_tenant(), "{concurrency}");
            assert!(settings.aside() <= concurrency / 2, "{concurrency}");
        }
    }
}
