//! Loads answers ahead of need, and remembers which were worth it.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fairlead_domain::access::{SystemScope, TenantScope};
use fairlead_domain::cache::{
    ActiveTenants, CacheKey, CacheRead, CacheWarming, Dataset, DatasetReport, Source, WarmItem, WarmReport,
    WarmRequest, WarmWhat, WarmedKey,
};
use fairlead_domain::consistency::Consistency;
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::StoreError;
use futures_util::{StreamExt as _, stream};

use crate::TieredCache;
use crate::meters::WarmMeter;

/// Warmed keys whose earnings are followed.
const FOLLOWED: usize = 1_000;
/// Loads at a time: warming is patient, requests are not.
const AT_A_TIME: usize = 4;
/// Keys that are learnt, and loaded at the start.
const LEARNED_KEYS: usize = 200;
/// How often what was learnt is written down.
const LEARN_EVERY: Duration = Duration::from_mins(1);

/// Warms the cache with registered datasets.
#[derive(Debug)]
pub struct Warmer {
    pub(crate) cache: TieredCache,
    datasets: Vec<Arc<dyn Dataset>>,
    tenants: Arc<dyn ActiveTenants>,
    warmed: Mutex<VecDeque<Warmed>>,
    /// What keys had saved when that was last written down.
    written: Mutex<HashMap<(TenantId, CacheKey), Duration>>,
}

#[derive(Debug)]
struct Warmed {
    tenant: TenantId,
    key: CacheKey,
    dataset: &'static str,
    at: Instant,
    ledger: Arc<WarmMeter>,
}

/// An item of a dataset, for one tenant.
struct Wanted {
    tenant: TenantId,
    dataset: &'static str,
    item: WarmItem,
}

impl Warmer {
    pub fn new(
        cache: TieredCache,
        mut datasets: Vec<Arc<dyn Dataset>>,
        tenants: Arc<dyn ActiveTenants>,
    ) -> Self {
        datasets.sort_by_key(|dataset| dataset.priority());
        Self {
            cache,
            datasets,
            tenants,
            warmed: Mutex::default(),
            written: Mutex::default(),
        }
    }

    /// Loads what was learnt before, and goes on learning for as long as it is kept; does nothing without a shared
    /// level, where what is learnt is written down.
    pub fn start(self: &Arc<Self>) {
        if self.cache.inner.shared.is_none() {
            return;
        }
        let warmer = Arc::downgrade(self);
        fairlead_telemetry::spawn_supervised("learn-keys", move || learn(Weak::clone(&warmer)));
    }

    /// Adds what keys have saved since the last time to what all processes know.
    pub async fn write_down(&self) {
        let Some(shared) = &self.cache.inner.shared else {
            return;
        };
        let inner = &self.cache.inner;
        let mut written = HashMap::new();
        let mut gains = Vec::new();
        {
            let mut before = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            for (key, saved) in inner.meters.hot.top(LEARNED_KEYS) {
                // What is encrypted stays so: its key may tell as much.
                if inner.policy(key.key.namespace()).encrypt {
                    continue;
                }
                let name = (key.tenant, key.key.clone());
                let known = before.get(&name).copied().unwrap_or(saved.error);
                let gain = saved.saved.saturating_sub(known);
                if !gain.is_zero() {
                    gains.push((key.tenant, key.key.clone(), gain));
                }
                written.insert(name, saved.saved);
            }
            *before = written;
        }
        shared.learn(&gains, LEARNED_KEYS).await;
    }

