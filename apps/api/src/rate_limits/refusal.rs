use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fairlead_domain::access::TenantScope;
use fairlead_domain::rate_limits::{Limit, LimitKey, Standing, Verdict, Whose};

use super::fields::{whole_seconds, whole_window};
use super::{Enforcement, RateLimits};
use crate::problem::{Kind, Problem};

/// Whoever asks too often must not fill the log: it is told of no more often than this.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// Tells those who run this of requests that were refused.
#[derive(Debug)]
pub(crate) struct RefusalLog {
    began: Instant,
    /// Not told of yet.
    untold: AtomicU64,
    /// When it is told of the next one, in milliseconds since it began.
    next: AtomicU64,
}

impl RefusalLog {
    pub(crate) fn new(began: Instant) -> Self {
        Self {
            began,
            untold: AtomicU64::new(0),
            next: AtomicU64::new(0),
        }
    }

    /// Counts a refusal. Returns how many there were since it was last told of any, if it is time to.
    pub(crate) fn count(&self, at: Instant) -> Option<u64> {
        self.untold.fetch_add(1, Ordering::Relaxed);
        let now = millis(at.saturating_duration_since(self.began));
        let next = self.next.load(Ordering::Relaxed);
        let later = now + millis(TOLD_EVERY);
        if now < next
            || self
                .next
                .compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed)
                .is_err()
        {
            return None;
        }
        Some(self.untold.swap(0, Ordering::Relaxed))
    }
}

impl RateLimits {
    /// Counts what a tenant asks for otherwise than by a request.
    pub(crate) fn take_of_tenant(&self, scope: &TenantScope) -> Result<(), Problem> {
        let (key, at) = (LimitKey::tenant(scope).under(self.plan(scope)), Instant::now());
        match self.limiter.take(key, at) {
            Verdict::Unlimited | Verdict::Admitted(_) => Ok(()),
            Verdict::Refused { standing, after } => {
                self.refuse(key, &standing, after, at).map_or(Ok(()), Err)
            }
        }
    }

    /// Takes note of a request that is one too many, and says what its client is told, if it is refused.
    pub(crate) fn refuse(
        &self,
        key: LimitKey,
        standing: &Standing,
        after: Duration,
        at: Instant,
    ) -> Option<Problem> {
        self.note_refused(key);
        if let Some(count) = self.refusals.count(at) {
            self.tell(key, count);
        }
        match self.enforcement {
            Enforcement::Refuse => Some(problem(standing, after)),
            Enforcement::Shadow => None,
        }
    }

    /// The latest one stands for all: it is one of those who ask most. An address is personal data, and is not told.
    fn tell(&self, key: LimitKey, count: u64) {
        let (tenant, api_key) = match key.whose() {
            Whose::Tenant(id) => (Some(id), None),
            Whose::ApiKey(id) => (None, Some(id)),
            Whose::Network(_) => (None, None),
        };
        tracing::warn!(
            limit = key.limit().name(),
            tenant.id = tenant.map(display),
            api_key.id = api_key.map(display),
            requests = count,
            enforcement = self.enforcement.as_str(),
            "clients ask more often than they may",
        );
    }
}

fn problem(standing: &Standing, after: Duration) -> Problem {
    let (limit, quota) = (standing.limit, standing.quota);
    let who = match limit {
        Limit::Address | Limit::OperatorAttempts => "from one address",
        Limit::Tenant => "of one tenant",
        Limit::ApiKey => "by one API key",
        Limit::Operation(operation) if operation.is_for_strangers() => "for this operation from one address",
        Limit::Operation(_) => "for this operation of one tenant",
    };
    let seconds = whole_seconds(after).max(1);
    let detail = format!(
        "the limit `{}` is used up: {} requests {who} within {} s, which come back evenly; the next one does in {seconds} s. \
         GET /api/v1/limits tells all limits; whoever runs this installation can raise them",
        limit.name(),
        quota.requests(),
        whole_window(quota),
    );
    Problem::client(Kind::RateLimited, detail).retry_after(seconds)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_of_together_once_in_a_while() {
        let began = Instant::now();
        let log = RefusalLog::new(began);

        assert_eq!(log.count(began), Some(1));
        assert_eq!(log.count(began), None);
        assert_eq!(log.count(began + TOLD_EVERY / 2), None);
        assert_eq!(log.count(began + TOLD_EVERY), Some(3));
        assert_eq!(log.count(began + TOLD_EVERY), None);
    }
}
