//! Commits of which nobody knows whether they were done, nor where.

use std::sync::atomic::Ordering;

use fairlead_domain::cache::Source;

use super::nodes::{Node, Origin};
use super::server::RedisServer;

#[tokio::test]
async fn a_commit_in_doubt_sends_loads_of_its_own_tenant_alone_to_the_primary() {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    let writer = Node::start(&origin, redis.settings()).await;
    let reader = Node::start(&origin, redis.settings()).await;
    let strong = || origin.strong_loads.load(Ordering::SeqCst);
    // From its first load on each knows how far to read, and Redis what was written last in each tenant.
    let mut lead = 100;
    support::wait_until("replicas are read", async || {
        let before = strong();
        for node in [&writer, &reader] {
            for tenant in [1, 2] {
                lead += 1;
                node.of_tenant(tenant).value(lead).await;
            }
        }
        strong() == before
    })
    .await;
    origin.stop_replay();
    let before = strong();

    let written = writer.write_in_doubt(7).await;

    support::wait_until("it is heard of", async || reader.value(7).await == written).await;
    assert!(strong() > before, "a replica does not have it");
    let own = strong();
    for (node, lead) in [(&writer, 8), (&reader, 9)] {
        let other = node.of_tenant(2).ask(lead).await.unwrap();
        assert_eq!(other.source, Source::Loader);
    }
    assert_eq!(strong(), own, "another tenant was sent to the primary");
}
