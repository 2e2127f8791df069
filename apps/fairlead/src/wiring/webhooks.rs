//! What webhooks are made of, and who sends them.

use std::sync::Arc;

use anyhow::Context as _;
use fairlead_api::WebhookServices;
use fairlead_auth::SealedSigningSecrets;
use fairlead_domain::clock::Clock;
use fairlead_domain::jobs::{JobHandler, QueueSettings, Retry};
use fairlead_domain::network::Network;
use fairlead_domain::webhooks::{
    DeliverWebhook, DeliverWebhookParts, DispatchEvents, ReplayWebhook, WebhookMeters,
};
use fairlead_http::{GuardedClient, GuardedClientSettings, HttpWebhookSender};

use crate::config::{Config, Secret, WebhooksConfig};
use crate::derived_key;
use crate::stores::Stores;

#[derive(Clone, Debug)]
pub(super) struct Webhooks {
    sender: Arc<HttpWebhookSender>,
    pub(super) secrets: Arc<SealedSigningSecrets>,
    clock: Arc<dyn Clock>,
    pub(super) meters: Arc<WebhookMeters>,
}

impl Webhooks {
    pub(super) fn new(
        config: &WebhooksConfig,
        queue: QueueSettings,
        secret: &Secret,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let settings = GuardedClientSettings {
            user_agent: concat!("Fairlead/", env!("CARGO_PKG_VERSION")).to_owned(),
            allows_http: config.allow_http,
            allowed: Network::parse_list(config.allowed_networks.as_deref().unwrap_or_default())
                .context("webhooks.allowed_networks")?,
            denied: Network::parse_list(config.denied_networks.as_deref().unwrap_or_default())
                .context("webhooks.denied_networks")?,
            connect_timeout: config.connect_timeout,
            timeout: config.timeout,
        };
        let client = GuardedClient::new(settings).context("cannot call the receivers of webhooks")?;
        Ok(Self {
            sender: Arc::new(HttpWebhookSender::new(
                client,
                Arc::clone(clock),
                queue.concurrency_of_one(),
            )),
            secrets: Arc::new(SealedSigningSecrets::new(derived_key::derive(
                secret,
                "webhook-secrets",
            ))),
            clock: Arc::clone(clock),
            meters: Arc::default(),
        })
    }

    pub(super) fn services(&self, config: &Config) -> WebhookServices {
        WebhookServices {
            secrets: self.secrets.clone(),
            sender: self.sender.clone(),
            max: config.webhooks.max_per_tenant,
        }
    }

    /// Who does their jobs, with the pauses of their queue.
    pub(super) fn handlers(&self, stores: &Stores, retry: Retry) -> [Arc<dyn JobHandler>; 3] {
        [
            Arc::new(DeliverWebhook::new(DeliverWebhookParts {
                store: stores.store.clone(),
                sender: self.sender.clone(),
                secrets: self.secrets.clone(),
                clock: Arc::clone(&self.clock),
                retry,
                meters: Arc::clone(&self.meters),
            })),
            Arc::new(DispatchEvents::new(stores.store.clone())),
            Arc::new(ReplayWebhook::new(stores.store.clone())),
        ]
    }
}
