//! All that a process measures, at one moment.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fairlead_domain::performance::{Figures, LatencySketch, Level, RouteSeries, Series};
use fairlead_telemetry::process;

use super::capacity::{clients, connections, real};
use super::evidence::{PoolSpent, RouteSpent, pools};
use super::series;
use crate::state::Services;

/// What has been counted since the start of the process, and levels as they are now.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) at: Instant,
    pub(super) routes: BTreeMap<RouteSeries, LatencySketch>,
    pub(super) statements: LatencySketch,
    /// By method and route.
    pub(super) spent: BTreeMap<String, RouteSpent>,
    pub(super) pools: BTreeMap<&'static str, PoolSpent>,
    counters: BTreeMap<Box<str>, u64>,
    gauges: BTreeMap<Box<str>, f64>,
    cpu: Option<Duration>,
    /// Received and sent.
    bytes: u64,
}

impl Measured {
    pub(super) fn now(services: &Services) -> Self {
        let mut routes: BTreeMap<RouteSeries, LatencySketch> = BTreeMap::new();
        let mut spent: BTreeMap<String, RouteSpent> = BTreeMap::new();
        for (series, times) in services.times.all() {
            let name = format!("{} {}", series.method, series.route);
            spent.entry(name).or_default().add(&times);
            let series = RouteSeries {
                method: series.method.into(),
                route: series.route,
                class: u8::try_from(series.status / 100).unwrap_or_default(),
            };
            routes.entry(series).or_default().merge(&times.sketch);
        }
        let mut statements = LatencySketch::default();
        for report in services.statements.statements() {
            statements.merge(&report.times);
        }
        let usage = process::usage();
        let mut gauges = BTreeMap::new();
        let levels = [
            (series::RESIDENT_BYTES, usage.resident_bytes),
            (series::OPEN_FILES, usage.open_files),
        ];
        for (name, level) in levels {
            if let Some(level) = level {
                gauges.insert(name.into(), real(level));
            }
        }
        let mut counters = BTreeMap::new();
        add_cache(services, &mut counters, &mut gauges);
        add_database(services, &mut gauges);
        add_clients(services, &mut gauges);
        Self {
            at: Instant::now(),
            routes,
            statements,
            spent,
            pools: pools(services),
            counters,
            gauges,
            cpu: usage.cpu_time,
            bytes: bytes(services),
        }
    }

    /// How many processors were busy since.
    pub(super) fn processors_since(&self, earlier: &Self) -> Option<f64> {
        let busy = self.cpu?.saturating_sub(earlier.cpu?);
        let span = self.at.saturating_duration_since(earlier.at);
        (!span.is_zero()).then(|| busy.as_secs_f64() / span.as_secs_f64())
    }

    /// How many bytes of bodies came and went since, each second.
    pub(super) fn bytes_per_second_since(&self, earlier: &Self) -> Option<f64> {
        let bytes = real(self.bytes.saturating_sub(earlier.bytes));
        let span = self.at.saturating_duration_since(earlier.at);
        (!span.is_zero()).then(|| bytes / span.as_secs_f64())
    }

    /// What has come since, without what has not happened.
    pub(super) fn since(&self, earlier: &Self) -> Vec<(Series, Figures)> {
        let nothing = LatencySketch::default();
        let routes = self.routes.iter().map(|(series, times)| {
            let before = earlier.routes.get(series).unwrap_or(&nothing);
            (Series::Route(series.clone()), times.since(before))
        });
        let statements = (Series::Statements, self.statements.since(&earlier.statements));
        let times = routes
            .chain([statements])
            .filter(|(_, times)| times.count() > 0)
            .map(|(series, times)| (series, Figures::Times(times)));
        let counters = self.counters.iter().map(|(name, count)| {
            let before = earlier.counters.get(name).copied().unwrap_or_default();
            (
                Series::Counter(name.clone()),
                Figures::Count(count.saturating_sub(before)),
            )
        });
        let processors = self.processors_since(earlier);
        let bytes = self.bytes_per_second_since(earlier);
        let gauges = self
            .gauges
            .iter()
            .map(|(name, level)| (name.clone(), *level))
            .chain(processors.map(|busy| (series::PROCESSORS.into(), busy)))
            .chain(bytes.map(|bytes| (series::BYTES_PER_SECOND.into(), bytes)))
            .map(|(name, level)| (Series::Gauge(name), Figures::Level(Level::of(level))));
        times.chain(counters).chain(gauges).collect()
    }
}

fn add_cache(
    services: &Services,
    counters: &mut BTreeMap<Box<str>, u64>,
    gauges: &mut BTreeMap<Box<str>, f64>,
) {
    let Some(cache) = &services.cache_control else {
        return;
    };
    let report = cache.report();
    let total = report.total();
    counters.insert(series::CACHE_REQUESTS.into(), total.requests());
    counters.insert(series::CACHE_HITS.into(), total.hits());
    gauges.insert(series::CACHE_BYTES.into(), real(report.memory.used_bytes));
}

fn add_database(services: &Services, gauges: &mut BTreeMap<Box<str>, f64>) {
    gauges.insert(
        series::CONNECTIONS.into(),
        connections(services, |pool| pool.active),
    );
    for node in services.nodes.nodes() {
        for pool in &node.pools {
            let name = |what| format!("pool.{}.{}.{what}", node.name, pool.role).into_boxed_str();
            gauges.insert(name("active"), pool.active.into());
            gauges.insert(name("waiting"), pool.waiting.into());
        }
        if let Some(lag) = node.lag {
            let name = format!("replica.{}.lag_seconds", node.name);
            gauges.insert(name.into(), lag.time.as_secs_f64());
        }
    }
}

fn add_clients(services: &Services, gauges: &mut BTreeMap<Box<str>, f64>) {
    let (mut sockets, mut streams) = (0, 0);
    for of in services.connections.by_tenant() {
        sockets += of.sockets;
        streams += of.streams;
    }
    gauges.insert(series::CLIENTS.into(), real(clients(services)));
    gauges.insert(series::SOCKETS.into(), real(sockets));
    gauges.insert(series::STREAMS.into(), real(streams));
}

fn bytes(services: &Services) -> u64 {
    let meters = services.tenant_meters.read();
    let tenants = meters.tenants.iter().map(|(_, of)| of);
    let all = tenants.chain([&meters.rest, &meters.nobodys]);
    let requests: u64 = all.map(|of| of.received_bytes + of.sent_bytes).sum();
    requests + services.connections.traffic().bytes
}
