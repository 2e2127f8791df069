use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// What a key has used up in this process that the others do not know of yet.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Fewer than none: something was given back that had been told.
    unsettled: AtomicI64,
    /// When it is told next, however little it is.
    due: AtomicU64,
}

impl Account {
    /// Begins anew, for another key: the first request of it is told at once, and what others know of it learnt.
    pub(super) fn open(&self) {
        self.unsettled.store(0, Ordering::Relaxed);
        self.due.store(0, Ordering::Relaxed);
    }

    /// Notes a request. Returns whether it is for this one to see that the account is settled: when as many as `batch`
    /// have come together, or, after `interval`, whatever has.
    #[inline]
    pub(super) fn spend(&self, batch: i64, interval: u64, now: u64) -> bool {
        if self.unsettled.fetch_add(1, Ordering::Relaxed) + 1 == batch {
            self.due.store(now.saturating_add(interval), Ordering::Relaxed);
            return true;
        }
        let due = self.due.load(Ordering::Relaxed);
        let next = now.saturating_add(interval);
        now >= due
            && self
                .due
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    pub(super) fn give_back(&self) {
        self.unsettled.fetch_sub(1, Ordering::Relaxed);
    }

    /// Takes what is to be told.
    pub(super) fn settle(&self) -> i64 {
        self.unsettled.swap(0, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_settled_at_first_then_by_the_batch_and_by_the_clock() {
        let account = Account::default();
        account.open();

        assert!(
            account.spend(3, 100, 1_000),
            "nobody knows what others have spent"
        );
        assert_eq!(account.settle(), 1);
        let asked: Vec<bool> = (0..4).map(|_| account.spend(3, 100, 1_050)).collect();
        assert_eq!(asked, [false, false, true, false]);
        account.give_back();
        assert_eq!(account.settle(), 3);
        assert!(!account.spend(3, 100, 1_149));
        assert!(account.spend(3, 100, 1_150));
        assert!(!account.spend(300, 100, 1_150), "one of them sees to it");
    }
}
