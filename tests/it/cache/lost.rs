//! Messages that are lost, and what they would have told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fairlead_cache::{CacheSettings, OutageSettings, SharedSettings};
use fairlead_devstack::Service;
use fairlead_domain::cache::{CacheControl as _, Invalidate, Source};

use super::nodes::{Node, Origin, key, patient};
use super::proxy::RedisProxy;
use super::server::RedisServer;

/// A node that tells, and one that misses what it tells until the heartbeats come through again.
struct Deaf {
    redis: RedisServer,
    origin: Arc<Origin>,
    teller: Node,
    node: Node,
    proxy: RedisProxy,
}

impl Deaf {
    async fn start() -> Self {
        let redis = RedisServer::start().await;
        let origin = Origin::new();
        let teller = Node::start(&origin, redis.settings()).await;
        let proxy = RedisProxy::start(redis.url()).await;
        let node = Node::start(&origin, SharedSettings::at(proxy.url())).await;
        Self {
            redis,
            origin,
            teller,
            node,
            proxy,
        }
    }

    /// Loses all messages of what `tell` does; returns when the node knows that it has missed something.
    async fn misses(&self, tell: impl AsyncFnOnce(&Node)) {
        let gaps = self.gaps();
        let lost = self.proxy.lost_bumps();
        self.proxy.lose_percent(100);
        tell(&self.teller).await;
        // Redis has sent it then; the proxy may not have read it yet.
        support::wait_until("it is lost", async || self.proxy.lost_bumps() > lost).await;
        self.proxy.lose_percent(0);
        support::wait_until("the gap is noticed", async || self.gaps() > gaps).await;
    }

    fn gaps(&self) -> u64 {
        self.node.cache.report().shared.unwrap().gaps
    }
}

#[tokio::test]
async fn an_answer_that_has_changed_unheard_does_not_stand_in_for_the_database() {
    let deaf = Deaf::start().await;
    deaf.node.value(7).await;
    deaf.node.value(8).await;

    deaf.misses(async |teller| {
        teller.write(7).await;
    })
    .await;
    deaf.origin.is_away.store(true, Ordering::SeqCst);

    let changed = deaf.node.ask(7).await;
    assert!(
        changed.is_err_and(|failure| failure.is_outage()),
        "what Redis knew to have changed was served"
    );
    let unchanged = deaf.node.ask(8).await.unwrap();
    assert_eq!(unchanged.source, Source::Memory, "Redis vouches for it");
    let again = deaf.node.find(8);
    assert!(again.is_some(), "Redis is asked for it each time");
    assert!(deaf.node.cache.is_connected(), "{:?}", deaf.redis);
}

#[tokio::test]
async fn what_may_have_changed_unheard_stands_in_for_nothing_while_redis_is_away() {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    let settings = CacheSettings {
        shared: Some(redis.settings()),
        outage: OutageSettings {
            unheard_ttl: Duration::from_millis(100),
            ..OutageSettings::default()
        },
        ..CacheSettings::default()
    };
    let node = Node::with(&origin, settings).await;
    node.value(7).await;
    redis.with(|stack| stack.kill(Service::Redis).unwrap()).await;
    support::wait_until("Redis is left alone", async || !node.cache.is_connected()).await;
    origin.is_away.store(true, Ordering::SeqCst);

    support::wait_until("it counts as unheard", async || node.ask(7).await.is_err()).await;

    redis.with(|stack| stack.restart(Service::Redis).unwrap()).await;
    origin.is_away.store(false, Ordering::SeqCst);
    node.until_connected().await;
    assert_eq!(node.value(7).await, 0);
}

