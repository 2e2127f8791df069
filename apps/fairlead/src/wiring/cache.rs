//! The cache of answers, as the configuration sizes it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use fairlead_api::CursorKey;
use fairlead_cache::{
    CacheSettings, EncryptionKey, Eviction, MemorySettings, OutageSettings, SharedSettings, TieredCache,
    Warmer,
};
use fairlead_domain::cache::{ActiveTenants, CacheControl as _, Namespace, Policy};
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::{Store, StoreError};

use crate::config::{CacheConfig, CacheEviction, Config, MonitorConfig, RedisConfig, Role, Secret};
use crate::{derived_key, tls};

/// Starts the cache; `None` when answers are not to be kept and there is no Redis, either: by that processes also tell
/// each other how far a tenant is written, for the sake of those who read replicas. Redis may be away.
pub(super) fn start(config: &Config, secret: &Secret) -> anyhow::Result<Option<TieredCache>> {
    if !config.cache.responses.enabled && config.cache.redis.url.is_none() {
        return Ok(None);
    }
    let settings = CacheSettings {
        shared: shared_settings(config, secret)?,
        load_limit: config.database.statement_timeout,
        sight_lag: sight_lag(&config.database.monitor),
        memory: memory(config),
        ..settings(&config.cache)
    };
    let cache = TieredCache::start(settings).context("cannot start the cache (cache.redis.url)")?;
    Ok(Some(cache))
}

/// How old may be what a read of the primary says that it has seen.
///
/// Commits are told within a second. What is known of the primary is from the moment before a look was sent; that may have
/// taken its time, and the next one may be on its way for as long. After that nothing is known.
fn sight_lag(monitor: &MonitorConfig) -> Duration {
    Duration::from_secs(1) + monitor.interval.max(monitor.timeout) + monitor.timeout
}

/// How Redis is used, if there is one.
pub(crate) fn shared_settings(config: &Config, secret: &Secret) -> anyhow::Result<Option<SharedSettings>> {
    let redis = &config.cache.redis;
    let Some(url) = &redis.url else {
        return Ok(None);
    };
    let file = redis.ca_file.as_deref();
    let authorities = file
        .map(tls::authorities)
        .transpose()
        .context("cannot trust the authority of Redis (cache.redis.ca_file)")?;
    Ok(Some(SharedSettings {
        authorities,
        ..shared(redis, url, secret)
    }))
}

/// Starts the cache of a process that serves nothing, so that it tells the others what it changes; `None` when there is
/// no Redis to tell it, or nobody keeps answers.
pub(crate) fn start_to_tell(config: &Config, secret: &Secret) -> anyhow::Result<Option<TieredCache>> {
    if config.cache.redis.url.is_none() {
        return Ok(None);
    }
    start(config, secret)
}

/// Warms the cache with what reads ask: on demand, and where requests are served also by the clock and by what it learns
/// is worth it.
pub(super) fn warmer(
    config: &Config,
    cache: &TieredCache,
    store: Arc<dyn Store>,
    lately: Arc<dyn ActiveTenants>,
    cursors: CursorKey,
) -> Arc<Warmer> {
    let datasets = fairlead_api::datasets(store, cursors);
    let tenants = Arc::new(AskingTenants(cache.clone()));
    let warmer = Warmer::new(cache.clone(), datasets, tenants);
    let warmer = Arc::new(warmer);
    if !config.roles.has(Role::Api) {
        return warmer;
    }
    warmer.start();
    if config.cache.warming.at_start {
        warmer.warm_at_start(lately);
    }
    let every = config.cache.warming.every_seconds;
    if every > 0 {
        warmer.start_schedule(Duration::from_secs(every));
    }
    warmer
}

/// The tenants that have asked this process for something since it started, those that ask most first.
#[derive(Debug)]
struct AskingTenants(TieredCache);

#[async_trait]
impl ActiveTenants for AskingTenants {
    async fn active(&self) -> Result<Vec<TenantId>, StoreError> {
        let report = self.0.report();
        Ok(report.tenants.into_iter().map(|(tenant, _)| tenant).collect())
    }
}

fn memory(config: &Config) -> MemorySettings {
    let (memory, compression) = (&config.cache.memory, &config.http.compression);
    MemorySettings {
        capacity_bytes: memory.capacity_bytes,
        tenant_bytes: memory.tenant_bytes,
        largest_bytes: memory.largest_bytes,
        eviction: match memory.eviction {
            CacheEviction::Frequency => Eviction::Frequency,
            CacheEviction::Recency => Eviction::Recency,
        },
        compressed_from: if compression.enabled {
            compression.threshold_bytes
        } else {
            usize::MAX
        },
    }
}

fn settings(config: &CacheConfig) -> CacheSettings {
    CacheSettings {
        policies: policies(config),
        outage: OutageSettings {
            unheard_ttl: config.redis.unheard_ttl,
            database_away: Duration::from_secs(config.database_away_seconds),
        },
        ..CacheSettings::default()
    }
}

fn shared(config: &RedisConfig, url: &Secret, secret: &Secret) -> SharedSettings {
    let key = || EncryptionKey::new(derived_key::derive(secret, "cache"));
    SharedSettings {
        prefix: config.prefix.clone(),
        connections: config.connections,
        command_timeout: config.command_timeout,
        compression_level: config.compression_level,
        encryption_key: config.encrypt.then(key),
        ..SharedSettings::at(url.expose())
    }
}