    /// What all processes have learnt, or why that is not known.
    async fn learned(&self) -> Result<Vec<(TenantId, CacheKey)>, &'static str> {
        let Some(shared) = &self.cache.inner.shared else {
            return Err("learned: what was learnt is kept in Redis, and there is none (cache.redis.url)");
        };
        let learned = shared.learned(LEARNED_KEYS).await;
        learned.ok_or("learned: what was learnt is kept in Redis, which does not answer")
    }

    /// The tenants that are active here, then those for whom other processes have learnt something.
    async fn known_tenants(&self) -> Result<Vec<TenantId>, StoreError> {
        let mut tenants = self.tenants.active().await?;
        let mut known: HashSet<_> = tenants.iter().copied().collect();
        let elsewhere = self.learned().await.unwrap_or_default();
        let elsewhere = elsewhere.into_iter().map(|(tenant, _)| tenant);
        tenants.extend(elsewhere.filter(|tenant| known.insert(*tenant)));
        Ok(tenants)
    }

    /// `only`: of this tenant alone.
    async fn warm_learned(&self, only: Option<TenantId>) -> WarmReport {
        let began = Instant::now();
        let mut report = empty("learned");
        let mut items = Vec::new();
        let (mut learned, mut notes) = match self.learned().await {
            Ok(learned) => (learned, Vec::new()),
            Err(why) => (Vec::new(), vec![why]),
        };
        learned.retain(|(tenant, _)| only.is_none_or(|only| only == *tenant));
        if learned.is_empty() && notes.is_empty() {
            notes.push("learned: nothing has been learnt yet");
        }
        for (tenant, key) in learned {
            match self.wanted(tenant, &key) {
                Some(wanted) => items.push(wanted),
                None => report.unknown += 1,
            }
        }
        let tenants: HashSet<_> = items.iter().map(|wanted| wanted.tenant).collect();
        self.load_all(items, &mut report).await;
        WarmReport {
            datasets: vec![report],
            tenants: tenants.len(),
            took: began.elapsed(),
            notes,
        }
    }

    /// What is wanted other than what was learnt, for these tenants.
    pub(crate) async fn warm_tenants(&self, what: &WarmWhat, tenants: &[TenantId]) -> WarmReport {
        let began = Instant::now();
        let mut datasets = Vec::new();
        if let WarmWhat::Keys(keys) = what {
            datasets.push(self.warm_keys(tenants, keys).await);
        } else {
            for dataset in &self.datasets {
                let is_wanted = match what {
                    WarmWhat::Datasets(names) => names.iter().any(|name| name == dataset.name()),
                    _ => true,
                };
                if is_wanted {
                    datasets.push(self.warm_dataset(&**dataset, tenants).await);
                }
            }
        }
        WarmReport {
            datasets,
            tenants: tenants.len(),
            took: began.elapsed(),
            notes: Vec::new(),
        }
    }

    async fn warm_keys(&self, tenants: &[TenantId], keys: &[CacheKey]) -> DatasetReport {
        let mut report = empty("keys");
        let mut items = Vec::new();
        for tenant in tenants {
            for key in keys {
                match self.wanted(*tenant, key) {
                    Some(wanted) => items.push(wanted),
                    None => report.unknown += 1,
                }
            }
        }
        self.load_all(items, &mut report).await;
        report
    }

    /// Warms one dataset for all tenants; a tenant whose items cannot be told counts as one failure.
    async fn warm_dataset(&self, dataset: &dyn Dataset, tenants: &[TenantId]) -> DatasetReport {
        let mut report = empty(dataset.name());
        for tenant in tenants {
            match dataset.items(&scope_of(*tenant)).await {
                Ok(items) => {
                    let items = items.into_iter().map(|item| Wanted {
                        tenant: *tenant,
                        dataset: dataset.name(),
                        item,
                    });
                    self.load_all(items.collect(), &mut report).await;
                }
                Err(error) => {
                    tracing::warn!(error = %error, dataset = dataset.name(), tenant.id = %tenant, "a tenant was not warmed");
                    report.failed += 1;
                }
            }
        }
        report
    }

    /// Loads what is kept at all.
    async fn load_all(&self, mut items: Vec<Wanted>, report: &mut DatasetReport) {
        let began = Instant::now();
        let inner = &self.cache.inner;
        items.retain(|wanted| inner.policy(wanted.item.key.namespace()).enabled);
        let loads = stream::iter(items)
            .map(|wanted| self.load(wanted))
            .buffer_unordered(AT_A_TIME);
        let sources: Vec<_> = loads.collect().await;
        for source in sources {
            match source {
                Some(Source::Loader) => report.loaded += 1,
                Some(Source::Shared) => report.taken += 1,
                Some(Source::Memory) => report.kept += 1,
                None => report.failed += 1,
            }
        }
        report.took += began.elapsed();
    }

    async fn load(&self, wanted: Wanted) -> Option<Source> {
        let Wanted {
            tenant,
            dataset,
            item,
        } = wanted;
        let read = CacheRead {
            key: &item.key,
            tags: &item.tags,
            consistency: Consistency::Eventual,
        };
        let inner = &self.cache.inner;
        let (source, ledger) = inner.warm(tenant, read, item.loader).await.ok()?;
        if let Some(ledger) = ledger.filter(|_| source != Source::Memory) {
            let mut warmed = self.warmed();
            if warmed.len() == FOLLOWED {
                warmed.pop_front();
            }
            warmed.push_back(Warmed {
                tenant,
                key: item.key,
                dataset,
                at: Instant::now(),
                ledger,
            });
        }
        Some(source)
    }

    /// The item of a key, from the first dataset that knows it.
    fn wanted(&self, tenant: TenantId, key: &CacheKey) -> Option<Wanted> {
        let scope = scope_of(tenant);
        self.datasets.iter().find_map(|dataset| {
            Some(Wanted {
                tenant,
                dataset: dataset.name(),
                item: dataset.item(&scope, key)?,
            })
        })
    }

    fn warmed(&self) -> MutexGuard<'_, VecDeque<Warmed>> {
        self.warmed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn learn(warmer: Weak<Warmer>) {
    let mut has_warmed = false;
    let mut pause = Duration::from_millis(100);
    while let Some(warmer) = warmer.upgrade() {
        if has_warmed {
            warmer.write_down().await;
        } else if warmer.cache.is_connected() {
            let request = WarmRequest {
                what: WarmWhat::Learned,
                ..WarmRequest::default()
            };
            if let Err(error) = warmer.warm(request).await {
                tracing::warn!(error = %error, "what was learnt could not be warmed");
            }
            has_warmed = true;
            pause = LEARN_EVERY;
        }
        drop(warmer);
        tokio::time::sleep(pause).await;
    }
}

