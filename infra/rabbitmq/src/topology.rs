//! What there is on the broker, declared anew with each link: where it is already, nothing happens.
//!
//! ```text
//! fairlead.events            topic, key <tenant>.<aggregateType>.<event>: for whoever subscribes outside
//!   └─ # → fairlead.events.shards   headers, by `shard`
//!            ├─ shard=0 → fairlead.events.0       quorum, one active consumer, dead letters → fairlead.events.dead
//!            ⋮
//!            └─ shard=9 → fairlead.events.9
//! fairlead.events.retry.1000  quorum, 1 s, then back → fairlead.events.shards; so too 4, 16, 64 and 256 s
//! fairlead.events.dead        fanout → fairlead.events.dead, quorum
//! ```
//!
//! A topic exchange cannot hash, so the publisher names the shard in a header, and an exchange that routes by headers
//! hangs below the topic. A delivery that comes back from a retry goes by that exchange alone: subscribers outside
//! see an event once.

use std::time::Duration;

use lapin::options::{ExchangeBindOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Error, ExchangeKind};

use crate::settings::RabbitMqSettings;
use crate::shard::SHARDS;

/// The header that names the shard. Without a leading `x-`, which an exchange by headers does not look at.
pub(crate) const SHARD: &str = "shard";
/// A delivery that its consumer did not survive so often is a dead letter.
const DELIVERY_LIMIT: i64 = 20;

/// Names of exchanges and queues.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    pub(crate) topic: String,
    shards: String,
    pub(crate) dead: String,
}

impl Names {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            topic: format!("{prefix}.events"),
            shards: format!("{prefix}.events.shards"),
            dead: format!("{prefix}.events.dead"),
        }
    }

    pub(crate) fn shard(&self, number: u32) -> String {
        format!("{}.{number}", self.topic)
    }

    pub(crate) fn retry(&self, delay: Duration) -> String {
        format!("{}.retry.{}", self.topic, delay.as_millis())
    }
}

pub(crate) async fn declare(
    channel: &Channel,
    names: &Names,
    settings: &RabbitMqSettings,
) -> Result<(), Error> {
    for (exchange, kind) in [
        (&names.topic, ExchangeKind::Topic),
        (&names.shards, ExchangeKind::Headers),
        (&names.dead, ExchangeKind::Fanout),
    ] {
        let options = ExchangeDeclareOptions {
            durable: true,
            ..ExchangeDeclareOptions::default()
        };
        channel
            .exchange_declare(exchange.as_str().into(), kind, options, FieldTable::default())
            .await?;
    }
    channel
        .exchange_bind(
            names.shards.as_str().into(),
            names.topic.as_str().into(),
            "#".into(),
            ExchangeBindOptions::default(),
            FieldTable::default(),
        )
        .await?;
    declare_dead(channel, names).await?;
    bind(channel, &names.dead, &names.dead, FieldTable::default()).await?;
    for delay in settings.delays() {
        let milliseconds = i64::try_from(delay.as_millis()).unwrap_or(i64::MAX);
        let arguments = [
            ("x-message-ttl", AMQPValue::LongLongInt(milliseconds)),
            ("x-dead-letter-exchange", text(&names.shards)),
        ];
        queue(channel, &names.retry(delay), arguments).await?;
    }
    for number in 0..SHARDS {
        let name = names.shard(number);
        let arguments = [
            ("x-dead-letter-exchange", text(&names.dead)),
            ("x-delivery-limit", AMQPValue::LongLongInt(DELIVERY_LIMIT)),
            ("x-single-active-consumer", AMQPValue::Boolean(true)),
        ];
        queue(channel, &name, arguments).await?;
        let mut matching = FieldTable::default();
        matching.insert("x-match".into(), text("all"));
        matching.insert(SHARD.into(), text(&number.to_string()));
        bind(channel, &name, &names.shards, matching).await?;
    }
    Ok(())
}

/// Returns how many messages lie there.
pub(crate) async fn declare_dead(channel: &Channel, names: &Names) -> Result<u32, Error> {
    queue(channel, &names.dead, []).await
}

pub(crate) fn text(value: &str) -> AMQPValue {
    AMQPValue::LongString(value.into())
}

/// Returns how many messages lie there.
async fn queue<const N: usize>(
    channel: &Channel,
    name: &str,
    arguments: [(&'static str, AMQPValue); N],
) -> Result<u32, Error> {
    let mut table = FieldTable::default();
    table.insert("x-queue-type".into(), text("quorum"));
    for (argument, value) in arguments {
        table.insert(argument.into(), value);
    }
    let declared = channel
        .queue_declare(name.into(), QueueDeclareOptions::durable(), table)
        .await?;
    Ok(declared.message_count())
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, matching: FieldTable) -> Result<(), Error> {
    channel
        .queue_bind(
            queue.into(),
            exchange.into(),
            "".into(),
            QueueBindOptions::default(),
            matching,
        )
        .await
}
