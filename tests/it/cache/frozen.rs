//! Redis stops answering, and its connections stay: who asks waits for it a few times, and then not at all.

use std::cmp::Reverse;
use std::time::{Duration, Instant};

use fairlead_cache::SharedSettings;
use fairlead_devstack::Service;
use fairlead_domain::cache::Source;
use futures_util::future::join_all;
use tokio::time::timeout;

use super::nodes::{Node, Origin, patient};
use super::proxy::RedisProxy;
use super::server::RedisServer;

/// Longer than anything takes on a machine that others keep busy, so that who has waited for Redis is told from who has
/// waited for his turn; and less than half of what the client library itself would wait for.
const COMMAND_TIMEOUT: Duration = Duration::from_millis(200);
/// Nobody waits longer, whatever the machine does beside.
const AT_MOST: Duration = Duration::from_secs(3);
/// What begins before it is known that Redis does not answer.
const FEW: usize = 3;

fn settings(url: &str) -> SharedSettings {
    SharedSettings {
        command_timeout: COMMAND_TIMEOUT,
        ..patient(url)
    }
}

#[tokio::test]
async fn while_redis_is_frozen_a_few_wait_for_it_and_nobody_waits_long() {
    let redis = RedisServer::start().await;
    let node = Node::start(&Origin::new(), settings(redis.url())).await;
    node.value(7).await;
    redis.with(|stack| stack.pause(Service::Redis).unwrap()).await;

    let began = Instant::now();
    assert_eq!(node.ask(7).await.unwrap().source, Source::Memory);
    assert!(
        began.elapsed() < COMMAND_TIMEOUT,
        "what is at hand waits for nobody"
    );
    let mut waits = Vec::new();
    for lead in 100..130 {
        let began = Instant::now();
        let done = async {
            if lead < 120 {
                node.value(lead).await;
            } else {
                node.write(lead).await;
            }
        };
        timeout(AT_MOST, done)
            .await
            .unwrap_or_else(|_| panic!("lead {lead} waits for Redis"));
        waits.push(began.elapsed());
    }
    waits.sort_unstable_by_key(|wait| Reverse(*wait));

    let waited: Vec<_> = waits.iter().filter(|wait| **wait >= COMMAND_TIMEOUT).collect();
    println!("those who have waited for Redis: {waited:?}");
    assert!(waited.len() <= FEW, "they wait again and again: {waited:?}");
    let least = waited.last();
    assert!(
        least.is_none_or(|least| **least < 2 * COMMAND_TIMEOUT),
        "a command may take no longer: {waited:?}"
    );
    assert!(!node.cache.is_connected());
    assert!(node.shared().owed_bumps > 0);
    redis.with(|stack| stack.resume(Service::Redis).unwrap()).await;
    node.until_connected().await;
    assert_eq!(node.shared().owed_bumps, 0);
}

/// Many ask at once, of which none knows yet.
#[tokio::test]
async fn who_asks_when_redis_freezes_waits_as_long_as_a_command_may_take() {
    let redis = RedisServer::start().await;
    let node = Node::start(&Origin::new(), settings(redis.url())).await;
    redis.with(|stack| stack.pause(Service::Redis).unwrap()).await;

    let asking = (0..200).map(|lead| {
        let node = node.clone();
        fairlead_telemetry::spawn(async move { node.value(lead).await })
    });
    // One after the other they would wait for a minute.
    let answers = timeout(AT_MOST, join_all(asking))
        .await
        .expect("they wait for each other");

    assert!(answers.into_iter().all(|answer| answer.unwrap() == 0));
    redis.with(|stack| stack.resume(Service::Redis).unwrap()).await;
}

/// Nobody knows what Redis would have said, and the next one who asks may hear it.
#[tokio::test]
async fn what_was_loaded_without_a_word_of_redis_is_asked_about_again() {
    let redis = RedisServer::start().await;
    let proxy = RedisProxy::start(redis.url()).await;
    let node = Node::start(&Origin::new(), settings(proxy.url())).await;

    for lead in 0.. {
        assert!(lead < 20, "Redis is left alone each time");
        let before = node.shared();
        proxy.slow_by(2 * COMMAND_TIMEOUT);
        let without = node.ask(lead).await.unwrap();
        proxy.slow_by(Duration::ZERO);
        let next = node.ask(lead).await.unwrap();
        let after = node.shared();
        if after.outages > before.outages || after.failures != before.failures + 1 {
            // It was not this command alone that failed, as where Redis is left alone for a moment.
            node.until_connected().await;
            continue;
        }

        assert_eq!(without.source, Source::Loader);
        assert_ne!(
            next.source,
            Source::Memory,
            "it was kept as if Redis had vouched for it"
        );
        assert!(node.find(lead).is_some(), "Redis is asked each time");
        return;
    }
}
