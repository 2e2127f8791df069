//! Two nodes and one Redis: what one knows the other knows, and what one changes the other hears.

use std::time::{Duration, Instant};

use fairlead_cache::{CacheSettings, EncryptionKey, SharedSettings};
use fairlead_domain::cache::{Namespace, Policy, Source};
use fairlead_domain::consistency::Consistency;
use fairlead_telemetry::spawn;
use support::repetitions;

use super::nodes::{Gate, Node, Origin, patient, value};
use super::proxy::RedisProxy;
use super::server::RedisServer;

#[tokio::test]
async fn what_one_node_has_loaded_another_finds() {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    let first = Node::start(&origin, patient(redis.url())).await;
    let second = Node::start(&origin, patient(redis.url())).await;

    assert_eq!(first.ask(7).await.unwrap().source, Source::Loader);
    support::wait_until("it lies in Redis", async || {
        !redis.keys("fl:*:e:*").await.is_empty()
    })
    .await;

    let found = second.ask(7).await.unwrap();
    assert_eq!(found.source, Source::Shared);
    assert_eq!(found.entry.body(), first.ask(7).await.unwrap().entry.body());
    assert_eq!(second.ask(7).await.unwrap().source, Source::Memory);
    let of_another = second.of_tenant(2).ask(7).await.unwrap();
    assert_eq!(
        of_another.source,
        Source::Loader,
        "a tenant was given another's answer"
    );
    assert_eq!(origin.loads(), 2);
}

#[tokio::test]
async fn misses_on_two_nodes_at_once_run_one_load() {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    origin.take(Duration::from_millis(30));
    // A machine that builds at the same time is slow; what counts is that they wait for each other.
    let settings = SharedSettings {
        lease: Duration::from_secs(20),
        lease_wait: Duration::from_secs(20),
        ..patient(redis.url())
    };
    let nodes = [
        Node::start(&origin, settings.clone()).await,
        Node::start(&origin, settings).await,
    ];

    let asking: Vec<_> = (0..500)
        .map(|number| {
            let node = nodes[number % 2].clone();
            spawn(async move { node.value(7).await })
        })
        .collect();
    for asked in asking {
        assert_eq!(asked.await.unwrap(), 0);
    }

    assert_eq!(origin.loads(), 1);
}

#[tokio::test]
async fn a_load_that_a_change_on_another_node_overtakes_is_kept_nowhere() {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    let slow = Node::start(&origin, patient(redis.url())).await;
    let writer = Node::start(&origin, patient(redis.url())).await;
    let gate = Gate::closed();
    let early = spawn({
        let (slow, gate) = (slow.clone(), gate.clone());
        async move { value(&slow.ask_for(7, Consistency::Eventual, Some(gate)).await.unwrap()) }
    });
    gate.until_reached().await;

    let (written, _) = writer.write(7).await;
    gate.open();

    assert_eq!(early.await.unwrap(), 0, "it asked before the change");
    support::wait_until("the change is heard", async || slow.value(7).await == written).await;
    assert_eq!(writer.value(7).await, written);
    let third = Node::start(&origin, patient(redis.url())).await;
    assert_eq!(
        third.value(7).await,
        written,
        "Redis kept what was read before the change"
    );
}

#[tokio::test]
async fn a_refill_reads_past_the_change_though_the_replica_lags() {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    let writer = Node::start(&origin, patient(redis.url())).await;
    let reader = Node::start(&origin, patient(redis.url())).await;
    assert_eq!(reader.value(7).await, 0);
    origin.stop_replay();

    let (written, position) = writer.write(7).await;

    assert_eq!(writer.value(7).await, written);
    let told = reader
        .ask_for(7, Consistency::AtLeast(position), None)
        .await
        .unwrap();
    assert_eq!(value(&told), written, "the token was not honoured");
    // One that has heard no message: it learns from Redis what it must read.
    for name in redis.keys("fl:*:e:*").await {
        redis.command::<()>(redis::cmd("DEL").arg(name)).await;
    }
    let newcomer = Node::start(&origin, patient(redis.url())).await;
    assert_eq!(newcomer.value(7).await, written);
}

#[tokio::test]
async fn when_counters_and_the_last_write_are_lost_loads_read_all_there_is() {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    let writer = Node::start(&origin, patient(redis.url())).await;
    origin.stop_replay();
    let reader = Node::start(&origin, patient(redis.url())).await;
    // Its floor lies before the change.
    assert_eq!(reader.value(1).await, 0);
    let (written, _) = writer.write(7).await;

    redis.command::<()>(&redis::cmd("FLUSHALL")).await;

    assert_eq!(reader.value(7).await, written);
    assert_eq!(writer.value(7).await, written);
}

