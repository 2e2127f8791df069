//! Answers that are there before they are asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fairlead_cache::{CacheSettings, Warmer};
use fairlead_devstack::Service;
use fairlead_domain::Id;
use fairlead_domain::access::TenantScope;
use fairlead_domain::cache::{
    ActiveTenants, CacheControl as _, CacheKey, CacheWarming as _, Dataset, Namespace, Source, WarmItem,
    WarmRequest, WarmWhat,
};
use fairlead_domain::consistency::Consistency;
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::StoreError;

use super::nodes::{Gate, Node, Origin, key, scope, watchful};
use super::server::RedisServer;

/// The first leads of each tenant.
#[derive(Debug)]
struct FirstLeads {
    origin: Arc<Origin>,
    name: &'static str,
    priority: u8,
    leads: std::ops::Range<u128>,
}

#[async_trait]
impl Dataset for FirstLeads {
    fn name(&self) -> &'static str {
        self.name
    }

    fn priority(&self) -> u8 {
        self.priority
    }

    async fn items(&self, scope: &TenantScope) -> Result<Vec<WarmItem>, StoreError> {
        Ok(self
            .leads
            .clone()
            .filter_map(|lead| self.item(scope, &key(lead)))
            .collect())
    }

    fn item(&self, _: &TenantScope, key: &CacheKey) -> Option<WarmItem> {
        let lead = key.variant().strip_prefix("id=")?.parse().ok()?;
        (key.namespace() == Namespace::Lead).then(|| self.origin.warm_item(lead))
    }
}

/// Nothing to load, but it takes a while, and says how many do it at a time.
#[derive(Debug, Default)]
struct Rounds {
    begun: AtomicUsize,
    under_way: AtomicUsize,
    most: AtomicUsize,
}

#[derive(Debug)]
struct SlowDataset(Arc<Rounds>);

#[async_trait]
impl Dataset for SlowDataset {
    fn name(&self) -> &'static str {
        "slow"
    }

    fn priority(&self) -> u8 {
        1
    }

    async fn items(&self, _: &TenantScope) -> Result<Vec<WarmItem>, StoreError> {
        let rounds = &self.0;
        rounds.begun.fetch_add(1, Ordering::SeqCst);
        let now = rounds.under_way.fetch_add(1, Ordering::SeqCst) + 1;
        rounds.most.fetch_max(now, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(30)).await;
        rounds.under_way.fetch_sub(1, Ordering::SeqCst);
        Ok(Vec::new())
    }

    fn item(&self, _: &TenantScope, _: &CacheKey) -> Option<WarmItem> {
        None
    }
}

#[derive(Debug)]
struct TwoTenants;

#[async_trait]
impl ActiveTenants for TwoTenants {
    async fn active(&self) -> Result<Vec<TenantId>, StoreError> {
        Ok([1, 2].map(|tenant| scope(tenant).tenant()).into())
    }
}

fn warmer(node: &Node) -> Arc<Warmer> {
    let dataset = |name, priority, leads| -> Arc<dyn Dataset> {
        Arc::new(FirstLeads {
            origin: Arc::clone(&node.origin),
            name,
            priority,
            leads,
        })
    };
    let datasets = vec![dataset("later", 9, 3..5), dataset("first", 1, 0..3)];
    let warmer = Warmer::new(node.cache.clone(), datasets, Arc::new(TwoTenants));
    Arc::new(warmer)
}

#[tokio::test]
async fn what_was_warmed_is_found_and_says_what_it_earned() {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    let node = Node::start(&origin, redis.settings()).await;
    let warmer = warmer(&node);
    assert_eq!(node.value(0).await, 0);

    let report = warmer.warm(WarmRequest::default()).await.unwrap();

    let names: Vec<_> = report.datasets.iter().map(|dataset| &*dataset.name).collect();
    assert_eq!(names, ["first", "later"], "by priority");
    let first = &report.datasets[0];
    assert_eq!((first.kept, first.loaded, first.failed), (1, 5, 0));
    assert_eq!(report.tenants, 2);

    origin.is_away.store(true, std::sync::atomic::Ordering::SeqCst);
    for _ in 0..3 {
        assert_eq!(node.of_tenant(2).ask(4).await.unwrap().source, Source::Memory);
    }
    let best = warmer.earnings().remove(0);
    assert_eq!(
        (best.tenant, best.key, best.dataset, best.hits),
        (scope(2).tenant(), key(4), "later", 3)
    );
    assert!(best.saved > Duration::ZERO);
}

#[tokio::test]
async fn without_redis_a_process_that_starts_warms_for_those_who_were_active_last() {
    let origin = Origin::new();
    let node = Node::unconnected(&origin, CacheSettings::default());
    let warmer = warmer(&node);

    warmer.warm_at_start(Arc::new(TwoTenants));

    support::wait_until("it is warm", async || origin.loads() == 10).await;
    support::wait_until("the last is kept", async || warmer.earnings().len() == 10).await;
    for tenant in [1, 2] {
        for lead in 0..5 {
            let found = node.of_tenant(tenant).ask(lead).await.unwrap();
            assert_eq!(found.source, Source::Memory);
        }
    }
}

/// Whoever asks may be first.
#[tokio::test]
async fn what_a_request_is_loading_already_earns_as_well() {
    let origin = Origin::new();
    let node = Node::unconnected(&origin, CacheSettings::default());
    let warmer = warmer(&node);
    let gate = Gate::closed();
    let asking = fairlead_telemetry::spawn({
        let (node, gate) = (node.clone(), Arc::clone(&gate));
        async move { node.ask_for(7, Consistency::Eventual, Some(gate)).await.unwrap() }
    });
    gate.until_reached().await;
    let warming = fairlead_telemetry::spawn({
        let warmer = Arc::clone(&warmer);
        let request = WarmRequest {
            tenant: Some(scope(1).tenant()),
            what: WarmWhat::Keys(vec![key(7)]),
        };
        async move { warmer.warm(request).await.unwrap() }
    });
    tokio::task::yield_now().await;
    gate.open();
    asking.await.unwrap();
    warming.await.unwrap();

    node.value(7).await;

    let earned = warmer.earnings().remove(0);
    assert_eq!((earned.key, earned.hits), (key(7), 1));
}