/// Another has dropped everything, and what is called what since then cannot be read.
#[tokio::test]
async fn while_it_cannot_be_read_what_was_dropped_redis_is_left_alone() {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    let teller = Node::start(&origin, patient(redis.url())).await;
    let node = Node::start(&origin, patient(redis.url())).await;
    assert_eq!(node.value(7).await, 0);
    let changed = origin.change_past_all(7);
    let allow = async |rule: &str| {
        let mut rules = redis::cmd("ACL");
        rules.arg("SETUSER").arg("default").arg(rule);
        redis.command::<()>(&rules).await;
    };

    allow("-hgetall").await;
    teller.cache.invalidate(Invalidate::Everything).await;
    support::wait_until("Redis is left alone", async || !node.cache.is_connected()).await;
    assert!(node.shared().outages > 0, "nobody is told");

    allow("+hgetall").await;
    node.until_connected().await;
    assert_eq!(node.value(7).await, changed);
}

/// A node is cut off, changes something, and ends. Nobody is left who knows.
#[tokio::test]
async fn what_a_node_took_with_it_untold_is_shown_by_nobody_for_long() {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    let settings = SharedSettings {
        missed_after: Duration::from_secs(2),
        ..redis.settings()
    };
    let proxy = RedisProxy::start(redis.url()).await;
    let through = SharedSettings {
        url: proxy.url().to_owned(),
        ..settings.clone()
    };
    let writer = Node::start(&origin, through).await;
    let reader = Node::start(&origin, settings).await;
    assert_eq!(reader.value(7).await, 0);

    proxy.cut();
    let (written, _) = writer.write(7).await;
    assert!(writer.cache.report().shared.unwrap().owed_bumps > 0);
    drop(writer);

    assert_eq!(reader.value(7).await, 0, "it has heard of it");
    support::wait_until("it is missed", async || reader.value(7).await == written).await;
}

#[tokio::test]
async fn a_node_that_closes_has_told_everything_and_is_not_missed() {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    let settings = SharedSettings {
        missed_after: Duration::from_secs(1),
        ..redis.settings()
    };
    let writer = Node::start(&origin, settings.clone()).await;
    let reader = Node::start(&origin, settings).await;
    reader.value(7).await;
    reader.value(8).await;
    redis.with(|stack| stack.pause(Service::Redis).unwrap()).await;
    let (written, _) = writer.write(7).await;
    assert!(
        !writer.cache.close(Duration::from_millis(10)).await,
        "nobody was told"
    );
    redis.with(|stack| stack.resume(Service::Redis).unwrap()).await;
    assert!(writer.cache.close(Duration::from_secs(20)).await);
    // Long enough for its next sign of life.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    drop(writer);

    reader.until_connected().await;
    assert_eq!(reader.value(7).await, written);
    reader.value(8).await;
    let loads = origin.loads();
    // Long enough to miss somebody.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(reader.ask(8).await.unwrap().source, Source::Memory);
    assert_eq!(origin.loads(), loads);
}

#[tokio::test]
async fn a_dropped_answer_is_not_vouched_for() {
    let deaf = Deaf::start().await;
    deaf.node.value(7).await;
    let tenant = deaf.node.scope().tenant();

    deaf.misses(async |teller| teller.cache.invalidate(Invalidate::Key(tenant, key(7))).await)
        .await;

    assert_eq!(deaf.node.ask(7).await.unwrap().source, Source::Loader);
}

/// Ends a node without a word, and waits until the others have taken it off the roll.
async fn dies(node: Node, redis: &RedisServer) {
    let roll = async || {
        redis
            .command::<Vec<String>>(redis::cmd("SMEMBERS").arg("fl:roll"))
            .await
    };
    let before = roll().await.len();
    drop(node);
    support::wait_until("it is missed", async || roll().await.len() < before).await;
}

fn missed_soon(redis: &RedisServer) -> SharedSettings {
    SharedSettings {
        missed_after: Duration::from_secs(2),
        ..redis.settings()
    }
}

