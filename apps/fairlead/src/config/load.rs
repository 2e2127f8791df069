//! From the layers to the typed struct.

use std::path::PathBuf;
use std::time::Duration;

use ::config::Value;

use super::error::{ConfigError, Fault};
use super::keys::{KEYS, Key, Preset};
use super::layers::{self, Layer};
use super::settings::{self, Config};

/// Where values may come from.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// The file; `None`: there is none.
    pub file: Option<PathBuf>,
    pub environment: Vec<(String, String)>,
    /// What command line flags set: key, flag, text.
    pub flags: Vec<(&'static str, &'static str, String)>,
}

/// What it takes to read what is left of an answer, and to note what came of it.
const NOTING: Duration = Duration::from_secs(5);
/// What a request needs behind a call to a service.
const AFTERWARDS: Duration = Duration::from_secs(1);
/// The file that is read when nobody names one, if it is there.
const USUAL_FILE: &str = "fairlead.toml";

impl Input {
    /// Takes this process's environment, and the file that is named: by `file`, else by `FAIRLEAD_CONFIG`.
    pub fn of_process(file: Option<PathBuf>) -> Self {
        // A variable that is not UTF-8 cannot be one of ours.
        let environment: Vec<(String, String)> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let named = environment
            .iter()
            .find(|(name, value)| name == "FAIRLEAD_CONFIG" && !value.is_empty());
        let file = file
            .or_else(|| named.map(|(_, path)| PathBuf::from(path)))
            .or_else(|| Some(PathBuf::from(USUAL_FILE)).filter(|path| path.exists()));
        Self {
            file,
            environment,
            flags: Vec::new(),
        }
    }

    /// Lets a command line flag set a key.
    #[must_use]
    pub fn flag(mut self, path: &'static str, flag: &'static str, value: Option<impl ToString>) -> Self {
        self.flags
            .extend(value.map(|value| (path, flag, value.to_string())));
        self
    }
}

/// The configuration, and where each value came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub config: Config,
    merged: Vec<(&'static str, Value)>,
}

impl Loaded {
    /// Returns the value of a key, in the form it has in the environment, and its origin.
    pub(super) fn value(&self, path: &str) -> Option<(&Value, &str)> {
        let (_, value) = self.merged.iter().find(|(merged, _)| *merged == path)?;
        Some((value, value.origin().unwrap_or("default")))
    }
}

/// Reads and checks the configuration.
///
/// # Errors
///
/// When any layer has an unknown key or a bad value, or when the values do not go together: all faults at once.
pub fn load(input: &Input) -> Result<Loaded, ConfigError> {
    let mut faults = Vec::new();
    let defaults = layers::defaults(&mut faults);
    let file = input
        .file
        .as_deref()
        .map(|path| layers::file(path, &mut faults))
        .unwrap_or_default();
    let environment = layers::environment(&input.environment, &mut faults);
    let flags = layers::flags(&input.flags, &mut faults);
    let preset = layers::preset(preset_of(&[&flags, &environment, &file, &defaults]), &mut faults);
    if !faults.is_empty() {
        return Err(ConfigError(faults));
    }
    let loaded = merge(&[defaults, preset, file, environment, flags])?;
    let conflicts = conflicts(&loaded);
    if conflicts.is_empty() {
        Ok(loaded)
    } else {
        Err(ConfigError(conflicts))
    }
}

/// Finds the preset in the first layer that names one.
fn preset_of(layers: &[&Layer]) -> Preset {
    let named = layers.iter().find_map(|layer| layer.get("preset"));
    named
        .and_then(|value| Preset::parse(&value.kind.to_string()))
        .unwrap_or(Preset::Development)
}

fn merge(layers: &[Layer; 5]) -> Result<Loaded, ConfigError> {
    let failed = |error: ::config::ConfigError| ConfigError(vec![Fault::Conflict(error.to_string())]);
    // Reading a value back out of the merged configuration would lose its origin.
    let last = |key: &Key| layers.iter().rev().find_map(|layer| layer.get(key.path)).cloned();
    let merged = KEYS
        .iter()
        .filter_map(|key| Some((key.path, last(key)?)))
        .collect();
    let mut builder = ::config::Config::builder();
    for layer in layers.clone() {
        builder = builder.add_source(layer);
    }
    let config = builder
        .build()
        .and_then(::config::Config::try_deserialize)
        .map_err(failed)?;
    Ok(Loaded { config, merged })
}

