use std::sync::atomic::{AtomicU32, Ordering};

/// How many retries there may be: a part of the calls, in hundredths of a retry.
///
/// It begins empty, so of all calls since the start no more than this part is retried, and of those after a long calm ten
/// at once at the most.
#[derive(Debug)]
pub(super) struct RetryBudget {
    percent: u32,
    saved: AtomicU32,
}

/// What one retry takes.
const RETRY: u32 = 100;
/// What is saved at the most, so that a long calm does not pay for a storm.
const MOST: u32 = 10 * RETRY;

impl RetryBudget {
    pub(super) fn new(percent: u32) -> Self {
        Self {
            percent,
            saved: AtomicU32::new(0),
        }
    }

    /// Takes note of a call.
    pub(super) fn earn(&self) {
        self.change(|saved| Some((saved + self.percent).min(MOST)));
    }

    /// Whether a call may be retried; then it must be.
    pub(super) fn spend(&self) -> bool {
        self.change(|saved| saved.checked_sub(RETRY))
    }

    fn change(&self, change: impl Fn(u32) -> Option<u32>) -> bool {
        self.saved
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_its_part_of_the_calls_is_retried_however_many_fail() {
        let budget = RetryBudget::new(10);
        let mut retries = 0;

        for calls in 1..=1_000 {
            budget.earn();
            retries += u32::from(budget.spend());
            assert!(retries * 10 <= calls, "{retries} of {calls}");
        }
        assert_eq!(retries, 100);
    }

    #[test]
    fn a_long_calm_pays_for_ten_retries() {
        let budget = RetryBudget::new(10);
        (0..100_000).for_each(|_| budget.earn());

        let retries = (0..100).filter(|_| budget.spend()).count();

        assert_eq!(retries, 10);
    }

    #[test]
    fn a_budget_of_nothing_retries_nothing() {
        let budget = RetryBudget::new(0);
        (0..1_000).for_each(|_| budget.earn());

        assert!(!budget.spend());
    }
}
