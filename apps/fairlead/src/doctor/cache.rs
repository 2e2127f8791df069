use fairlead_cache::{LinkError, ProbeError};

use super::Check;
use crate::config::{Config, Secret};
use crate::output::chain;
use crate::wiring;

const NAME: &str = "cache";

/// Connects once, where a Redis is configured.
pub(super) async fn check(config: &Config) -> Option<Check> {
    // What it would encrypt answers with is not looked at: nothing is stored.
    let nothing = Secret::new("");
    let settings = match wiring::shared_settings(config, &nothing) {
        Ok(settings) => settings?,
        Err(error) => {
            let fix = "correct cache.redis.ca_file";
            return Some(Check::fail(NAME, chain(error.as_ref()), fix));
        }
    };
    Some(match fairlead_cache::probe(&settings).await {
        Ok(found) if !found.is_named => Check::warn(
            NAME,
            format!(
                "Redis at {} does not tell which server it is: each process that connects drops what all have kept",
                found.place
            ),
            "allow the user of cache.redis.url to ask INFO, by ACL: +info",
        ),
        Ok(found) => Check::ok(
            NAME,
            format!(
                "Redis at {} answers in {} ms",
                found.place,
                found.took.as_millis()
            ),
        ),
        Err(error @ ProbeError::Bad(_)) => Check::fail(NAME, chain(&error), "correct cache.redis.url"),
        Err(error @ ProbeError::Link(LinkError::Untrusted(_))) => Check::fail(
            NAME,
            chain(&error),
            "name the PEM file of the authority that has signed its certificate in cache.redis.ca_file",
        ),
        Err(error) => Check::warn(
            NAME,
            chain(&error),
            "start it, or correct cache.redis.url; each process keeps its own answers meanwhile",
        ),
    })
}