fn policies(config: &CacheConfig) -> BTreeMap<Namespace, Policy> {
    let redis = &config.redis;
    let is_encrypted = |name: &str| match redis.encrypted_kinds() {
        Some(mut kinds) => kinds.any(|kind| kind == name),
        None => true,
    };
    let is_compressed = |name: &str| match redis.compressed_kinds() {
        Some(mut kinds) => kinds.any(|kind| kind == name),
        None => true,
    };
    let policy = |namespace: Namespace| {
        let name = key_of(namespace);
        let ttl = config.ttl_seconds.get(&name).copied();
        let stale = config.stale_seconds_of.get(&name).copied().flatten();
        let policy = Policy::from(namespace.strategy());
        Policy {
            enabled: ttl != Some(0),
            ttl: ttl.map_or(policy.ttl, Duration::from_secs),
            stale: Duration::from_secs(stale.unwrap_or(config.stale_seconds)),
            compress: redis.compress && is_compressed(&name),
            encrypt: redis.encrypt && is_encrypted(&name),
        }
    };
    Namespace::ALL
        .into_iter()
        .map(|namespace| (namespace, policy(namespace)))
        .collect()
}

/// `leads_list` of `leads.list`: how the configuration names it.
fn key_of(namespace: Namespace) -> String {
    namespace.as_str().replace(['.', '-'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Input, load};

    fn config(variables: &[(&str, &str)]) -> CacheConfig {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment = variables.iter().map(own).collect();
        let input = Input {
            environment,
            ..Input::default()
        };
        load(&input).unwrap().config.cache
    }

    #[test]
    fn what_a_read_says_that_it_has_seen_is_from_before_two_slow_looks_at_the_most() {
        let monitor = |interval, timeout| MonitorConfig {
            interval: Duration::from_millis(interval),
            timeout: Duration::from_millis(timeout),
            ..crate::config::load(&Input::default())
                .unwrap()
                .config
                .database
                .monitor
        };

        assert_eq!(sight_lag(&monitor(100, 2_000)), Duration::from_secs(5));
        assert_eq!(sight_lag(&monitor(10_000, 50)), Duration::from_millis(11_050));
    }

    #[test]
    fn the_defaults_of_the_keys_are_those_of_the_kinds_of_answers() {
        let config = config(&[]);

        for (namespace, policy) in policies(&config) {
            assert_eq!(policy, Policy::from(namespace.strategy()), "{namespace}");
        }
    }

    #[test]
    fn every_key_of_a_time_to_live_is_read() {
        let known: Vec<String> = Namespace::ALL.map(key_of).into();

        for name in config(&[]).ttl_seconds.keys() {
            assert!(known.contains(name), "{name}");
        }
    }

    #[test]
    fn some_kinds_of_answers_may_be_encrypted_alone() {
        let some = [
            ("FAIRLEAD__CACHE__REDIS__ENCRYPT", "true"),
            ("FAIRLEAD__CACHE__REDIS__ENCRYPT_ONLY", "users_list, me"),
        ];
        let encrypted = |config: CacheConfig| {
            let policies = policies(&config).into_iter();
            let encrypted = policies.filter(|(_, policy)| policy.encrypt);
            encrypted.map(|(namespace, _)| namespace).collect::<Vec<_>>()
        };

        assert_eq!(encrypted(config(&some)), [Namespace::UserList, Namespace::Me]);
        assert_eq!(encrypted(config(&some[..1])), Namespace::ALL);
    }

    #[test]
    fn some_kinds_of_answers_may_be_kept_stale_and_compressed_otherwise() {
        let config = config(&[
            ("FAIRLEAD__CACHE__STALE_SECONDS", "5"),
            ("FAIRLEAD__CACHE__STALE_SECONDS_OF__ME", "0"),
            ("FAIRLEAD__CACHE__REDIS__COMPRESS_ONLY", "leads_list"),
        ]);

        let policies = policies(&config);

        assert_eq!(policies[&Namespace::Me].stale, Duration::ZERO);
        assert_eq!(policies[&Namespace::Lead].stale, Duration::from_secs(5));
        assert!(policies[&Namespace::LeadList].compress);
        assert!(!policies[&Namespace::Me].compress);
    }

    #[test]
    fn every_kind_of_answer_has_a_key_of_its_own_for_how_long_it_is_stale() {
        for name in Namespace::ALL.map(key_of) {
            let variable = format!("FAIRLEAD__CACHE__STALE_SECONDS_OF__{}", name.to_uppercase());

            let config = config(&[(&variable, "7")]);

            assert_eq!(config.stale_seconds_of.get(&name), Some(&Some(7)), "{name}");
        }
    }

    #[test]
    fn a_time_of_zero_keeps_nothing() {
        let config = config(&[
            ("FAIRLEAD__CACHE__TTL_SECONDS__LEADS_LIST", "0"),
            ("FAIRLEAD__CACHE__TTL_SECONDS__TENANT", "7"),
        ]);

        let policies = policies(&config);

        assert!(!policies[&Namespace::LeadList].enabled);
        assert_eq!(policies[&Namespace::Tenant].ttl, Duration::from_secs(7));
    }
}