#[tokio::test]
async fn one_tenant_one_dataset_or_some_keys_are_warmed_on_demand() {
    let redis = RedisServer::start().await;
    let node = Node::start(&Origin::new(), redis.settings()).await;
    let warmer = warmer(&node);

    let request = WarmRequest {
        tenant: Some(Id::from_uuid(uuid::Uuid::from_u128(1))),
        what: WarmWhat::Datasets(vec!["later".to_owned()]),
    };
    let report = warmer.warm(request).await.unwrap();
    assert_eq!((report.datasets.len(), report.datasets[0].loaded), (1, 2));

    let of_nobody = CacheKey::new(Namespace::Me, "");
    let request = WarmRequest {
        tenant: None,
        what: WarmWhat::Keys(vec![key(77), of_nobody]),
    };
    let report = warmer.warm(request).await.unwrap();
    assert_eq!((report.datasets[0].loaded, report.datasets[0].unknown), (2, 2));
}

#[tokio::test]
async fn a_process_that_starts_has_what_others_asked_for_most() {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    origin.take(Duration::from_millis(2));
    let node = Node::start(&origin, redis.settings()).await;
    let learner = warmer(&node);
    for _ in 0..40 {
        node.value(77).await;
    }
    learner.write_down().await;

    let newcomer = Node::start(&origin, redis.settings()).await;
    let starter = warmer(&newcomer);
    starter.start();

    support::wait_until("it is warm", async || !starter.earnings().is_empty()).await;
    assert_eq!(starter.earnings()[0].key, key(77));
    assert_eq!(newcomer.ask(77).await.unwrap().source, Source::Memory);
}

#[tokio::test]
async fn who_warms_what_was_learnt_is_told_why_there_is_nothing() {
    let redis = RedisServer::start().await;
    let node = Node::start(&Origin::new(), watchful(redis.url())).await;
    let warmer = warmer(&node);
    let notes = async || {
        let learned = WarmRequest {
            tenant: None,
            what: WarmWhat::Learned,
        };
        warmer.warm(learned).await.unwrap().notes
    };

    assert_eq!(notes().await, ["learned: nothing has been learnt yet"]);
    redis.with(|stack| stack.kill(Service::Redis).unwrap()).await;

    assert_eq!(
        notes().await,
        ["learned: what was learnt is kept in Redis, which does not answer"]
    );
}

#[tokio::test]
async fn tenants_of_other_processes_are_known_by_what_was_learnt() {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    let node = Node::start(&origin, redis.settings()).await;
    for tenant in [2, 3] {
        for _ in 0..40 {
            node.of_tenant(tenant).value(77).await;
        }
    }
    warmer(&node).write_down().await;

    let newcomer = Node::start(&origin, redis.settings()).await;
    let warmer = warmer(&newcomer);
    let learned = WarmRequest {
        tenant: Some(scope(3).tenant()),
        what: WarmWhat::Learned,
    };
    let of_one = warmer.warm(learned).await.unwrap();
    let of_all = warmer.warm(WarmRequest::default()).await.unwrap();

    assert_eq!((of_one.tenants, of_one.datasets[0].taken), (1, 1));
    assert_eq!(of_all.tenants, 3, "the two that are active here, and the third");
    assert_eq!(newcomer.cache.report().total().requests(), 0, "nobody has asked");
}

#[tokio::test]
async fn on_schedule_one_process_at_a_time_warms_and_the_next_takes_over() {
    let redis = RedisServer::start().await;
    let origin = Origin::new();
    let rounds = Arc::new(Rounds::default());
    let every = Duration::from_millis(400);
    let mut warmers = Vec::new();
    for _ in 0..3 {
        let node = Node::start(&origin, redis.settings()).await;
        let dataset: Arc<dyn Dataset> = Arc::new(SlowDataset(Arc::clone(&rounds)));
        let tenants = Arc::new(TwoTenants);
        let warmer = Warmer::new(node.cache.clone(), vec![dataset], tenants);
        let warmer = Arc::new(warmer);
        warmer.start_schedule(every);
        warmers.push((node, warmer));
    }
    let begun = || rounds.begun.load(Ordering::SeqCst);
    let started = std::time::Instant::now();

    support::wait_until("four rounds are over", async || begun() >= 8).await;

    assert_eq!(rounds.most.load(Ordering::SeqCst), 1);
    // Each round is two tenants long, and they begin a turn apart at the least.
    let turns = started.elapsed().as_millis() / every.mul_f64(0.8).as_millis();
    assert!(begun() as u128 / 2 <= turns + 1, "{} in {turns} turns", begun());

    // Whoever had the turn goes; another takes the next.
    warmers.truncate(1);
    let before = begun();
    support::wait_until("the last one goes on", async || begun() >= before + 4).await;
    redis.with(|stack| stack.kill(Service::Redis).unwrap()).await;
    let (node, _) = &warmers[0];
    support::wait_until("Redis is left alone", async || !node.cache.is_connected()).await;
    tokio::time::sleep(every / 2).await;
    let before = begun();
    tokio::time::sleep(every * 2).await;
    assert_eq!(
        begun(),
        before,
        "what is loaded while Redis is away is kept for a moment only"
    );
}
