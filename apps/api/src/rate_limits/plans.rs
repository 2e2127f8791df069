use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use fairlead_domain::billing::Plan;
use fairlead_domain::identity::TenantId;

/// The plans of tenants that have one other than `FREE`, as they were last read: some 50 bytes each.
///
/// They are read with each interval that is written down, as it is who has used up its calls. Asked for with each request,
/// so nothing is read then.
#[derive(Debug, Default)]
pub(crate) struct TenantPlans(RwLock<HashMap<TenantId, Plan>>);

impl TenantPlans {
    pub(crate) fn put(&self, plans: HashMap<TenantId, Plan>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = plans;
    }

    pub(super) fn of(&self, tenant: TenantId) -> Plan {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&tenant).copied().unwrap_or(Plan::Free)
    }
}
