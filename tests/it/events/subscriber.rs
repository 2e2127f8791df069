//! Somebody outside who subscribes to the events on the broker.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use fairlead::SystemIds;
use fairlead_devstack::{Service, control};
use fairlead_domain::clock::Ids as _;
use fairlead_telemetry::{spawn, spawn_blocking};
use futures_util::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, ExchangeDeclareOptions, QueueBindOptions,
    QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties, ExchangeKind};
use serde_json::Value;
use support::wait_until;
use tokio::task::JoinHandle;

/// The run's RabbitMQ, and names there that are a test's own.
#[derive(Clone, Debug)]
pub(super) struct TestBroker {
    pub(super) url: String,
    pub(super) prefix: String,
}

impl TestBroker {
    pub(super) async fn of_this_run() -> Self {
        let endpoint = spawn_blocking(|| control::need(Service::RabbitMq))
            .await
            .unwrap()
            .unwrap();
        Self::at(endpoint.url)
    }

    pub(super) fn at(url: String) -> Self {
        Self {
            url,
            prefix: format!("test-{}", SystemIds.next().simple()),
        }
    }

    pub(super) async fn connect(&self) -> (Connection, Channel) {
        let connection = Connection::connect(&self.url, ConnectionProperties::default())
            .await
            .unwrap();
        let channel = connection.create_channel().await.unwrap();
        (connection, channel)
    }

    /// How many messages a queue has.
    pub(super) async fn depth(&self, queue: &str) -> u32 {
        let (_connection, channel) = self.connect().await;
        let options = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let name = format!("{}.{queue}", self.prefix);
        let declared = channel
            .queue_declare(name.as_str().into(), options, FieldTable::default())
            .await;
        declared.map_or(0, |queue| queue.message_count())
    }

    /// The ids of the dead letters, the oldest first; takes them away.
    pub(super) async fn dead_letters(&self) -> Vec<String> {
        let (_connection, channel) = self.connect().await;
        let name = format!("{}.events.dead", self.prefix);
        let mut ids = Vec::new();
        while let Some(letter) = channel
            .basic_get(name.as_str().into(), BasicGetOptions { no_ack: true })
            .await
            .unwrap()
        {
            let id = letter.properties.message_id().as_ref();
            ids.push(id.expect("each is an event").to_string());
        }
        ids
    }
}

/// What came, in the order it did.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) routing_key: String,
    pub(super) envelope: Value,
    /// Seconds since 1970.
    pub(super) timestamp: Option<u64>,
    pub(super) trace_parent: Option<String>,
}

impl Message {
    pub(super) fn id(&self) -> &str {
        self.envelope["id"].as_str().unwrap()
    }
}

/// Subscribes to all events, by a queue that outlives the broker.
#[derive(Debug)]
pub(super) struct Subscriber {
    broker: TestBroker,
    queue: String,
    heard: Arc<Mutex<Vec<Message>>>,
    listening: JoinHandle<()>,
}

impl Subscriber {
    pub(super) async fn to(broker: &TestBroker) -> Self {
        let queue = format!("{}.outside", broker.prefix);
        let heard = Arc::new(Mutex::new(Vec::new()));
        subscribe(broker, &queue).await;
        Self {
            listening: listen(broker, &queue, &heard),
            broker: broker.clone(),
            queue,
            heard,
        }
    }

    /// Listens again, once the broker is back.
    pub(super) fn listen_again(&mut self) {
        self.listening.abort();
        self.listening = listen(&self.broker, &self.queue, &self.heard);
    }

    pub(super) fn heard(&self) -> Vec<Message> {
        self.heard.lock().unwrap().clone()
    }

    /// The messages that came first of each event, in their order.
    pub(super) fn firsts(&self) -> Vec<Message> {
        let mut seen = std::collections::BTreeSet::new();
        self.heard()
            .into_iter()
            .filter(|message| seen.insert(message.id().to_owned()))
            .collect()
    }

    /// Waits until so many different events were heard.
    pub(super) async fn until(&self, events: usize) {
        wait_until(&format!("{events} events are heard"), async || {
            self.firsts().len() >= events
        })
        .await;
    }

    /// Fails unless the events of each thing came first in the order of their versions.
    pub(super) fn assert_ordered(&self) {
        let mut versions: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for message in self.firsts() {
            let thing = message.envelope["aggregateid"].as_str().unwrap().to_owned();
            if let Some(version) = message.envelope["data"]["version"].as_i64() {
                versions.entry(thing).or_default().push(version);
            }
        }
        for (thing, versions) in versions {
            assert!(versions.is_sorted(), "{thing}: {versions:?}");
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn subscribe(broker: &TestBroker, queue: &str) {
    let (connection, channel) = broker.connect().await;
    let exchange = format!("{}.events", broker.prefix);
    let options = ExchangeDeclareOptions {
        durable: true,
        ..ExchangeDeclareOptions::default()
    };
    let none = FieldTable::default;
    channel
        .exchange_declare(exchange.as_str().into(), ExchangeKind::Topic, options, none())
        .await
        .unwrap();
    channel
        .queue_declare(queue.into(), QueueDeclareOptions::durable(), none())
        .await
        .unwrap();
    channel
        .queue_bind(
            queue.into(),
            exchange.as_str().into(),
            "#".into(),
            QueueBindOptions::default(),
            none(),
        )
        .await
        .unwrap();
    connection.close(200, "bound".into()).await.unwrap();
}

fn listen(broker: &TestBroker, queue: &str, heard: &Arc<Mutex<Vec<Message>>>) -> JoinHandle<()> {
    let (broker, queue, heard) = (broker.clone(), queue.to_owned(), Arc::clone(heard));
    spawn(async move {
        let (_connection, channel) = broker.connect().await;
        let consuming = channel.basic_consume(
            queue.as_str().into(),
            "".into(),
            BasicConsumeOptions::default(),
            FieldTable::default(),
        );
        let mut deliveries = consuming.await.unwrap();
        while let Some(Ok(delivery)) = deliveries.next().await {
            let headers = delivery.properties.headers().as_ref().unwrap();
            let trace_parent = match headers.inner().get("traceparent") {
                Some(AMQPValue::LongString(text)) => Some(text.to_string()),
                _ => None,
            };
            heard.lock().unwrap().push(Message {
                trace_parent,
                routing_key: delivery.routing_key.to_string(),
                envelope: serde_json::from_slice(&delivery.data).unwrap(),
                timestamp: *delivery.properties.timestamp(),
            });
            if delivery.ack(BasicAckOptions::default()).await.is_err() {
                return;
            }
        }
    })
}
