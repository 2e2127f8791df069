use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use fairlead_domain::identity::TenantId;

use super::Pool;
use crate::meters::TenantMeter;

/// Accounts of tenants that hold nothing are kept for the sake of their figures: so many, or as many as hold something
/// when those are more.
const IDLE_ACCOUNTS: usize = 1_024;

/// What each tenant holds in memory, and how it fares.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    listed: RwLock<Listed>,
    parts: Arc<Parts>,
    /// The figures of tenants whose accounts were closed.
    others: TenantMeter,
}

#[derive(Debug)]
struct Listed {
    by_tenant: HashMap<TenantId, Arc<Account>>,
    /// At so many, those that are idle are closed. Whoever looks for these looks at all, so as many are opened before that
    /// is done again as were left: each that is opened has looked at two or so, however many there are.
    most: usize,
}

/// The own parts of all tenants together.
#[derive(Debug, Default)]
struct Parts {
    /// How many tenants hold something in theirs.
    holding: AtomicU64,
    bytes: AtomicU64,
}

/// What one tenant holds in memory, in bytes as they are weighed, and how it fares.
#[derive(Debug, Default)]
pub(crate) struct Account {
    own: AtomicU64,
    common: AtomicU64,
    entries: AtomicU64,
    parts: Arc<Parts>,
    pub(crate) meter: TenantMeter,
}

impl Default for Listed {
    fn default() -> Self {
        Self {
            by_tenant: HashMap::new(),
            most: IDLE_ACCOUNTS,
        }
    }
}

impl Accounts {
    pub(crate) fn of(&self, tenant: TenantId) -> Arc<Account> {
        self.find(tenant).unwrap_or_else(|| self.open(tenant))
    }

    fn open(&self, tenant: TenantId) -> Arc<Account> {
        let mut listed = self.listed.write().unwrap_or_else(PoisonError::into_inner);
        if listed.by_tenant.len() >= listed.most && !listed.by_tenant.contains_key(&tenant) {
            self.close_idle(&mut listed);
        }
        let account = listed.by_tenant.entry(tenant).or_insert_with(|| {
            Arc::new(Account {
                parts: Arc::clone(&self.parts),
                ..Account::default()
            })
        });
        Arc::clone(account)
    }

    /// Who is held by an answer or a load is not idle.
    fn close_idle(&self, listed: &mut Listed) {
        listed.by_tenant.retain(|_, account| {
            let is_idle = Arc::strong_count(account) == 1;
            if is_idle {
                self.others.add(&account.meter);
            }
            !is_idle
        });
        listed.most = IDLE_ACCOUNTS.max(2 * listed.by_tenant.len());
    }

    /// The account of a tenant, if it has one.
    pub(crate) fn find(&self, tenant: TenantId) -> Option<Arc<Account>> {
        let listed = self.listed.read().unwrap_or_else(PoisonError::into_inner);
        listed.by_tenant.get(&tenant).map(Arc::clone)
    }

    pub(crate) fn all(&self) -> Vec<(TenantId, Arc<Account>)> {
        let listed = self.listed.read().unwrap_or_else(PoisonError::into_inner);
        listed
            .by_tenant
            .iter()
            .map(|(tenant, account)| (*tenant, Arc::clone(account)))
            .collect()
    }

    /// The sum of the figures of tenants without an account.
    pub(crate) fn others(&self) -> &TenantMeter {
        &self.others
    }

    /// Bytes in the own parts of all tenants.
    pub(super) fn own_bytes(&self) -> u64 {
        self.parts.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn holding(&self) -> u64 {
        self.parts.holding.load(Ordering::Relaxed)
    }
}

impl Account {
    /// Takes `weight` bytes of the tenant's own part, which is `share` bytes, if there is room; else of the common one.
    /// All own parts together take no more than `most`: the pool they lie in would push somebody out.
    pub(super) fn hold(&self, weight: u64, share: u64, most: u64) -> Pool {
        self.entries.fetch_add(1, Ordering::Relaxed);
        if self.own.load(Ordering::Relaxed) + weight <= share {
            if self.parts.bytes.fetch_add(weight, Ordering::Relaxed) + weight <= most {
                if self.own.fetch_add(weight, Ordering::Relaxed) == 0 {
                    self.parts.holding.fetch_add(1, Ordering::Relaxed);
                }
                return Pool::Own;
            }
            self.parts.bytes.fetch_sub(weight, Ordering::Relaxed);
        }
        self.common.fetch_add(weight, Ordering::Relaxed);
        Pool::Common
    }

    pub(super) fn release(&self, pool: Pool, weight: u64) {
        self.entries.fetch_sub(1, Ordering::Relaxed);
        match pool {
            Pool::Own => {
                if self.own.fetch_sub(weight, Ordering::Relaxed) == weight {
                    self.parts.holding.fetch_sub(1, Ordering::Relaxed);
                }
                self.parts.bytes.fetch_sub(weight, Ordering::Relaxed);
            }
            Pool::Common => {
                self.common.fetch_sub(weight, Ordering::Relaxed);
            }
        }
    }

    /// Bytes in the tenant's own part.
    pub(crate) fn own_bytes(&self) -> u64 {
        self.own.load(Ordering::Relaxed)
    }

    /// Bytes in the part all tenants compete for.
    pub(crate) fn common_bytes(&self) -> u64 {
        self.common.load(Ordering::Relaxed)
    }

    pub(crate) fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use uuid::Uuid;

    use super::*;

    fn open(accounts: &Accounts, tenants: Range<u128>) -> Vec<Arc<Account>> {
        let tenants = tenants.map(|number| TenantId::from_uuid(Uuid::from_u128(number)));
        tenants.map(|tenant| accounts.of(tenant)).collect()
    }

    #[test]
    fn who_is_new_among_many_does_not_have_all_looked_at() {
        let accounts = Accounts::default();
        let held = open(&accounts, 0..10_000);

        // Nobody holds these, and who looked for that would close them.
        drop(open(&accounts, 10_000..15_000));

        assert_eq!(accounts.all().len(), 15_000);
        drop(held);
    }

    #[test]
    fn there_are_no_more_idle_accounts_than_others_or_than_a_thousand() {
        let accounts = Accounts::default();
        for round in 0..50 {
            drop(open(&accounts, 1_000 * round..1_000 * (round + 1)));
        }
        assert!(accounts.all().len() <= IDLE_ACCOUNTS);

        let held = open(&accounts, 0..5_000);
        for round in 50..100 {
            drop(open(&accounts, 1_000 * round..1_000 * (round + 1)));
        }

        assert!(accounts.all().len() <= 2 * held.len(), "{}", accounts.all().len());
    }
}
