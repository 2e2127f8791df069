//! What a node has changed while it could not tell is told as soon as it can. Nobody here follows the log of events, so
//! there is no other way to hear of it.

use std::sync::Arc;

use fairlead_domain::cache::Source;

use super::nodes::{Node, Origin, patient, watchful};
use super::proxy::RedisProxy;
use super::server::RedisServer;

/// A node that is out of reach of Redis, and one that is not; the replica stops before the first changes anything.
struct CutOff {
    redis: RedisServer,
    origin: Arc<Origin>,
    proxy: RedisProxy,
    writer: Node,
    reader: Node,
}

impl CutOff {
    async fn start() -> Self {
        let redis = RedisServer::start().await;
        let origin = Origin::new();
        let reader = Node::start(&origin, patient(redis.url())).await;
        let proxy = RedisProxy::start(redis.url()).await;
        let writer = Node::start(&origin, watchful(proxy.url())).await;
        for lead in [7, 8] {
            assert_eq!(reader.value(lead).await, 0);
        }
        redis.until_it_keeps_something().await;
        reader.until_last_write_is_known(&redis).await;
        proxy.cut();
        // It knows: so what it changes now is not numbered among what it tells, and nobody misses a message.
        writer.until_cut_off().await;
        origin.stop_replay();
        Self {
            redis,
            origin,
            proxy,
            writer,
            reader,
        }
    }

    /// The reader has heard of nothing until the writer is back, and of everything then; so has who starts now.
    async fn tells_when_it_is_back(&self, written: u64) {
        assert!(self.writer.shared().owed_bumps > 0);
        let known = self.reader.ask(7).await.unwrap();
        assert_eq!(known.source, Source::Memory, "it has heard of it by another way");

        self.proxy.mend();

        support::wait_until("the other has heard of it", async || {
            self.reader.value(7).await == written
        })
        .await;
        let newcomer = Node::start(&self.origin, patient(self.redis.url())).await;
        assert_eq!(
            newcomer.value(7).await,
            written,
            "Redis has kept what was there before"
        );
        self.writer.until_connected().await;
        assert_eq!(self.writer.shared().owed_bumps, 0);
    }
}

#[tokio::test]
async fn what_is_written_once_out_of_reach_of_redis_is_told_when_it_is_back() {
    let cut_off = CutOff::start().await;
    let era = cut_off.redis.era().await;

    let (written, _) = cut_off.writer.write(7).await;

    cut_off.tells_when_it_is_back(written).await;
    assert_eq!(cut_off.redis.era().await, era, "everything was dropped for it");
    let other = cut_off.reader.ask(8).await.unwrap();
    assert_eq!(other.source, Source::Memory, "more was dropped than has changed");
}

/// Of one tenant: the whole of it is told instead.
#[tokio::test]
async fn more_than_is_remembered_one_by_one_is_told_as_the_tenant() {
    let cut_off = CutOff::start().await;
    let era = cut_off.redis.era().await;

    let (written, _) = cut_off.writer.write(7).await;
    for lead in 1_000..1_600 {
        cut_off.writer.write(lead).await;
    }

    assert!(cut_off.writer.shared().owed_bumps < 600);
    cut_off.tells_when_it_is_back(written).await;
    assert_eq!(cut_off.redis.era().await, era, "everything was dropped for it");
}

/// Of so many tenants: everything is dropped instead, once.
#[tokio::test]
async fn more_tenants_than_are_remembered_one_by_one_are_told_as_everything() {
    let cut_off = CutOff::start().await;
    let era = cut_off.redis.era().await;

    let (written, _) = cut_off.writer.write(7).await;
    for tenant in 1_000..5_200 {
        cut_off.writer.of_tenant(tenant).write(9).await;
    }

    assert_eq!(cut_off.writer.shared().owed_bumps, 1);
    cut_off.tells_when_it_is_back(written).await;
    assert_ne!(cut_off.redis.era().await, era);
}
