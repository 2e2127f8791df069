//! How often clients may ask, as the configuration says.

use std::sync::Arc;

use anyhow::Context as _;
use fairlead_api::{Enforcement, RateLimits};
use fairlead_cache::{RateLimitSettings, TieredRateLimiter};
use fairlead_domain::billing::Plan;
use fairlead_domain::rate_limits::{Limit, Quota, Quotas};

use super::cache;
use crate::config::{Config, RateLimitsConfig, RatesConfig, Role, Secret};

/// Of those who use up all that is theirs, so many may try whether an operator's secret opens.
const OPERATOR_ATTEMPTS: u32 = 60;

/// Who counts, and how the edge is told of it.
#[derive(Clone, Debug)]
pub(super) struct Limiting {
    pub(super) limiter: TieredRateLimiter,
    pub(super) limits: RateLimits,
}

impl Limiting {
    /// Begins to count; `None`: clients may ask as often as they like, or ask others. Redis may be away.
    pub(super) fn start(config: &Config, secret: &Secret) -> anyhow::Result<Option<Self>> {
        let settings = &config.rate_limits;
        if !settings.enabled || !config.roles.has(Role::Api) {
            return Ok(None);
        }
        let quotas = quotas(settings);
        let limiter = TieredRateLimiter::start(&RateLimitSettings {
            quotas,
            capacity: settings.capacity,
            shared: cache::shared_settings(config, secret)?,
        })
        .context("cannot share rate limits (cache.redis.url)")?;
        let enforcement = if settings.shadow {
            Enforcement::Shadow
        } else {
            Enforcement::Refuse
        };
        let limits = RateLimits::new(Arc::new(limiter.clone()), &quotas, enforcement);
        Ok(Some(Self { limiter, limits }))
    }

    /// What works less well for now, in words.
    pub(super) fn reduced(&self) -> Option<&'static str> {
        (self.limiter.is_connected() == Some(false))
            .then_some("Redis is away: each process limits how often clients may ask by what comes to itself")
    }
}

fn quotas(config: &RateLimitsConfig) -> Quotas {
    Quotas::by_plan(|plan, limit| {
        let of_plan = of_plan(config, plan);
        let requests = match limit {
            Limit::Address => config.address,
            Limit::OperatorAttempts => OPERATOR_ATTEMPTS,
            Limit::Tenant => of_plan.and_then(|own| own.tenant).unwrap_or(config.tenant),
            Limit::ApiKey => of_plan.and_then(|own| own.api_key).unwrap_or(config.api_key),
            Limit::Operation(operation) => {
                let key = key_of(operation.id());
                let own = of_plan.and_then(|own| *own.operations.get(&key)?);
                own.or_else(|| config.operations.get(&key).copied())?
            }
        };
        Quota::new(requests, config.window)
    })
}

/// `None`: what holds for any tenant is what holds for the one that pays nothing.
fn of_plan(config: &RateLimitsConfig, plan: Plan) -> Option<&RatesConfig> {
    match plan {
        Plan::Free => None,
        Plan::Team => Some(&config.plans.team),
        Plan::Business => Some(&config.plans.business),
    }
}

/// `search_leads` of `searchLeads`: how the configuration names it.
fn key_of(id: &str) -> String {
    let mut key = String::with_capacity(id.len() + 4);
    for character in id.chars() {
        if character.is_ascii_uppercase() {
            key.push('_');
        }
        key.push(character.to_ascii_lowercase());
    }
    key
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fairlead_domain::rate_limits::LimitedOperation;

    use super::*;
    use crate::config::{Input, KEYS, load};

    fn config(variables: &[(&str, &str)]) -> RateLimitsConfig {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let input = Input {
            environment: variables.iter().map(own).collect(),
            ..Input::default()
        };
        load(&input).unwrap().config.rate_limits
    }

    #[test]
    fn every_operation_with_a_limit_has_a_key_and_every_key_an_operation() {
        let mut keys: Vec<String> = config(&[]).operations.into_keys().collect();
        let mut operations = LimitedOperation::ALL.map(|operation| key_of(operation.id()));

        keys.sort_unstable();
        operations.sort_unstable();
        assert_eq!(keys, operations);
    }

    #[test]
    fn by_default_everything_is_limited() {
        let quotas = quotas(&config(&[]));

        for limit in Limit::ALL {
            assert!(quotas.of_plan(Plan::Free, limit).is_some(), "{limit:?}");
        }
    }

    #[test]
    fn zero_lets_any_number_pass_and_the_window_is_that_of_all() {
        let quotas = quotas(&config(&[
            ("FAIRLEAD__RATE_LIMITS__ADDRESS", "0"),
            ("FAIRLEAD__RATE_LIMITS__TENANT", "100"),
            ("FAIRLEAD__RATE_LIMITS__WINDOW_SECONDS", "10"),
            ("FAIRLEAD__RATE_LIMITS__OPERATIONS__SEARCH_LEADS", "5"),
        ]));

        assert_eq!(quotas.of_plan(Plan::Free, Limit::Address), None);
        let tenant = quotas.of_plan(Plan::Free, Limit::Tenant).unwrap();
        assert_eq!(
            (tenant.requests(), tenant.window()),
            (100, Duration::from_secs(10))
        );
        let search = Limit::Operation(LimitedOperation::SearchLeads);
        assert_eq!(quotas.of_plan(Plan::Free, search).unwrap().requests(), 5);
    }

    #[test]
    fn a_plan_that_is_paid_for_may_have_limits_of_its_own_and_else_has_those_of_all() {
        let quotas = quotas(&config(&[
            ("FAIRLEAD__RATE_LIMITS__TENANT", "100"),
            ("FAIRLEAD__RATE_LIMITS__PLANS__BUSINESS__TENANT", "900"),
            ("FAIRLEAD__RATE_LIMITS__PLANS__TEAM__API_KEY", "0"),
            (
                "FAIRLEAD__RATE_LIMITS__PLANS__TEAM__OPERATIONS__SEARCH_LEADS",
                "7",
            ),
        ]));
        let of = |limit| {
            let requests = |plan| quotas.of_plan(plan, limit).map(Quota::requests);
            Plan::ALL.map(requests)
        };

        assert_eq!(of(Limit::Tenant), [Some(100), Some(100), Some(900)]);
        assert_eq!(of(Limit::ApiKey), [Some(30_000), None, Some(30_000)]);
        let search = Limit::Operation(LimitedOperation::SearchLeads);
        assert_eq!(of(search), [Some(6_000), Some(7), Some(6_000)]);
    }

    #[test]
    fn every_operation_of_a_tenant_has_a_key_for_each_plan_and_strangers_have_none() {
        let of_tenants = LimitedOperation::ALL
            .into_iter()
            .filter(|of| !of.is_for_strangers());
        let mut operations: Vec<String> = of_tenants.map(|operation| key_of(operation.id())).collect();
        operations.sort_unstable();

        for plan in ["team", "business"] {
            let prefix = format!("rate_limits.plans.{plan}.operations.");
            let mut keys: Vec<&str> = KEYS
                .iter()
                .filter_map(|key| key.path.strip_prefix(&prefix))
                .collect();
            keys.sort_unstable();
            assert_eq!(keys, operations, "{plan}");
        }
    }
}
