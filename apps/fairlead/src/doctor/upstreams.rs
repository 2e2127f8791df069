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
const AUDIO: &str = "ai-audio";
const STRIPE: &str = "stripe";
const KIT: &str = "kit";

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

/// Asks for the models, where they are configured: that costs nothing.
pub(super) async fn check(config: &Config) -> Vec<Check> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let model = match wiring::language_model(config, &clock) {
        Ok(None) => return Vec::new(),
        Ok(Some((_, model))) => model,
        Err(error) => return vec![Check::fail(NAME, chain(error.as_ref()), "correct it")],
    };
    let asked = Model {
        check: NAME,
        name: config.ai.model.as_deref().unwrap_or_default(),
        key: "ai.model",
        meanwhile: "rules answer in its place meanwhile",
    };
    let mut checks = vec![asked.check(model.is_known().await)];
    if let Some(is_known) = model.is_listener_known().await {
        let listener = Model {
            check: AUDIO,
            name: config.ai.listener().unwrap_or_default(),
            key: "ai.transcription_model",
            meanwhile: "nobody listens to recordings meanwhile",
        };
        checks.push(listener.check(is_known));
    }
    checks
}

/// A model that is configured.
struct Model<'c> {
    check: &'static str,
    name: &'c str,
    key: &'static str,
    meanwhile: &'static str,
}

impl Model<'_> {
    fn check(&self, is_known: Result<bool, UpstreamFault>) -> Check {
        let Self {
            check,
            name,
            key,
            meanwhile,
        } = *self;
        match is_known {
            Ok(true) => Check::ok(check, format!("the provider has {name}")),
            Ok(false) => Check::fail(
                check,
                format!("the provider does not have {name}"),
                format!("name one that it has in {key}"),
            ),
            Err(fault @ UpstreamFault::Denied(_)) => {
                Check::fail(check, fault.to_string(), "correct ai.api_key")
            }
            Err(fault @ UpstreamFault::Refused(_)) => Check::fail(check, fault.to_string(), "correct ai.url"),
            Err(fault) => Check::warn(
                check,
                fault.to_string(),
                format!("start it, or correct ai.url; {meanwhile}"),
            ),
        }
    }
}

/// Asks for the prices that are configured, where Stripe is: that costs nothing.
pub(super) async fn check_payments(config: &Config) -> Option<Check> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let provider = match wiring::payment_provider(config, &clock) {
        Ok(None) => return None,
        Ok(Some((_, provider))) => provider,
        Err(error) => return Some(Check::fail(STRIPE, chain(error.as_ref()), "correct it")),
    };
    let billing = &config.billing;
    let prices = [
        ("billing.team.price", &billing.team.price),
        ("billing.business.price", &billing.business.price),
    ];
    let prices: Vec<(&str, &String)> = prices
        .into_iter()
        .filter_map(|(key, price)| Some((key, price.as_ref()?)))
        .collect();
    if prices.is_empty() {
        return Some(Check::fail(
            STRIPE,
            "no plan has a price, so nothing is for sale",
            "set billing.team.price or billing.business.price",
        ));
    }
    for (key, price) in &prices {
        match provider.has_price(price).await {
            Ok(true) => {}
            Ok(false) => {
                return Some(Check::fail(
                    STRIPE,
                    format!("it has no price {price} that can be subscribed to"),
                    format!("name one that it has in {key}"),
                ));
            }
            Err(fault @ UpstreamFault::Denied(_)) => {
                return Some(Check::fail(
                    STRIPE,
                    fault.to_string(),
                    "correct billing.stripe.api_key",
                ));
            }
            Err(fault) => {
                return Some(Check::warn(
                    STRIPE,
                    fault.to_string(),
                    "wait, or correct billing.stripe.url; payments wait meanwhile",
                ));
            }
        }
    }
    Some(if billing.stripe.webhook_secret.is_none() {
        Check::fail(
            STRIPE,
            "without the secret of its webhook nobody learns what was paid",
            "set billing.stripe.webhook_secret",
        )
    } else {
        Check::ok(STRIPE, format!("it has the prices of {} plans", prices.len()))
    })
}

/// Asks whose account it is, where Kit is.
pub(super) async fn check_mailing_list(config: &Config) -> Option<Check> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let list = match wiring::mailing_list(config, &clock) {
        Ok(None) => return None,
        Ok(Some((_, list))) => list,
        Err(error) => return Some(Check::fail(KIT, chain(error.as_ref()), "correct it")),
    };
    Some(match list.account().await {
        Ok(name) => Check::ok(KIT, format!("the account is that of {name}")),
        Err(fault @ UpstreamFault::Denied(_)) => Check::fail(KIT, fault.to_string(), "correct kit.api_key"),
        Err(fault @ UpstreamFault::Refused(_)) => Check::fail(KIT, fault.to_string(), "correct kit.url"),
        Err(fault) => Check::warn(
            KIT,
            fault.to_string(),
            "wait, or correct kit.url; subscriptions wait meanwhile",
        ),
    })
}
