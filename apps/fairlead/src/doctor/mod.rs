//! Checks of everything this process depends on, each with what mends it.

mod broker;
mod cache;
mod database;
mod machine;
mod secrets;
mod server;
mod upstreams;

use serde::Serialize;

use crate::config::{Config, ConfigError, Input, Loaded, load};

/// What was found.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The worst of all checks.
    pub verdict: Verdict,
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    pub name: &'static str,
    pub verdict: Verdict,
    pub detail: String,
    /// What to do about it; nothing where nothing is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Ok,
    Warn,
    Fail,
}

impl Check {
    pub(crate) fn ok(name: &'static str, detail: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Ok,
            detail: detail.into(),
            fix: None,
        }
    }

    pub(crate) fn warn(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Warn,
            detail: detail.into(),
            fix: Some(fix.into()),
        }
    }

    pub(crate) fn fail(name: &'static str, detail: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Fail,
            detail: detail.into(),
            fix: Some(fix.into()),
        }
    }
}

impl Report {
    fn new(checks: Vec<Check>) -> Self {
        let verdict = checks
            .iter()
            .map(|check| check.verdict)
            .max()
            .unwrap_or(Verdict::Ok);
        Self { verdict, checks }
    }
}

/// Checks all there is. Nothing is changed, but an embedded database that is not running is started meanwhile.
pub async fn examine(input: &Input) -> Report {
    let loaded = match load(input) {
        Ok(loaded) => loaded,
        Err(error) => return Report::new(faults(&error)),
    };
    let config = &loaded.config;
    let mut checks = vec![configuration(&loaded, input), roles(config)];
    checks.extend(secrets::check(config));
    checks.extend(database::check(config).await);
    checks.extend(cache::check(config).await);
    checks.extend(broker::check(config).await);
    checks.extend(upstreams::check_url(config));
    checks.extend(upstreams::check(config).await);
    checks.extend(upstreams::check_payments(config).await);
    checks.extend(upstreams::check_mailing_list(config).await);
    checks.extend(machine::check(config));
    Report::new(checks)
}

fn faults(error: &ConfigError) -> Vec<Check> {
    let fix = "correct it; `fairlead config explain --help` and the message say what is allowed";
    error
        .0
        .iter()
        .map(|fault| Check::fail("configuration", fault.to_string(), fix))
        .collect()
}

/// Which process does the rest, nobody knows here.
fn roles(config: &Config) -> Check {
    let of_others = config.roles.of_others();
    let detail = if of_others.is_empty() {
        format!("this process does all: {}", config.roles)
    } else {
        format!(
            "this process does {}, and leaves {} to others: see that there are some",
            config.roles,
            of_others.join(",")
        )
    };
    Check::ok("roles", detail)
}

fn configuration(loaded: &Loaded, input: &Input) -> Check {
    let Config { preset, .. } = &loaded.config;
    let file = input
        .file
        .as_ref()
        .map_or_else(|| "no file".to_owned(), |file| file.display().to_string());
    Check::ok("configuration", format!("preset {}, {file}", preset.as_str()))
}
