//! Figures for operators, taken from the meters at one moment.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fairlead_domain::cache::{
    CacheReport, Counts, HotKey, KeyReport, MemoryReport, Namespace, SharedReport, Tag, TagReport,
    TenantReport, Times,
};

use crate::cache::Inner;
use crate::memory::Account;
use crate::meters::{Histogram, Operation, Outcome, Outcomes, TenantMeter};
use crate::shared::Shared;

/// Tenants that are told of one by one.
const TENANTS: usize = 100;
const HOTTEST: usize = 50;

pub(crate) fn of_cache(inner: &Inner) -> CacheReport {
    let (tenants, other_tenants) = tenants(inner);
    let meters = &inner.meters;
    let tags = Tag::KINDS.iter().zip(meters.by_tag());
    let hottest = meters.hot.top(HOTTEST).into_iter();
    CacheReport {
        memory: memory(inner),
        shared: inner.shared.as_ref().map(shared),
        namespaces: Namespace::ALL
            .map(|namespace| (namespace, counts(meters.of_namespace(namespace))))
            .into(),
        tags: tags
            .map(|(kind, meter)| TagReport {
                kind,
                hits: get(&meter.hits),
                misses: get(&meter.misses),
                bumps: get(&meter.bumps),
            })
            .collect(),
        times: Operation::ALL
            .iter()
            .filter_map(|&operation| Some((operation.as_str(), times(meters.times(operation))?)))
            .collect(),
        tenants,
        other_tenants,
        hottest: hottest
            .map(|(key, saved)| HotKey {
                tenant: key.tenant,
                key: key.key.clone(),
                saved: saved.saved,
                error: saved.error,
            })
            .collect(),
        keys: meters
            .keys
            .top(HOTTEST)
            .into_iter()
            .map(|(key, rate)| KeyReport {
                tenant: key.tenant,
                key: key.key.clone(),
                hits: rate.hits,
                misses: rate.misses,
            })
            .collect(),
        refused_fills: get(&meters.refused_fills),
    }
}

pub(crate) fn of_account(account: &Account) -> TenantReport {
    TenantReport {
        entries: account.entries(),
        own_bytes: account.own_bytes(),
        common_bytes: account.common_bytes(),
        ..of_meter(&account.meter)
    }
}

fn of_meter(meter: &TenantMeter) -> TenantReport {
    TenantReport {
        counts: counts(&meter.outcomes),
        bumps: get(&meter.bumps),
        kept: get(&meter.kept),
        refused: get(&meter.refused),
        saved: Duration::from_micros(get(&meter.saved_micros)),
        ..TenantReport::default()
    }
}

/// Those who ask most, and all others together.
fn tenants(
    inner: &Inner,
) -> (
    Vec<(fairlead_domain::identity::TenantId, TenantReport)>,
    TenantReport,
) {
    let accounts = inner.memory.accounts();
    let mut tenants: Vec<_> = accounts
        .all()
        .iter()
        .map(|(tenant, account)| (*tenant, of_account(account)))
        .collect();
    tenants.sort_by_key(|(_, report)| std::cmp::Reverse(report.counts.requests()));
    let others = tenants.split_off(TENANTS.min(tenants.len()));
    let others = others
        .iter()
        .fold(of_meter(accounts.others()), |sum, (_, report)| sum.plus(report));
    (tenants, others)
}

fn memory(inner: &Inner) -> MemoryReport {
    let (memory, evictions) = (&inner.memory, &inner.meters.evictions);
    memory.settle();
    MemoryReport {
        entries: memory.entries(),
        used_bytes: memory.used_bytes(),
        capacity_bytes: memory.capacity_bytes(),
        tenant_bytes: memory.share(),
        evicted_for_room: get(&evictions.for_room),
        expired: get(&evictions.expired),
        replaced: get(&evictions.replaced),
        removed: get(&evictions.removed),
    }
}

fn shared(shared: &Shared) -> SharedReport {
    SharedReport {
        is_trusted: shared.is_trusted(),
        writes: get(&shared.counts.writes),
        refused_writes: get(&shared.counts.refused_writes),
        failures: shared.failures(),
        outages: get(&shared.counts.outages),
        gaps: get(&shared.counts.gaps),
        owed_bumps: shared.owed_count(),
    }
}

fn counts(outcomes: &Outcomes) -> Counts {
    // Read once: it may grow meanwhile.
    let shared_stale = outcomes.get(Outcome::SharedStale);
    Counts {
        memory_hits: outcomes.get(Outcome::MemoryHit),
        shared_hits: outcomes.get(Outcome::SharedHit),
        stale: outcomes.get(Outcome::Stale) + shared_stale,
        shared_stale,
        degraded: outcomes.get(Outcome::Degraded),
        loads: outcomes.get(Outcome::Loaded),
        joined: outcomes.get(Outcome::Joined),
        failed: outcomes.get(Outcome::Failed),
    }
}

/// `None`: there were none.
fn times(histogram: &Histogram) -> Option<Times> {
    Some(Times {
        count: histogram.count(),
        sum: histogram.sum(),
        p50: histogram.percentile(50)?,
        p95: histogram.percentile(95)?,
        p99: histogram.percentile(99)?,
        max: histogram.max(),
    })
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
