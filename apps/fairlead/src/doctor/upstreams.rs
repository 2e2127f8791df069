use std::sync::Arc;

use fairlead_domain::clock::Clock;
use fairlead_domain::upstreams::UpstreamFault;

use super::Check;
use crate::config::Config;
use crate::output::chain;
use crate::system::SystemClock;
use crate::wiring;

const NAME: &str = "ai";

/// Asks for the model, where one is configured: that costs nothing.
pub(super) async fn check(config: &Config) -> Option<Check> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let model = match wiring::language_model(config, &clock) {
        Ok(None) => return None,
        Ok(Some((_, model))) => model,
        Err(error) => return Some(Check::fail(NAME, chain(error.as_ref()), "correct it")),
    };
    let name = config.ai.model.as_deref().unwrap_or_default();
    Some(match model.is_known().await {
        Ok(true) => Check::ok(NAME, format!("the provider has {name}")),
        Ok(false) => Check::fail(
            NAME,
            format!("the provider does not have {name}"),
            "name one that it has in ai.model",
        ),
        Err(fault @ UpstreamFault::Denied(_)) => Check::fail(NAME, fault.to_string(), "correct ai.api_key"),
        Err(fault @ UpstreamFault::Refused(_)) => Check::fail(NAME, fault.to_string(), "correct ai.url"),
        Err(fault) => Check::warn(
            NAME,
            fault.to_string(),
            "start it, or correct ai.url; rules answer in its place meanwhile",
        ),
    })
}