/// What it has changed untold they have found there, so nothing need be dropped.
#[tokio::test]
async fn a_node_that_dies_costs_those_nothing_who_follow_the_log() {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    let settings = missed_soon(&redis);
    let survivors = [
        Node::start(&origin, settings.clone()).await,
        Node::start(&origin, settings.clone()).await,
    ];
    survivors[0].follow();
    // Long enough for what was told before anybody followed to be told.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let victim = Node::start(&origin, settings).await;
    for node in &survivors {
        node.value(7).await;
    }
    // Everybody has seen everybody.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (era_before, loads) = (redis.era().await, origin.loads());

    dies(victim, &redis).await;
    tokio::time::sleep(Duration::from_secs(4)).await;

    assert_eq!(redis.era().await, era_before, "everything was dropped");
    for node in &survivors {
        assert_eq!(node.ask(7).await.unwrap().source, Source::Memory);
    }
    assert_eq!(origin.loads(), loads);
}

#[tokio::test]
async fn where_nobody_follows_the_log_one_drops_everything_and_replicas_go_on_reading() {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    let settings = missed_soon(&redis);
    let survivors = [(); 3].map(|()| Node::start(&origin, settings.clone()));
    let survivors = futures_util::future::join_all(survivors).await;
    let victim = Node::start(&origin, settings).await;
    for node in &survivors {
        node.value(7).await;
        node.value(8).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    // What was committed before it started is behind each of them by now, so that it need not read the primary for that.
    for (node, lead) in survivors.iter().zip(10..) {
        node.value(lead).await;
    }
    let mut eras = vec![redis.era().await];
    let strong = origin.strong_loads.load(Ordering::SeqCst);

    dies(victim, &redis).await;
    let until = std::time::Instant::now() + Duration::from_secs(3);
    while std::time::Instant::now() < until {
        let now = redis.era().await;
        if eras.last() != Some(&now) {
            eras.push(now);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    assert_eq!(eras.len(), 2, "one drops it, not all");
    for node in &survivors {
        assert_ne!(node.ask(7).await.unwrap().source, Source::Memory);
    }
    assert_eq!(
        origin.strong_loads.load(Ordering::SeqCst),
        strong,
        "all went to the primary"
    );
}

/// What is written meanwhile is told at once, else what is owed would never become nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn debts_are_paid_though_more_is_written_all_the_time() {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    let proxy = RedisProxy::start(redis.url()).await;
    let node = Node::start(&origin, SharedSettings::at(proxy.url())).await;
    redis.with(|stack| stack.pause(Service::Redis).unwrap()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4_u128)
        .map(|writer| {
            let (node, stop) = (node.clone(), Arc::clone(&stop));
            fairlead_telemetry::spawn(async move {
                let mut tenant = 0;
                while !stop.load(Ordering::Relaxed) {
                    tenant = (tenant + 1) % 1_000;
                    node.of_tenant(writer * 1_000 + tenant).write(7).await;
                    tokio::time::sleep(Duration::from_micros(500)).await;
                }
            })
        })
        .collect();
    support::wait_until("much is owed", async || {
        node.cache.report().shared.unwrap().owed_bumps > 1_000
    })
    .await;
    proxy.slow_by(Duration::from_millis(2));
    redis.with(|stack| stack.resume(Service::Redis).unwrap()).await;

    let began = std::time::Instant::now();
    node.until_connected().await;
    println!("trusted again after {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());

    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(node.cache.report().shared.unwrap().owed_bumps, 0);
}

/// The others being well does not make up for it: one command in four would take its whole time.
#[tokio::test]
async fn a_connection_on_which_nothing_comes_back_is_made_anew() {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    let proxy = RedisProxy::start(redis.url()).await;
    let node = Node::start(&origin, SharedSettings::at(proxy.url())).await;
    let shared = || node.cache.report().shared.unwrap();
    proxy.kill_latest();

    let mut lead = 0;
    support::wait_until("Redis is left alone for a moment", async || {
        lead += 1;
        node.value(lead).await;
        shared().outages > 0
    })
    .await;
    node.until_connected().await;

    let failures = shared().failures;
    for lead in 1_000..1_040 {
        node.value(lead).await;
    }
    assert_eq!(shared().failures, failures, "it is still in use");
}
