//! How much is done at once, as the configuration says.

use std::collections::HashMap;

use anyhow::Context as _;
use fairlead_api::Gatekeeper;
use fairlead_domain::admission::{GateSettings, SpikeSettings, Together};
use fairlead_domain::identity::TenantId;

use crate::config::{Config, Role};

/// Sets somebody before the database; `None`: any number of requests works at once, or others serve them.
pub(super) fn gatekeeper(config: &Config) -> anyhow::Result<Option<Gatekeeper>> {
    if !config.admission.enabled || !config.roles.has(Role::Api) {
        return Ok(None);
    }
    Ok(Some(Gatekeeper::new(gate(config)?)))
}

fn gate(config: &Config) -> anyhow::Result<GateSettings> {
    let admission = &config.admission;
    let max_limit = match admission.max_limit {
        0 => connections(config),
        limit => limit,
    };
    Ok(GateSettings {
        min_limit: admission.min_limit.min(max_limit),
        max_limit,
        tolerance: part(admission.slowdown_percent),
        max_wait: admission.max_wait,
        max_waiting: admission.max_waiting,
        together: Together {
            abreast: fairlead_postgres::abreast(),
            most: fairlead_postgres::MOST_TOGETHER,
        },
        bulk_share: part(admission.bulk_percent),
        spike: SpikeSettings {
            begins_at: match admission.errors.begin_percent {
                // More than all requests never fail.
                0 => 2.0,
                percent => part(percent),
            },
            ends_at: part(admission.errors.end_percent),
            window: admission.errors.window,
        },
        weights: weights(admission.weights.as_deref().unwrap_or_default())?,
    })
}

/// Beyond these requests would only wait for one another, behind the gate instead of before it.
fn connections(config: &Config) -> u32 {
    let replicas = u32::try_from(config.database.replicas.len()).unwrap_or(u32::MAX);
    let of_replicas = config.database.read_pool.max.saturating_mul(replicas);
    config.database.pool.max.saturating_add(of_replicas)
}

fn part(percent: u32) -> f64 {
    f64::from(percent) / 100.0
}

fn weights(texts: &[String]) -> anyhow::Result<HashMap<TenantId, u32>> {
    let weight = |text: &String| {
        let (tenant, weight) = text.split_once('=')?;
        Some((tenant.trim().parse().ok()?, weight.trim().parse().ok()?))
    };
    let weights = texts.iter().map(weight).collect::<Option<_>>();
    weights.context("admission.weights")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Input, load};

    fn settings(variables: &[(&str, &str)]) -> GateSettings {
        let own = |(name, value): &(&str, &str)| (format!("FAIRLEAD__{name}"), (*value).to_owned());
        let input = Input {
            environment: variables.iter().map(own).collect(),
            ..Input::default()
        };
        gate(&load(&input).unwrap().config).unwrap()
    }

    #[test]
    fn by_default_as_many_may_work_as_there_are_connections() {
        let gate = settings(&[("DATABASE__POOL__MAX", "33")]);
        assert_eq!((gate.min_limit, gate.max_limit), (8, 33));

        let gate = settings(&[("DATABASE__POOL__MAX", "5")]);
        assert_eq!((gate.min_limit, gate.max_limit), (5, 5));

        let gate = settings(&[("ADMISSION__MAX_LIMIT", "40")]);
        assert_eq!((gate.min_limit, gate.max_limit), (8, 40));
    }

    #[test]
    fn tenants_have_the_weights_that_are_named() {
        let tenant = "0192d3a4-0000-7000-8000-000000000001";
        let gate = settings(&[("ADMISSION__WEIGHTS", &format!("{tenant}=5"))]);

        assert_eq!(gate.weights, HashMap::from([(tenant.parse().unwrap(), 5)]));
    }

    #[test]
    fn errors_can_be_left_alone() {
        assert!(
            settings(&[("ADMISSION__ERRORS__BEGIN_PERCENT", "0")])
                .spike
                .begins_at
                > 1.0
        );
    }
}