#[async_trait]
impl CacheWarming for Warmer {
    fn datasets(&self) -> Vec<&'static str> {
        self.datasets.iter().map(|dataset| dataset.name()).collect()
    }

    async fn warm(&self, request: WarmRequest) -> Result<WarmReport, StoreError> {
        let began = Instant::now();
        if request.what == WarmWhat::Learned {
            return Ok(self.warm_learned(request.tenant).await);
        }
        let tenants = match request.tenant {
            Some(tenant) => vec![tenant],
            None => self.known_tenants().await?,
        };
        let mut report = self.warm_tenants(&request.what, &tenants).await;
        report.took = began.elapsed();
        Ok(report)
    }

    fn earnings(&self) -> Vec<WarmedKey> {
        let warmed = self.warmed();
        let mut earnings: Vec<_> = warmed
            .iter()
            .map(|warmed| WarmedKey {
                tenant: warmed.tenant,
                key: warmed.key.clone(),
                dataset: warmed.dataset,
                warmed_ago: warmed.at.elapsed(),
                hits: warmed.ledger.hits(),
                saved: warmed.ledger.saved(),
            })
            .collect();
        drop(warmed);
        earnings.sort_by_key(|warmed| std::cmp::Reverse(warmed.saved));
        earnings
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the platform itself loads what a tenant's requests are about to ask for"
)]
fn scope_of(tenant: TenantId) -> TenantScope {
    SystemScope::new("warm the cache").tenant(tenant)
}

fn empty(name: &str) -> DatasetReport {
    DatasetReport {
        name: name.to_owned(),
        loaded: 0,
        taken: 0,
        kept: 0,
        failed: 0,
        unknown: 0,
        took: Duration::ZERO,
    }
}