/// Writes on one node and asks on the other until it has heard; returns how long each took, sorted.
async fn delays(writer: &Node, reader: &Node, count: usize) -> Vec<Duration> {
    let mut delays = Vec::new();
    for _ in 0..count {
        reader.value(7).await;
        let (written, _) = writer.write(7).await;
        let answered = Instant::now();
        while reader.value(7).await < written {
            tokio::time::sleep(Duration::from_micros(200)).await;
            assert!(
                answered.elapsed() < Duration::from_secs(5),
                "the change is never heard"
            );
        }
        delays.push(answered.elapsed());
    }
    delays.sort_unstable();
    delays
}

/// The promise: nineteen of twenty changes are seen this soon, also when a message in ten is lost.
const PROMISED: Duration = Duration::from_millis(100);
/// How often it is tried. Two cores that build something beside keep a process from its turn now and then for longer than
/// a message is on its way, so not every round can keep the promise; but what is too slow by itself is so in each.
const ROUNDS: usize = 3;
/// Of any change, whatever the machine does: if all messages of a change were lost, the heartbeat of each second tells.
const AT_LAST: Duration = Duration::from_secs(2);

/// Holds one round to the promise, the median of all rounds to the same time, and each change to the last heartbeat.
#[expect(clippy::print_stdout, reason = "what was measured")]
async fn assert_soon(what: &str, writer: &Node, reader: &Node) {
    let mut all = Vec::new();
    let mut is_kept = false;
    for round in 1..=ROUNDS {
        let delays = delays(writer, reader, repetitions(200)).await;
        let [usual, nearly_all, nearly_every_one, longest] =
            [50, 95, 99, 100].map(|percent| at(percent, &delays));
        println!(
            "{what}, round {round}: {} writes, seen by the other node after P50 {usual:?}, P95 {nearly_all:?}, P99 \
             {nearly_every_one:?}, at most {longest:?}",
            delays.len(),
        );
        all.extend(delays);
        is_kept = nearly_all <= PROMISED;
        if is_kept {
            break;
        }
    }
    all.sort_unstable();
    assert!(is_kept, "P95 {:?} in {ROUNDS} rounds", at(95, &all));
    assert!(at(50, &all) < PROMISED, "P50 {:?}", at(50, &all));
    assert!(at(100, &all) < AT_LAST, "{:?}", at(100, &all));
}

fn at(percent: usize, sorted: &[Duration]) -> Duration {
    sorted[(sorted.len() - 1) * percent / 100]
}

#[tokio::test]
async fn a_change_on_one_node_is_seen_on_the_other_at_once() {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    let writer = Node::start(&origin, patient(redis.url())).await;
    let reader = Node::start(&origin, patient(redis.url())).await;

    assert_soon("all messages arrive", &writer, &reader).await;
}

#[tokio::test]
async fn a_change_is_seen_soon_though_one_message_in_ten_is_lost() {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    let writer = Node::start(&origin, patient(redis.url())).await;
    let proxy = RedisProxy::start(redis.url()).await;
    let reader = Node::start(&origin, patient(proxy.url())).await;
    proxy.lose_percent(10);

    assert_soon("one message in ten is lost", &writer, &reader).await;

    let (messages, lost) = proxy.messages();
    assert!(lost > 0, "of {messages} messages nothing was lost");
}

#[tokio::test]
async fn what_is_to_be_encrypted_cannot_be_read_in_redis() {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    let sealed = |key: u8| {
        let policy = Policy {
            encrypt: true,
            compress: false,
            ..Namespace::Lead.strategy().into()
        };
        CacheSettings {
            shared: Some(SharedSettings {
                encryption_key: Some(EncryptionKey::new([key; 32])),
                prefix: "other".to_owned(),
                ..patient(redis.url())
            }),
            policies: [(Namespace::Lead, policy)].into(),
            ..CacheSettings::default()
        }
    };
    let node = Node::with(&origin, sealed(1)).await;
    node.ask(7).await.unwrap();
    support::wait_until("it lies in Redis", async || {
        !redis.keys("other:*:e:*").await.is_empty()
    })
    .await;

    let name = redis.keys("other:*:e:*").await.remove(0);
    let value: Vec<u8> = redis.command(redis::cmd("HGET").arg(name).arg("v")).await;

    assert!(value.len() > 1_000 && !value.windows(5).any(|part| part == b"words"));
    let same_key = Node::with(&origin, sealed(1)).await;
    assert_eq!(same_key.ask(7).await.unwrap().source, Source::Shared);
    let other_key = Node::with(&origin, sealed(2)).await;
    assert_eq!(other_key.ask(7).await.unwrap().source, Source::Loader);
}
