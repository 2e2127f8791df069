//! Own parts that are full make room for what is shown, and for tenants that come later.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use fairlead_domain::identity::TenantId;

use super::{Account, Held, Memory, MemoryKey, drop_from};

/// A part counts as full from so much on: one answer more would hardly find a place.
const NEARLY_FULL: (u64, u64) = (15, 16);

impl Memory {
    /// Takes out of own parts that are full what only an outage would show, and of those that are larger than what each
    /// tenant can have now what was asked for the least. It looks at every answer.
    pub(crate) fn reclaim(&self, now: Instant) {
        let accounts = self.accounts.all();
        let are_full = is_full(self.accounts.own_bytes(), self.set_aside());
        let share = self.fair_share(&accounts);
        let full: HashMap<TenantId, &Arc<Account>> = accounts
            .iter()
            .filter(|(_, account)| are_full || is_full(account.own_bytes(), share))
            .map(|(tenant, account)| (*tenant, account))
            .collect();
        if full.is_empty() {
            return;
        }
        let mut kept: HashMap<TenantId, Vec<Arc<Held>>> = HashMap::new();
        for (key, held) in &self.own {
            if !full.contains_key(&key.tenant) {
                continue;
            }
            if held.is_stale(now) {
                kept.entry(key.tenant).or_default().push(held);
            } else {
                self.make_room(&key);
            }
        }
        if !are_full {
            return;
        }
        for (tenant, mut answers) in kept {
            answers.sort_by_key(|held| held.hits());
            let mut answers = answers.iter();
            while full[&tenant].own_bytes() > share
                && let Some(held) = answers.next()
            {
                self.make_room(held.key());
            }
        }
    }

    fn make_room(&self, key: &MemoryKey) {
        drop_from(&self.own, key.borrowed(), &self.meters.evictions.for_room);
    }

    /// What each tenant could have to itself if those had a part as well that have found none.
    fn fair_share(&self, accounts: &[(TenantId, Arc<Account>)]) -> u64 {
        let tenants = accounts
            .iter()
            .filter(|(_, account)| account.entries() > 0)
            .count() as u64;
        self.settings.tenant_bytes.min(self.set_aside() / tenants.max(1))
    }
}

fn is_full(used: u64, of: u64) -> bool {
    let (part, whole) = NEARLY_FULL;
    used >= of / whole * part
}