/// Finds values that do not go together.
fn conflicts(loaded: &Loaded) -> Vec<Fault> {
    let config = &loaded.config;
    let origin = |path: &str| loaded.value(path).map_or("not set", |(_, origin)| origin);
    let mut found = Vec::new();

    let database = &config.database;
    for (pool, min, max) in [
        ("database.pool", database.pool.min, database.pool.max),
        (
            "database.read_pool",
            database.read_pool.min,
            database.read_pool.max,
        ),
        (
            "database.system_pool",
            database.system_pool.min,
            database.system_pool.max,
        ),
    ] {
        if min > max {
            found.push(format!(
                "`{pool}.min` is {min} ({}), more than `{pool}.max`, which is {max} ({})",
                origin(&format!("{pool}.min")),
                origin(&format!("{pool}.max")),
            ));
        }
    }
    if config.auth.access_ttl > config.auth.refresh_ttl {
        found.push(format!(
            "`auth.access_ttl_seconds` ({}) is longer than `auth.refresh_ttl_seconds` ({})",
            origin("auth.access_ttl_seconds"),
            origin("auth.refresh_ttl_seconds"),
        ));
    }
    if config.events.stream.ping > config.events.stream.silence {
        found.push(format!(
            "`events.stream.ping_ms` ({}) is more than `events.stream.silence_ms` ({}): clients would be gone before they are \
             asked once more",
            origin("events.stream.ping_ms"),
            origin("events.stream.silence_ms"),
        ));
    }
    if config.webhooks.timeout + NOTING > config.jobs.webhooks.timeout {
        found.push(format!(
            "`webhooks.timeout_ms` ({}) is not 5,000 less than `jobs.webhooks.timeout_ms` ({}): attempts would be cut off \
             before it is noted what they came to",
            origin("webhooks.timeout_ms"),
            origin("jobs.webhooks.timeout_ms"),
        ));
    }
    if config.ai.provider.is_some() && config.upstreams.timeout + AFTERWARDS > config.http.request_timeout {
        found.push(format!(
            "`upstreams.timeout_ms` ({}) is not 1,000 less than `http.request_timeout_ms` ({}): requests would end before a \
             service that hangs is seen to do so",
            origin("upstreams.timeout_ms"),
            origin("http.request_timeout_ms"),
        ));
    }
    if config.ai.listener().is_some()
        && config.ai.transcription_timeout + AFTERWARDS > config.http.request_timeout
    {
        found.push(format!(
            "`ai.transcription_timeout_ms` ({}) is not 1,000 less than `http.request_timeout_ms` ({}): requests would end \
             before a service that hangs is seen to do so",
            origin("ai.transcription_timeout_ms"),
            origin("http.request_timeout_ms"),
        ));
    }
    found.extend(conflicts_of_payments(config, &origin));
    if config.ai.provider.is_some() && config.ai.model.is_none() {
        found.push(format!(
            "`ai.provider` is set ({}), but not `ai.model`: name the model that is asked",
            origin("ai.provider"),
        ));
    }
    found.extend(conflicts_of_kinds(config, &origin));
    found.extend(conflicts_of_alerts(config, &origin));
    let urls = ["database.url", "database.system_url", "database.owner_url"];
    let (set, missing): (Vec<&str>, Vec<&str>) =
        urls.into_iter().partition(|path| loaded.value(path).is_some());
    if let (Some(first), Some(_)) = (set.first(), missing.first()) {
        found.push(format!(
            "`{first}` is set ({}), but not `{}`; an external database takes all three of `{}`, the embedded one none",
            origin(first),
            missing.join("` nor `"),
            urls.join("`, `"),
        ));
    }
    if !config.database.replicas.is_empty() && config.database.url.is_none() {
        found.push(format!(
            "`database.replicas` is set ({}), but the embedded database has none; set `database.url` to their primary",
            origin("database.replicas"),
        ));
    }
    if config.database.url.is_some() && config.security.secret.is_none() {
        found.push(format!(
            "`security.secret` is not set, but with an external database (`database.url`, {}) every process must \
             have the same; make one: openssl rand -hex 32",
            origin("database.url"),
        ));
    }
    found.into_iter().map(Fault::Conflict).collect()
}

