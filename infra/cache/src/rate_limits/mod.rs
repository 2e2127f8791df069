//! How often clients may ask: counted in this process's memory, and shared through Redis.
//!
//! A request is decided by the `table` alone. Where processes share, each key has an `account` of what this process has let
//! pass and the others do not know of; `sharing` settles it behind the request, and so learns what the others have let
//! pass. Redis gone, or not there, nothing is settled, and each process counts what comes to itself.

mod account;
mod sharing;
mod table;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fairlead_domain::rate_limits::{
    Limit, LimitKey, Quota, Quotas, RateLimitReport, RateLimiter, Standing, TooSoon, Verdict,
};

use crate::settings::SharedSettings;
use crate::shared::BadRedis;
use sharing::Sharing;
use table::{Accounts, Table};

/// How limits are kept.
#[derive(Clone, Debug)]
pub struct RateLimitSettings {
    pub quotas: Quotas,
    /// How many keys are told apart at once; each takes 16 bytes, and 16 more where processes share.
    pub capacity: usize,
    /// `None`: each process counts what comes to itself.
    pub shared: Option<SharedSettings>,
}

/// Counts in memory, and shares by Redis. All clones count together.
#[derive(Clone, Debug)]
pub struct TieredRateLimiter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    quotas: Quotas,
    table: Table,
    /// Moments are counted from a day before it, so that all of them are past at first.
    began: Instant,
    refused: [AtomicU64; Limit::COUNT],
    sharing: Option<Sharing>,
}

const DAY: u64 = 86_400_000_000_000;

impl TieredRateLimiter {
    /// Begins to count.
    ///
    /// # Errors
    ///
    /// When Redis cannot be used as it is configured. It may be away.
    pub fn start(settings: &RateLimitSettings) -> Result<Self, BadRedis> {
        let accounts = match &settings.shared {
            Some(_) => Accounts::Kept,
            None => Accounts::None,
        };
        let (sharing, settling) = settings.shared.as_ref().map(Sharing::new).transpose()?.unzip();
        let inner = Arc::new(Inner {
            quotas: settings.quotas,
            table: Table::new(settings.capacity, accounts),
            began: Instant::now(),
            refused: [const { AtomicU64::new(0) }; Limit::COUNT],
            sharing,
        });
        if let Some(settling) = settling {
            sharing::start(&inner, settling);
        }
        Ok(Self(inner))
    }

    /// Whether Redis answers; `None`: limits are not shared.
    pub fn is_connected(&self) -> Option<bool> {
        self.0.sharing.as_ref().map(Sharing::is_up)
    }
}

impl Inner {
    #[inline]
    fn moment(&self, at: Instant) -> u64 {
        DAY.saturating_add(nanos(at.saturating_duration_since(self.began)))
    }
}

impl RateLimiter for TieredRateLimiter {
    fn take(&self, key: LimitKey, at: Instant) -> Verdict {
        let inner = &*self.0;
        let Some(quota) = inner.quotas.of(&key) else {
            return Verdict::Unlimited;
        };
        let now = inner.moment(at);
        match inner.table.take(&key, quota, now) {
            Ok((moment, account)) => {
                if let (Some(account), Some(sharing)) = (account, &inner.sharing) {
                    sharing.spent(account, key, quota, now);
                }
                Verdict::Admitted(standing(key, quota, moment, now))
            }
            Err((moment, TooSoon(after))) => {
                inner.refused[key.limit().index()].fetch_add(1, Ordering::Relaxed);
                Verdict::Refused {
                    standing: standing(key, quota, moment, now),
                    after,
                }
            }
        }
    }

    fn give_back(&self, key: LimitKey) {
        if let Some(quota) = self.0.quotas.of(&key)
            && let Some(account) = self.0.table.update(&key, |moment| quota.give_back(moment))
        {
            account.give_back();
        }
    }

    fn standing(&self, key: LimitKey, at: Instant) -> Option<Standing> {
        let quota = self.0.quotas.of(&key)?;
        let now = self.0.moment(at);
        Some(standing(key, quota, self.0.table.moment(&key), now))
    }

    fn report(&self) -> RateLimitReport {
        let inner = &*self.0;
        RateLimitReport {
            refused: std::array::from_fn(|index| inner.refused[index].load(Ordering::Relaxed)),
            keys: inner.table.owing(inner.moment(Instant::now())),
            capacity: inner.table.capacity(),
            forgotten: inner.table.forgotten(),
            sharing: inner.sharing.as_ref().map(Sharing::report),
        }
    }
}

#[inline]
fn standing(key: LimitKey, quota: Quota, moment: u64, now: u64) -> Standing {
    Standing {
        limit: key.limit(),
        quota,
        remaining: quota.remaining(moment, now),
        reset: Duration::from_nanos(moment.saturating_sub(now)),
    }
}

#[inline]
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
