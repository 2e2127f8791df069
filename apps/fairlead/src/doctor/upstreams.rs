use std::sync::Arc;

use fairlead_domain::clock::Clock;
use fairlead_domain::upstreams::UpstreamFault;

use url::{Host, Url};

use super::Check;
use crate::config::Config;
use crate::output::chain;
use crate::system::SystemClock;
use crate::wiring;

const NAME: &str = "ai";

/// Warns of a provider who is called without TLS elsewhere than on this machine.
pub(super) fn check_url(config: &Config) -> Option<Check> {
    config.ai.provider?;
    let url = Url::parse(config.ai.url.as_deref()?).ok()?;
    let is_near = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    (url.scheme() == "http" && !is_near).then(|| {
        Check::warn(
            "ai.url",
            "the provider is called without TLS: whoever is between reads the key, what is asked and what is answered",
            "name an https address in ai.url",
        )
    })
}

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
