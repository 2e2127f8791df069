//! How old an answer is, and until when it is shown, whoever has loaded it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use fairlead_cache::{CacheSettings, OutageSettings};
use fairlead_domain::cache::{CacheControl as _, Freshness, Namespace, Policy, Source};

use super::nodes::{Node, Origin, key, tags};
use super::server::RedisServer;

const MINUTE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn an_answer_that_is_taken_over_is_as_old_as_it_was_and_ends_when_it_would_have() {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    let policy = Policy {
        ttl: MINUTE,
        stale: MINUTE,
        ..Namespace::Lead.strategy().into()
    };
    let settings = CacheSettings {
        shared: Some(redis.settings()),
        policies: [(Namespace::Lead, policy)].into(),
        outage: OutageSettings {
            database_away: Duration::ZERO,
            ..OutageSettings::default()
        },
        ..CacheSettings::default()
    };
    let first = Node::with(&origin, settings.clone()).await;
    let second = Node::with(&origin, settings).await;
    first.value(7).await;
    support::wait_until("it lies in Redis", async || {
        !redis.keys("fl:*:e:*").await.is_empty()
    })
    .await;
    let name = redis.keys("fl:*:e:*").await.remove(0);

    // As if nearly all of its time had passed.
    redis
        .command::<()>(redis::cmd("PEXPIRE").arg(name).arg(2_000))
        .await;
    origin.is_away.store(true, Ordering::SeqCst);
    let found = second.ask(7).await.unwrap();

    assert_eq!(
        (found.source, found.freshness),
        (Source::Shared, Freshness::Stale)
    );
    // A life is up to six seconds shorter than two minutes, so that not all end at once.
    assert!(found.age > MINUTE + Duration::from_secs(50), "{:?}", found.age);
    support::wait_until("it is over where it was taken over, too", async || {
        second.ask(7).await.is_err()
    })
    .await;
}

#[tokio::test]
async fn what_was_loaded_together_does_not_expire_together() {
    let origin = Origin::new();
    let policy = Policy {
        ttl: MINUTE,
        ..Namespace::Lead.strategy().into()
    };
    let settings = CacheSettings {
        policies: [(Namespace::Lead, policy)].into(),
        ..CacheSettings::default()
    };
    let node = Node::unconnected(&origin, settings);
    let mut lives = Vec::new();
    for lead in 0..200 {
        node.value(lead).await;
        let explained = node
            .cache
            .explain(node.scope().tenant(), &key(lead), &tags(lead))
            .await;
        let kept = explained.memory.expect("it was just loaded");
        lives.push(kept.age + kept.fresh_for);
    }

    // Two hundred of an even share between nine tenths of a minute and all of it: that a tenth of them falls on half a
    // second, of twelve, happens once; that a third does, never.
    let (shortest, longest) = (lives.iter().min().unwrap(), lives.iter().max().unwrap());
    assert!(
        *shortest >= MINUTE.mul_f64(0.9) && *longest <= MINUTE,
        "{shortest:?} to {longest:?}"
    );
    for life in &lives {
        let at_once = lives
            .iter()
            .filter(|other| other.abs_diff(*life) < Duration::from_millis(250));
        let at_once = at_once.count();
        assert!(at_once < lives.len() / 3, "{at_once} end within half a second");
    }
}
