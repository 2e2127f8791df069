use fairlead_rabbitmq::{ConnectError, ProbeError};

use super::Check;
use crate::config::Config;
use crate::output::chain;
use crate::wiring;

const NAME: &str = "broker";

/// Connects once, where a broker is configured.
pub(super) async fn check(config: &Config) -> Option<Check> {
    let url = config.events.amqp.url.as_ref()?;
    let fix = "start it, or correct events.amqp.url; events wait in their log meanwhile, and none is lost";
    let settings = match wiring::broker_settings(&config.events.amqp, url) {
        Ok(settings) => settings,
        Err(error) => {
            return Some(Check::fail(
                NAME,
                chain(error.as_ref()),
                "correct events.amqp.url",
            ));
        }
    };
    Some(match fairlead_rabbitmq::probe(&settings).await {
        Ok(found) => Check::ok(
            NAME,
            format!(
                "RabbitMQ at {} links in {} ms",
                found.place,
                found.took.as_millis()
            ),
        ),
        Err(error @ ProbeError::Connect(ConnectError::Untrusted(_))) => Check::fail(
            NAME,
            chain(&error),
            "name the PEM file of the authority that has signed its certificate in events.amqp.ca_file",
        ),
        Err(error) => Check::warn(NAME, chain(&error), fix),
    })
}
