//! The cache of answers.

use fairlead_domain::cache::{CacheReport, MemoryReport, SharedReport, TenantReport};
use fairlead_telemetry::metrics::Page;

use super::OTHERS;
use super::tenants::{Counters, Listing};

/// `operation` and `result` of each counter of a tenant.
const OPERATIONS: [[&str; 2]; 6] = [
    ["hit", "success"],
    ["miss", "success"],
    ["miss", "error"],
    ["set", "success"],
    ["set", "error"],
    ["delete", "success"],
];

/// The series of the cache, from one look to the next.
#[derive(Debug)]
pub(super) struct CacheSeries {
    tenants: Listing<{ OPERATIONS.len() }>,
}

impl CacheSeries {
    /// Gives so many tenants series of their own.
    pub(super) fn new(tenants: usize) -> Self {
        Self {
            tenants: Listing::new(tenants),
        }
    }

    pub(super) fn write(&mut self, page: &mut Page, report: &CacheReport) {
        self.write_operations(page, report);
        write_hits(page, report);
        write_memory(page, &report.memory);
        page.counter(
            "cache_refused_fills_total",
            "Answers that were loaded and not kept, because something they depend on changed meanwhile.",
        )
        .sample(&[], report.refused_fills);
        if let Some(shared) = &report.shared {
            write_shared(page, shared);
        }
    }

    fn write_operations(&mut self, page: &mut Page, report: &CacheReport) {
        let tenants: Vec<_> = report
            .tenants
            .iter()
            .map(|(tenant, report)| (*tenant, operations(report)))
            .collect();
        let (listed, others) = self.tenants.look(&tenants, operations(&report.other_tenants));
        let mut family = page.counter(
            "cache_operations_total",
            "Answers found (hit), waited for (miss; error: the load failed), put into memory (set; error: refused, \
             because something changed during the load), and invalidations (delete).",
        );
        let mut write = |tenant: &str, counters: Counters<_>| {
            for ([operation, result], count) in OPERATIONS.into_iter().zip(counters) {
                let labels = [
                    ("operation", operation),
                    ("result", result),
                    ("tenant_id", tenant),
                ];
                family.sample(&labels, count);
            }
        };
        for (tenant, counters) in &tenants[..listed] {
            write(&tenant.to_string(), *counters);
        }
        write(OTHERS, others);
    }
}

/// In the order of [`OPERATIONS`].
fn operations(report: &TenantReport) -> Counters<{ OPERATIONS.len() }> {
    let counts = &report.counts;
    [
        counts.hits(),
        counts.loads + counts.joined,
        counts.failed,
        report.kept,
        report.refused,
        report.bumps,
    ]
}

fn write_hits(page: &mut Page, report: &CacheReport) {
    let mut hits = page.counter(
        "cache_hits_total",
        "Answers found, by level (l1: memory of this process, l2: shared between processes) and kind of answer.",
    );
    for (namespace, counts) in &report.namespaces {
        for (level, count) in [("l1", counts.hits_in_memory()), ("l2", counts.hits_in_shared())] {
            hits.sample(&[("level", level), ("key_type", namespace.as_str())], count);
        }
    }
    let mut loads = page.counter("cache_loads_total", "Answers loaded from the database, by kind.");
    for (namespace, counts) in &report.namespaces {
        loads.sample(&[("key_type", namespace.as_str())], counts.loads);
    }
}

fn write_memory(page: &mut Page, memory: &MemoryReport) {
    page.gauge("cache_memory_entries", "Answers in the memory of this process.")
        .sample(&[], memory.entries);
    page.gauge("cache_memory_bytes", "What they take.")
        .sample(&[], memory.used_bytes);
    page.gauge("cache_memory_max_bytes", "What they may take.")
        .sample(&[], memory.capacity_bytes);
    let mut removals = page.counter(
        "cache_memory_removals_total",
        "Answers that left memory, and why.",
    );
    for (cause, count) in [
        ("room", memory.evicted_for_room),
        ("expired", memory.expired),
        ("replaced", memory.replaced),
        ("removed", memory.removed),
    ] {
        removals.sample(&[("cause", cause)], count);
    }
}

fn write_shared(page: &mut Page, shared: &SharedReport) {
    page.gauge(
        "cache_shared_trusted",
        "Whether the level that processes share answers, and their changes are heard.",
    )
    .sample(&[], shared.is_trusted);
    page.gauge(
        "cache_shared_owed_bumps",
        "Invalidations it has not been told yet.",
    )
    .sample(&[], shared.owed_bumps);
    for (name, help, count) in [
        (
            "cache_shared_writes_total",
            "Answers written to it.",
            shared.writes,
        ),
        (
            "cache_shared_refused_writes_total",
            "Answers it refused, because something they depend on changed meanwhile.",
            shared.refused_writes,
        ),
        (
            "cache_shared_failures_total",
            "Commands that failed.",
            shared.failures,
        ),
        (
            "cache_shared_outages_total",
            "How often it was left alone because it failed.",
            shared.outages,
        ),
        (
            "cache_shared_gaps_total",
            "How often messages of other processes were missed.",
            shared.gaps,
        ),
    ] {
        page.counter(name, help).sample(&[], count);
    }
}
