//! Messages that are lost, and what they would have told.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use fairlead_cache::SharedSettings;
use fairlead_domain::cache::{CacheControl as _, Invalidate, Source};

use super::nodes::{Node, Origin, key};
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
        self.proxy.lose_percent(100);
        tell(&self.teller).await;
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
    assert!(deaf.node.cache.is_connected(), "{:?}", deaf.redis);
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
