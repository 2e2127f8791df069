//! The database fails over, and one process is the first to know: what was kept of the old timeline nobody shows any
//! more, neither who has not heard of the new one nor who starts now.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use fairlead_domain::cache::{CacheControl as _, Invalidate, Source};
use fairlead_domain::store::TimelineObserver as _;
use futures_util::StreamExt as _;
use support::wait_until;
use tokio::time::timeout;

use super::nodes::{Node, Origin, patient, value, watchful};
use super::proxy::RedisProxy;
use super::server::RedisServer;

/// Two nodes that know of the first timeline, and of nothing newer.
struct Before {
    redis: RedisServer,
    origin: Arc<Origin>,
    proxy: RedisProxy,
    /// Is the first to know of another timeline.
    first: Node,
    second: Node,
}

impl Before {
    async fn start() -> Self {
        let redis = RedisServer::start().await;
        let origin = Origin::new();
        let proxy = RedisProxy::start(redis.url()).await;
        let first = Node::start(&origin, watchful(proxy.url())).await;
        let second = Node::start(&origin, patient(redis.url())).await;
        for node in [&first, &second] {
            node.cache.note_timeline(1);
        }
        let before = Self {
            redis,
            origin,
            proxy,
            first,
            second,
        };
        before.until_told(1).await;
        before.until_second_has_heard().await;
        before
    }

    async fn until_told(&self, timeline: u32) {
        wait_until("the timeline is told", async || {
            let told: Option<u32> = self
                .redis
                .command(redis::cmd("HGET").arg("fl:eras").arg("timeline"))
                .await;
            told == Some(timeline)
        })
        .await;
    }

    /// A commit that no replica has is answered, read and kept by both.
    async fn keep_what_will_be_lost(&self) {
        self.origin.stop_replay();
        let (written, _) = self.first.write(7).await;
        let keeps = async |node: &Node| {
            let found = node.ask(7).await.unwrap();
            found.source == Source::Memory && value(&found) == written
        };
        wait_until("both keep it", async || {
            keeps(&self.first).await && keeps(&self.second).await
        })
        .await;
        self.redis.until_it_keeps_something().await;
    }

    /// Waits until the second has heard of what was dropped last.
    async fn until_second_has_heard(&self) {
        let names = format!("fl:*:e:{}.*", self.redis.era().await);
        let mut lead = 1_000;
        wait_until("the second keeps something since", async || {
            lead += 1;
            self.second.value(lead).await;
            !self.redis.keys(&names).await.is_empty()
        })
        .await;
    }

    async fn is_lost_for_all(&self) {
        wait_until("who has not heard of it drops it, too", async || {
            self.second.value(7).await == 0
        })
        .await;
        // It knows of no timeline at all, and would believe what lies in Redis.
        let newcomer = Node::start(&self.origin, patient(self.redis.url())).await;
        assert_eq!(newcomer.value(7).await, 0, "Redis has kept it");
    }
}

#[tokio::test]
async fn what_a_failover_has_lost_nobody_shows_once_one_process_knows() {
    let before = Before::start().await;
    before.keep_what_will_be_lost().await;

    let timeline = before.origin.fail_over();
    before.first.cache.note_timeline(timeline);

    before.is_lost_for_all().await;
}

#[tokio::test]
async fn who_cannot_tell_of_a_new_timeline_tells_when_redis_is_back() {
    let before = Before::start().await;
    before.keep_what_will_be_lost().await;
    before.proxy.cut();
    before.first.until_cut_off().await;

    let failures = before.first.shared().failures;
    let timeline = before.origin.fail_over();
    before.first.cache.note_timeline(timeline);
    wait_until("it has tried", async || before.first.shared().failures > failures).await;
    assert_eq!(before.second.ask(7).await.unwrap().source, Source::Memory);
    before.proxy.mend();

    before.is_lost_for_all().await;
}

/// Nobody waits for the next look at Redis, which each process takes once in a second.
#[tokio::test]
async fn a_new_timeline_is_told_to_all_at_once_and_by_one_of_them() {
    let before = Before::start().await;
    let mut channel = before.redis.listen("fl:bumps").await;
    let mut messages = channel.on_message();
    let era = before.redis.era().await;

    before.first.cache.note_timeline(2);

    let told = async {
        while let Some(message) = messages.next().await {
            let message: String = message.get_payload().unwrap();
            if message.contains(r#""kind":"era""#) {
                return;
            }
        }
        panic!("the channel has ended");
    };
    timeout(Duration::from_secs(30), told)
        .await
        .expect("nobody is told");
    let begun = before.redis.era().await;
    assert_ne!(begun, era, "nothing is dropped");

    // The other hears of it later by itself: by then it is known.
    let calls = before.redis.script_calls().await;
    before.second.cache.note_timeline(2);
    wait_until("it has looked", async || {
        before.redis.script_calls().await > calls
    })
    .await;
    assert_eq!(before.redis.era().await, begun, "everything is dropped again");
}

/// What the new primary was told before is nobody's to know, so nothing less than all there is may be kept.
#[tokio::test]
async fn what_is_loaded_after_a_failover_reads_the_primary() {
    let before = Before::start().await;
    // What bounds loads so far.
    before.first.cache.invalidate(Invalidate::Everything).await;
    before.until_second_has_heard().await;
    before.second.until_last_write_is_known(&before.redis).await;
    wait_until("it is kept", async || {
        before.second.ask(7).await.unwrap().source == Source::Memory
    })
    .await;
    let strong = || before.origin.strong_loads.load(Ordering::SeqCst);
    let strong_before = strong();
    before.second.value(8).await;
    assert_eq!(strong(), strong_before, "all loads read the primary");

    let timeline = before.origin.fail_over();
    before.first.cache.note_timeline(timeline);

    wait_until("the other drops it", async || {
        before.second.ask(7).await.unwrap().source != Source::Memory
    })
    .await;
    assert!(strong() > strong_before, "a replica was read");
}
