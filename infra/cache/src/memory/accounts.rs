use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use fairlead_domain::identity::TenantId;

use super::Pool;
use crate::meters::TenantMeter;

/// Accounts of tenants that hold nothing are kept up to this number, for the sake of their figures.
const IDLE_ACCOUNTS: usize = 1_024;

/// What each tenant holds in memory, and how it fares.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    by_tenant: RwLock<HashMap<TenantId, Arc<Account>>>,
    parts: Arc<Parts>,
    /// The figures of tenants whose accounts were closed.
    others: TenantMeter,
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

impl Accounts {
    pub(crate) fn of(&self, tenant: TenantId) -> Arc<Account> {
        let accounts = self.by_tenant.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = accounts.get(&tenant) {
            return Arc::clone(account);
        }
        drop(accounts);
        self.open(tenant)
    }

    fn open(&self, tenant: TenantId) -> Arc<Account> {
        let mut accounts = self.by_tenant.write().unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= IDLE_ACCOUNTS && !accounts.contains_key(&tenant) {
            // Who is held by an answer or a load is not idle.
            accounts.retain(|_, account| {
                let is_idle = Arc::strong_count(account) == 1;
                if is_idle {
                    self.others.add(&account.meter);
                }
                !is_idle
            });
        }
        let account = accounts.entry(tenant).or_insert_with(|| {
            Arc::new(Account {
                parts: Arc::clone(&self.parts),
                ..Account::default()
            })
        });
        Arc::clone(account)
    }

    /// The account of a tenant, if it has one.
    pub(crate) fn find(&self, tenant: TenantId) -> Option<Arc<Account>> {
        let accounts = self.by_tenant.read().unwrap_or_else(PoisonError::into_inner);
        accounts.get(&tenant).map(Arc::clone)
    }

    pub(crate) fn all(&self) -> Vec<(TenantId, Arc<Account>)> {
        let accounts = self.by_tenant.read().unwrap_or_else(PoisonError::into_inner);
        accounts
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
