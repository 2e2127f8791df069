//! How often clients may ask, as they are told it.
//!
//! The edge asks a [`RateLimiter`] with each request (`middleware/admission.rs`); here is which operation a request is for,
//! and in which words clients hear of limits: headers, a problem, and a line of the log for those who run this.

mod fields;
mod operation;
mod plans;
mod refusal;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use fairlead_domain::access::TenantScope;
use fairlead_domain::admission::Frequent;
use fairlead_domain::billing::Plan;
use fairlead_domain::rate_limits::{LimitKey, Quotas, RateLimiter};

use fields::Policies;
pub(crate) use fields::{Asker, whole_seconds, whole_window};
pub(crate) use operation::limited_operation;
pub(crate) use plans::TenantPlans;
pub(crate) use refusal::RefusalLog;

/// Keys that are told apart when it is told who asks too often.
const MOST_REFUSED: usize = 64;

/// What becomes of a request that is one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// It is refused.
    Refuse,
    /// It is counted and let pass, and clients are told nothing: to find out whom limits would hit.
    Shadow,
}

impl Enforcement {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Shadow => "shadow",
        }
    }
}

/// How often clients may ask.
#[derive(Clone, Debug)]
pub struct RateLimits {
    pub(crate) limiter: Arc<dyn RateLimiter>,
    pub(crate) enforcement: Enforcement,
    pub(crate) policies: Arc<Policies>,
    pub(crate) refusals: Arc<RefusalLog>,
    /// `None`: all plans have the same quotas.
    pub(crate) plans: Option<Arc<TenantPlans>>,
    most_refused: Arc<Mutex<Frequent<LimitKey>>>,
}

impl RateLimits {
    /// `quotas` are those that `limiter` keeps.
    pub fn new(limiter: Arc<dyn RateLimiter>, quotas: &Quotas, enforcement: Enforcement) -> Self {
        Self {
            limiter,
            enforcement,
            policies: Arc::new(Policies::new(quotas)),
            refusals: Arc::new(RefusalLog::new(Instant::now())),
            plans: quotas.differ().then(Arc::default),
            most_refused: Arc::new(Mutex::new(Frequent::new(MOST_REFUSED))),
        }
    }

    /// The plan that says how often a tenant may ask.
    pub(crate) fn plan(&self, scope: &TenantScope) -> Plan {
        let plans = self.plans.as_ref();
        plans.map_or(Plan::Free, |plans| plans.of(scope.tenant()))
    }

    /// Those that asked too often, most often first. Of more than are told apart, the last ones' counts are too high.
    pub(crate) fn most_refused(&self, number: usize) -> Vec<(LimitKey, u64)> {
        let most = self.most_refused.lock().unwrap_or_else(PoisonError::into_inner);
        most.top(number)
    }

    fn note_refused(&self, key: LimitKey) {
        let mut most = self.most_refused.lock().unwrap_or_else(PoisonError::into_inner);
        most.count(key);
    }
}