/// Those of the kinds of answers that are kept otherwise in Redis. Whoever names some to be encrypted must not find out later
/// that none was.
fn conflicts_of_kinds<'l>(config: &Config, origin: &impl Fn(&str) -> &'l str) -> Vec<String> {
    let redis = &config.cache.redis;
    let [encrypted, compressed] = [&redis.encrypt_only, &redis.compress_only].map(Option::as_deref);
    let named = [
        ("cache.redis.encrypt", redis.encrypt, encrypted),
        ("cache.redis.compress", redis.compress, compressed),
    ];
    let mut found = Vec::new();
    for (switch, is_on, kinds) in named {
        let Some(kinds) = kinds else { continue };
        let key = format!("{switch}_only");
        if !is_on {
            found.push(format!(
                "`{key}` is set ({}), but `{switch}` is false ({}), so none of these kinds is: set `{switch}` to true, or leave \
                 `{key}` out",
                origin(&key),
                origin(switch),
            ));
        }
        let unknown = settings::kinds(kinds).filter(|kind| !config.cache.ttl_seconds.contains_key(*kind));
        found.extend(unknown.map(|unknown| {
            format!(
                "`{key}` ({}) names `{unknown}`, but there is no `cache.ttl_seconds.{unknown}`",
                origin(&key),
            )
        }));
    }
    found
}

/// Those of who is told of alerts. Whoever has set what signs them, or where they may go, believes that they are posted.
fn conflicts_of_alerts<'l>(config: &Config, origin: &impl Fn(&str) -> &'l str) -> Vec<String> {
    let url = "performance.alerts.webhook_url";
    let secret = "performance.alerts.webhook_secret";
    let networks = "performance.alerts.webhook_networks";
    let alerts = &config.performance.alerts;
    if alerts.webhook_url.is_some() {
        let unsigned = alerts.webhook_secret.is_none().then(|| {
            format!(
                "`{url}` is set ({}), but not `{secret}`, by which the receiver knows who tells it; make one: \
                 echo whsec_$(openssl rand -base64 32)",
                origin(url),
            )
        });
        return unsigned.into_iter().collect();
    }
    let set = [
        (secret, alerts.webhook_secret.is_some()),
        (networks, alerts.webhook_networks.is_some()),
    ];
    let useless = set.into_iter().filter(|(_, is_set)| *is_set);
    useless
        .map(|(key, _)| {
            format!(
                "`{key}` is set ({}), but not `{url}`, so no alert is posted: set it, or leave `{key}` out",
                origin(key),
            )
        })
        .collect()
}

/// Those of what takes payments, where anything does.
fn conflicts_of_payments<'l>(config: &Config, origin: &impl Fn(&str) -> &'l str) -> Vec<String> {
    let mut found = Vec::new();
    if config.billing.stripe.api_key.is_none() {
        return found;
    }
    if config.billing.success_url.is_none() {
        found.push(format!(
            "`billing.stripe.api_key` is set ({}), but not `billing.success_url`: say where payers are led",
            origin("billing.stripe.api_key"),
        ));
    }
    // A payment makes three calls at the most: a customer or the end of a page, a look at that, and the payment.
    let calls = 3 * 2 * (config.upstreams.timeout + config.upstreams.max_wait) + NOTING;
    if calls > config.jobs.integrations.timeout {
        found.push(format!(
            "`upstreams.timeout_ms` ({}) is too long for `jobs.integrations.timeout_ms` ({}), which must be six times that \
             and 5,000 more: attempts would be cut off before it is noted what they came to",
            origin("upstreams.timeout_ms"),
            origin("jobs.integrations.timeout_ms"),
        ));
    }
    found
}
