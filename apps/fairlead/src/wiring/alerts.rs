//! Where operators are told of alerts.

use std::sync::Arc;

use anyhow::{Context as _, ensure};
use fairlead_auth::is_signing_secret;
use fairlead_domain::clock::Clock;
use fairlead_domain::identity;
use fairlead_domain::jobs::JobHandler;
use fairlead_domain::network::Network;
use fairlead_domain::performance::alerts::{Channel, TellAlert, TellAlertParts};
use fairlead_domain::webhooks::WebhookSender as _;
use fairlead_http::{GuardedClient, GuardedClientSettings, HttpWebhookSender};

use super::webhooks::Webhooks;
use crate::config::Config;

/// Beside the log.
pub(super) fn channels(config: &Config) -> Arc<[Channel]> {
    let webhook = config.performance.alerts.webhook_url.is_some();
    webhook.then_some(Channel::Webhook).into_iter().collect()
}

/// Who tells the receiver, if there is one.
///
/// It may be where no receiver of a tenant may: whoever names it has the configuration in hand. For the same reason it may
/// go without TLS, if its URL says so.
pub(super) fn handler(
    config: &Config,
    clock: &Arc<dyn Clock>,
    webhooks: &Webhooks,
) -> anyhow::Result<Option<Arc<dyn JobHandler>>> {
    let alerts = &config.performance.alerts;
    let Some(url) = &alerts.webhook_url else {
        return Ok(None);
    };
    let secret = alerts
        .webhook_secret
        .as_ref()
        .context("performance.alerts.webhook_url needs performance.alerts.webhook_secret")?;
    let secret = identity::Secret::new(secret.expose().to_owned());
    ensure!(
        is_signing_secret(&secret),
        "performance.alerts.webhook_secret must be whsec_ and the base64 of 24 to 64 bytes: \
         echo whsec_$(openssl rand -base64 32)"
    );
    let settings = GuardedClientSettings {
        user_agent: concat!("Fairlead/", env!("CARGO_PKG_VERSION")).to_owned(),
        allows_http: url.starts_with("http://"),
        allowed: Network::parse_list(alerts.webhook_networks.as_deref().unwrap_or_default())
            .context("performance.alerts.webhook_networks")?,
        denied: Vec::new(),
        connect_timeout: config.webhooks.connect_timeout,
        timeout: config.webhooks.timeout,
    };
    let client = GuardedClient::new(settings).context("cannot call the receiver of alerts")?;
    let sender = HttpWebhookSender::new(client, Arc::clone(clock), 1);
    let url = sender.check(url).context(
        "performance.alerts.webhook_url cannot be called; see performance.alerts.webhook_networks",
    )?;
    Ok(Some(Arc::new(TellAlert::new(TellAlertParts {
        sender: Arc::new(sender),
        signing: webhooks.secrets.clone(),
        clock: Arc::clone(clock),
        url,
        secret,
    }))))
}
