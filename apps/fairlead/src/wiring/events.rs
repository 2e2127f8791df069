//! What is done about events, and whom they are published to.

use std::sync::Arc;

use anyhow::Context as _;
use fairlead_domain::clock::Clock;
use fairlead_domain::events::Consumer;
use fairlead_domain::identity::CountUsageByDay;
use fairlead_domain::webhooks::DispatchWebhooks;
use fairlead_rabbitmq::{RabbitMq, RabbitMqSettings};
use fairlead_worker::{
    BrokerParts, CommitSignal, Duties, FollowLimits, Live, Observing, Worker, WorkerParts,
};
use tokio::task::JoinHandle;

use crate::config::{AmqpConfig, Config, Role, Secret};
use crate::stores::Stores;
use crate::tls;

/// The worker, and the broker if there is one.
#[derive(Clone, Debug)]
pub(super) struct Events {
    pub(super) worker: Worker,
    pub(super) live: Live,
    /// Where this process publishes or consumes.
    broker: Option<RabbitMq>,
    /// Whether it handles what the broker delivers.
    consumes: bool,
}

/// Everybody who does something about events.
pub(super) fn consumers(stores: &Stores) -> Vec<Arc<dyn Consumer>> {
    vec![
        Arc::new(CountUsageByDay),
        Arc::new(DispatchWebhooks::new(stores.system.clone())),
    ]
}

impl Events {
    pub(super) fn new(
        whole: &Config,
        stores: &Stores,
        clock: &Arc<dyn Clock>,
        signal: CommitSignal,
        observing: Option<Observing>,
    ) -> anyhow::Result<Self> {
        let roles = &whole.roles;
        let config = &whole.events;
        let (leads, consumes) = (roles.has(Role::Relay), roles.has(Role::Worker));
        let url = config.amqp.url.as_ref();
        let settings = url.map(|url| broker_settings(&config.amqp, url)).transpose()?;
        let tried_for = settings.as_ref().map(RabbitMqSettings::tried_for);
        let broker = settings.map(RabbitMq::new);
        let parts = broker
            .clone()
            .zip(tried_for)
            .map(|(broker, tried_for)| BrokerParts {
                broker: Arc::new(broker),
                clock: Arc::clone(clock),
                catch_up_after: config.amqp.catch_up,
                give_up_after: config.amqp.catch_up + tried_for,
            });
        let live = Live::new(FollowLimits {
            all: config.stream.max,
            of_tenant: config.stream.max_per_tenant,
        });
        let worker = Worker::new(WorkerParts {
            log: stores.system.clone(),
            store: stores.store.clone(),
            consumers: consumers(stores),
            signal,
            live: live.clone(),
            observing,
            broker: parts,
            duties: Duties {
                leads,
                consumes,
                tells: roles.has(Role::Api),
            },
        });
        Ok(Self {
            worker,
            live,
            broker: broker.filter(|_| leads || consumes),
            consumes,
        })
    }

    pub(super) fn spawn(&self) -> Vec<JoinHandle<()>> {
        let mut tasks = self.worker.spawn();
        if let Some(broker) = &self.broker {
            tasks.push(broker.spawn(self.consumes.then(|| self.worker.handler())));
        }
        tasks
    }
}

/// How RabbitMQ is used, if it is at `url`.
pub(crate) fn broker_settings(config: &AmqpConfig, url: &Secret) -> anyhow::Result<RabbitMqSettings> {
    let mut settings = RabbitMqSettings::new(url.expose(), &config.prefix, config.first_retry)
        .context("cannot use RabbitMQ (events.amqp)")?
        .keeping_dead_letters(config.dead_letters);
    if let Some(file) = &config.ca_file {
        let authorities = tls::authorities(file);
        settings = authorities
            .and_then(|authorities| Ok(settings.trusting(authorities)?))
            .context("cannot trust the authority of RabbitMQ (events.amqp.ca_file)")?;
    }
    Ok(settings)
}
