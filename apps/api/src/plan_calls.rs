//! Tenants that have made all calls of the API that their plans allow within a month.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use actix_web::http::StatusCode;
use fairlead_domain::billing::CallsUsedUp;
use fairlead_domain::identity::TenantId;
use time::OffsetDateTime;

use crate::problem::{Kind, Problem};

/// Below these, whoever has used up its calls can see that, and subscribe to another plan.
const STILL_ANSWERED: [&str; 4] = [
    "/api/v1/auth/",
    "/api/v1/billing/",
    "/api/v1/limits",
    "/api/v1/usage",
];

/// Who has used up its calls, as it was last read. All clones share it.
///
/// It is read again with each interval that is written down, because what processes have counted becomes one sum then. So
/// a tenant may make more calls than its plan allows, by those of an interval or two.
#[derive(Clone, Debug, Default)]
pub struct PlanCalls(Arc<State>);

#[derive(Debug, Default)]
struct State {
    /// Whether there is anybody: what most requests ask is one look at this.
    is_anybody: AtomicBool,
    used_up: RwLock<HashMap<TenantId, CallsUsedUp>>,
}

impl PlanCalls {
    pub(crate) fn put(&self, used_up: HashMap<TenantId, CallsUsedUp>) {
        let mut known = self.0.used_up.write().unwrap_or_else(PoisonError::into_inner);
        self.0.is_anybody.store(!used_up.is_empty(), Ordering::Relaxed);
        *known = used_up;
    }

    /// Why a request of the tenant is not answered. `path` is as the router sees it.
    pub(crate) fn refusal(
        &self,
        tenant: TenantId,
        path: &str,
        now: impl FnOnce() -> OffsetDateTime,
    ) -> Option<Problem> {
        if !self.0.is_anybody.load(Ordering::Relaxed) {
            return None;
        }
        let known = self.0.used_up.read().unwrap_or_else(PoisonError::into_inner);
        let used_up = known.get(&tenant)?;
        let now = now();
        if now >= used_up.until || is_still_answered(path) {
            return None;
        }
        Some(problem(used_up, now))
    }
}

/// Whether who has used up its calls is answered nevertheless.
pub(crate) fn is_still_answered(path: &str) -> bool {
    STILL_ANSWERED.iter().any(|answered| path.starts_with(answered))
}

/// Whether a request that was answered so is a call that a plan counts: neither what failed on our side or was refused for
/// want of room or right to ask, nor what found nothing new.
pub(crate) fn counts(status: StatusCode) -> bool {
    let is_refusal = status == StatusCode::TOO_MANY_REQUESTS;
    !status.is_server_error() && !is_refusal && status != StatusCode::NOT_MODIFIED
}

fn problem(used_up: &CallsUsedUp, now: OffsetDateTime) -> Problem {
    let CallsUsedUp { plan, allowed, until } = used_up;
    let detail = format!(
        "the plan {} allows {allowed} calls of the API within a month, and the tenant has made them; subscribe to another \
         plan, or wait for {}",
        plan.as_str(),
        until.date(),
    );
    let seconds = (*until - now).whole_seconds().max(1).unsigned_abs();
    Problem::client(Kind::PlanCallsUsedUp, detail).retry_after(seconds)
}

#[cfg(test)]
mod tests {
    use fairlead_domain::Id;
    use fairlead_domain::billing::Plan;
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn who_has_used_up_its_calls_is_refused_until_the_month_ends_but_where_it_can_see_that() {
        let (acme, umbrella) = (
            Id::from_uuid(Uuid::from_u128(1)),
            Id::from_uuid(Uuid::from_u128(2)),
        );
        let until = datetime!(2026-12-01 0:00 UTC);
        let used_up = CallsUsedUp {
            plan: Plan::Free,
            allowed: 1_000,
            until,
        };
        let calls = PlanCalls::default();
        let now = datetime!(2026-11-30 23:00 UTC);
        let asks = |tenant, path, now| calls.refusal(tenant, path, || now).is_some();
        assert!(!asks(acme, "/api/v1/leads", now));

        calls.put(HashMap::from([(acme, used_up)]));

        assert!(asks(acme, "/api/v1/leads", now));
        assert!(!asks(umbrella, "/api/v1/leads", now));
        for path in [
            "/api/v1/auth/me",
            "/api/v1/billing/checkout",
            "/api/v1/limits",
            "/api/v1/usage",
        ] {
            assert!(!asks(acme, path, now), "{path}");
        }
        assert!(!asks(acme, "/api/v1/leads", until));
        calls.put(HashMap::new());
        assert!(!asks(acme, "/api/v1/leads", now));
    }
}
