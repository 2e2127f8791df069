//! What operators see, and what they may do.

use fairlead_domain::Id;
use fairlead_domain::cache::{CacheControl as _, Invalidate, Namespace, Reason, SharedState, Source, Tag};
use uuid::Uuid;

use super::nodes::{Node, Origin, key, patient, scope, tags};
use super::server::RedisServer;

async fn two_nodes() -> (RedisServer, [Node; 2]) {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    let nodes = [
        Node::start(&origin, redis.settings()).await,
        Node::start(&origin, redis.settings()).await,
    ];
    (redis, nodes)
}

/// What an operator drops on one node no node has any more; what he does not mean, all still have.
async fn drops(what: Invalidate, dropped: (u128, u128), left: (u128, u128)) {
    let (_redis, nodes) = two_nodes().await;
    for node in &nodes {
        for (tenant, lead) in [dropped, left] {
            node.of_tenant(tenant).value(lead).await;
        }
    }
    let loads = nodes[0].origin.loads();

    nodes[0].cache.invalidate(what.clone()).await;

    let (tenant, lead) = dropped;
    assert_eq!(
        nodes[0].of_tenant(tenant).ask(lead).await.unwrap().source,
        Source::Loader,
        "{what:?}"
    );
    support::wait_until("the other node has dropped it", async || {
        nodes[1].of_tenant(tenant).ask(lead).await.unwrap().source != Source::Memory
    })
    .await;
    if dropped != left {
        let (tenant, lead) = left;
        assert_eq!(
            nodes[0].of_tenant(tenant).ask(lead).await.unwrap().source,
            Source::Memory,
            "{what:?}"
        );
    }
    assert!(nodes[0].origin.loads() > loads);
}

#[tokio::test]
async fn an_operator_drops_by_key_tag_tenant_namespace_or_everything() {
    let tenant = scope(1).tenant();
    let lead = Tag::Lead(Id::from_uuid(Uuid::from_u128(7)));

    drops(Invalidate::Key(tenant, key(7)), (1, 7), (1, 8)).await;
    drops(Invalidate::Tag(tenant, lead), (1, 7), (1, 8)).await;
    drops(Invalidate::Tenant(tenant), (1, 7), (2, 7)).await;
    drops(
        Invalidate::Namespace(Some(tenant), Namespace::Lead),
        (1, 7),
        (2, 7),
    )
    .await;
    drops(Invalidate::Namespace(None, Namespace::Lead), (2, 7), (2, 7)).await;
    drops(Invalidate::Everything, (2, 7), (2, 7)).await;
}

/// He may have changed something past all processes, and a replica may not have it yet: whoever hears that it is dropped
/// reads as far as he has.
#[tokio::test]
async fn what_an_operator_drops_every_node_loads_past_what_was_changed_before() {
    let tenant = scope(1).tenant();
    let lead = Tag::Lead(Id::from_uuid(Uuid::from_u128(7)));
    for what in [
        Invalidate::Key(tenant, key(7)),
        Invalidate::Tag(tenant, lead),
        Invalidate::Tenant(tenant),
        Invalidate::Namespace(Some(tenant), Namespace::Lead),
        Invalidate::Namespace(None, Namespace::Lead),
        Invalidate::Everything,
    ] {
        let redis = RedisServer::start().await;
        let origin = Origin::new();
        let here = Node::start(&origin, patient(redis.url())).await;
        let there = Node::start(&origin, patient(redis.url())).await;
        assert_eq!(there.value(7).await, 0);
        // Else Redis itself has all loads read the primary.
        there.until_last_write_is_known(&redis).await;
        assert_eq!(there.ask(7).await.unwrap().source, Source::Memory);
        origin.stop_replay();
        let changed = origin.change_past_all(7);

        here.cache.invalidate(what.clone()).await;

        support::wait_until(&format!("the other node has dropped it: {what:?}"), async || {
            there.ask(7).await.unwrap().source != Source::Memory
        })
        .await;
        assert_eq!(there.value(7).await, changed, "{what:?}: a replica was read");
    }
}

#[tokio::test]
async fn an_answer_is_explained() {
    let (_redis, nodes) = two_nodes().await;
    let node = &nodes[0];
    let tenant = scope(1).tenant();
    let nothing = node.cache.explain(tenant, &key(7), &tags(7)).await;
    assert!(nothing.memory.is_none() && matches!(nothing.shared, SharedState::Missing));

    node.value(7).await;
    node.value(7).await;
    support::wait_until("it lies in Redis", async || {
        matches!(
            node.cache.explain(tenant, &key(7), &tags(7)).await.shared,
            SharedState::Kept(_)
        )
    })
    .await;
    let kept = node
        .cache
        .explain(tenant, &key(7), &tags(7))
        .await
        .memory
        .unwrap();
    assert_eq!((kept.verdict, kept.hits), (Reason::Valid, 1));
    assert_eq!(kept.tags.len(), kept.generations.len());
    assert!(kept.tags.iter().any(|tag| tag.starts_with("lead:")));
    assert!(kept.generations.iter().all(|(stored, now)| stored == now));

    let shared = async || match node.cache.explain(tenant, &key(7), &tags(7)).await.shared {
        SharedState::Kept(kept) => kept,
        other => panic!("{other:?}"),
    };
    let in_redis = shared().await;
    assert_eq!(in_redis.verdict, Some(Reason::Valid));
    assert_eq!(in_redis.tags.len(), in_redis.generations.len());
    assert!(
        in_redis
            .generations
            .iter()
            .all(|(stored, now)| Some(*stored) == *now)
    );

    node.write(7).await;
    let in_redis = shared().await;
    let changed = in_redis.generations.iter().zip(&in_redis.tags);
    let changed: Vec<_> = changed
        .filter(|((stored, now), _)| Some(*stored) != *now)
        .collect();
    assert_eq!(in_redis.verdict, Some(Reason::Invalidated));
    assert!(
        matches!(changed[..], [(_, tag)] if tag.starts_with("lead:")),
        "{changed:?}"
    );
    let dropped = node
        .cache
        .explain(tenant, &key(7), &tags(7))
        .await
        .memory
        .unwrap();
    assert_eq!(dropped.verdict, Reason::Invalidated);
    let changed = dropped.generations.iter().filter(|(stored, now)| stored != now);
    assert_eq!(changed.count(), 1, "one tag says why: {dropped:?}");
}

#[tokio::test]
async fn the_report_tells_what_happened() {
    let (_redis, nodes) = two_nodes().await;
    let node = &nodes[0];
    for _ in 0..10 {
        node.value(7).await;
    }
    node.write(7).await;
    node.value(7).await;

    let report = node.cache.report();

    let total = report.total();
    assert_eq!((total.loads, total.memory_hits, total.requests()), (2, 9, 11));
    let of_lead = report.tags.iter().find(|tag| tag.kind == "lead").unwrap();
    assert_eq!((of_lead.hits, of_lead.misses, of_lead.bumps), (9, 2, 1));
    let (tenant, of_tenant) = report.tenants[0];
    assert_eq!(
        (tenant, of_tenant.counts, of_tenant.bumps),
        (scope(1).tenant(), total, 1)
    );
    assert_eq!(of_tenant.entries, 1);
    assert_eq!(report.hottest.len(), 1);
    assert!(
        report
            .times
            .iter()
            .any(|(name, times)| *name == "load" && times.count == 2)
    );
    assert!(node.cache.report_of(scope(9).tenant()).is_none());
}
