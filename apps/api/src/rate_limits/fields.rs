//! The header fields by which clients learn how often they may ask
//! (<https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/10/>).

use std::fmt::Write as _;
use std::time::Duration;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use fairlead_domain::billing::Plan;
use fairlead_domain::rate_limits::{Limit, LimitedOperation, Quota, Quotas, Standing};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Who asks, as far as limits go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Asker {
    #[default]
    Stranger,
    User,
    ApiKey,
}

/// The value of `RateLimit-Policy` for each kind of request under each plan, made once.
#[derive(Debug)]
pub(crate) struct Policies(Vec<Option<HeaderValue>>);

const ASKERS: usize = 3;
const OPERATIONS: usize = LimitedOperation::ALL.len() + 1;

impl Policies {
    pub(super) fn new(quotas: &Quotas) -> Self {
        let askers: [Asker; ASKERS] = [Asker::Stranger, Asker::User, Asker::ApiKey];
        let operations = || {
            let each = LimitedOperation::ALL.into_iter().map(Some);
            std::iter::once(None).chain(each)
        };
        let of_plan = |plan| {
            let of = move |asker, operation| policy(&limits_of(asker, operation), plan, quotas);
            askers
                .into_iter()
                .flat_map(move |asker| operations().map(move |operation| of(asker, operation)))
        };
        Self(Plan::ALL.into_iter().flat_map(of_plan).collect())
    }

    /// Tells a client which limits its request came under, and how much is left of the one that will hold it up first.
    pub(crate) fn tell(
        &self,
        headers: &mut HeaderMap,
        (asker, plan): (Asker, Plan),
        operation: Option<LimitedOperation>,
        tightest: &Standing,
    ) {
        let operation = operation.map_or(0, |operation| operation as usize + 1);
        let of_plan = plan as usize * ASKERS + asker as usize;
        if let Some(Some(policy)) = self.0.get(of_plan * OPERATIONS + operation) {
            headers.insert(RATE_LIMIT_POLICY, policy.clone());
        }
        if let Ok(value) = HeaderValue::from_maybe_shared(left(tightest)) {
            headers.insert(RATE_LIMIT, value);
        }
    }
}

/// The limits that a request comes under.
fn limits_of(asker: Asker, operation: Option<LimitedOperation>) -> Vec<Limit> {
    let known: &[Limit] = match asker {
        Asker::Stranger => &[],
        Asker::User => &[Limit::Tenant],
        Asker::ApiKey => &[Limit::Tenant, Limit::ApiKey],
    };
    let operation = operation.map(Limit::Operation);
    let all = [Limit::Address].iter().chain(known).copied();
    all.chain(operation).collect()
}

fn policy(limits: &[Limit], plan: Plan, quotas: &Quotas) -> Option<HeaderValue> {
    let mut text = String::new();
    for limit in limits {
        if let Some(quota) = quotas.of_plan(plan, *limit) {
            let separator = if text.is_empty() { "" } else { ", " };
            let (name, requests, window) = (limit.name(), quota.requests(), whole_window(quota));
            write!(text, "{separator}\"{name}\";q={requests};w={window}").expect("a String takes all");
        }
    }
    HeaderValue::try_from(text).ok().filter(|value| !value.is_empty())
}

fn left(standing: &Standing) -> Vec<u8> {
    let mut text = Vec::with_capacity(48);
    text.push(b'"');
    text.extend_from_slice(standing.limit.name().as_bytes());
    text.extend_from_slice(b"\";r=");
    push_number(&mut text, standing.remaining.into());
    text.extend_from_slice(b";t=");
    push_number(&mut text, whole_seconds(standing.reset));
    text
}

/// Faster than by `write!`, which stands out where an answer takes microseconds.
fn push_number(text: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        if number == 0 {
            break;
        }
    }
    text.extend_from_slice(&digits[first..]);
}

/// As many seconds as are surely enough.
pub(crate) fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// The window as it was configured: what rounding takes off is less than a second.
pub(crate) fn whole_window(quota: Quota) -> u64 {
    whole_seconds(quota.window())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quotas() -> Quotas {
        Quotas::by_plan(|plan, limit| match (limit, plan) {
            (Limit::Address, _) => None,
            (Limit::Operation(_), _) => Quota::new(7, Duration::from_mins(1)),
            (_, Plan::Business) => Quota::new(9_000, Duration::from_mins(1)),
            _ => Quota::new(6_000, Duration::from_mins(1)),
        })
    }

    fn told(asker: Asker, operation: Option<LimitedOperation>) -> [Option<String>; 2] {
        told_under(Plan::Free, asker, operation)
    }

    fn told_under(plan: Plan, asker: Asker, operation: Option<LimitedOperation>) -> [Option<String>; 2] {
        let standing = Standing {
            limit: Limit::Tenant,
            quota: Quota::new(6_000, Duration::from_mins(1)).unwrap(),
            remaining: 5_040,
            reset: Duration::from_millis(9_600),
        };
        let mut headers = HeaderMap::new();
        Policies::new(&quotas()).tell(&mut headers, (asker, plan), operation, &standing);
        [RATE_LIMIT_POLICY, RATE_LIMIT]
            .map(|name| headers.get(name).map(|value| value.to_str().unwrap().to_owned()))
    }

    #[test]
    fn a_client_is_told_the_limits_it_comes_under_and_what_is_left_of_the_tightest() {
        let [policy, left] = told(Asker::ApiKey, Some(LimitedOperation::SearchLeads));

        assert_eq!(
            policy.unwrap(),
            "\"tenant\";q=6000;w=60, \"apiKey\";q=6000;w=60, \"searchLeads\";q=7;w=60"
        );
        assert_eq!(left.unwrap(), "\"tenant\";r=5040;t=10");
    }

    #[test]
    fn each_kind_of_request_has_the_policies_of_its_own() {
        for (asker, limits) in [
            (Asker::Stranger, None),
            (Asker::User, Some("\"tenant\";q=6000;w=60")),
        ] {
            assert_eq!(told(asker, None)[0].as_deref(), limits);
            for operation in LimitedOperation::ALL {
                let policy = told(asker, Some(operation))[0].clone().unwrap();
                let own = format!("\"{}\";q=7;w=60", operation.id());
                assert_eq!(
                    policy,
                    limits.map_or(own.clone(), |limits| format!("{limits}, {own}"))
                );
            }
        }
    }

    #[test]
    fn each_plan_has_the_policies_of_its_own() {
        let policy = |plan| told_under(plan, Asker::User, None)[0].clone().unwrap();

        assert_eq!(policy(Plan::Team), "\"tenant\";q=6000;w=60");
        assert_eq!(policy(Plan::Business), "\"tenant\";q=9000;w=60");
    }

    #[test]
    fn numbers_are_written_in_full() {
        for number in [0, 9, 10, 4_294_967_295, u64::MAX] {
            let mut text = Vec::new();
            push_number(&mut text, number);
            assert_eq!(String::from_utf8(text).unwrap(), number.to_string());
        }
    }
}
