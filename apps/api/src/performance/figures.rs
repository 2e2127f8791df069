//! All that a process measures, at one moment.

use std::collections::BTreeMap;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use fairlead_domain::database::NodeReport;
use fairlead_domain::performance::vitals::{Page, Vital};
use fairlead_domain::performance::{Figures, LatencySketch, Level, RouteSeries, Series};
use fairlead_domain::upstreams::BreakerState;
use fairlead_telemetry::process;

use super::capacity::{clients, connections, real};
use super::evidence::{PoolSpent, RouteSpent, UpstreamSpent, pools, upstreams};
use super::locks::LockTime;
use super::series;
use crate::state::Services;

/// What has been counted since the start of the process, and levels as they are now.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    pub(super) at: Instant,
    pub(super) routes: BTreeMap<RouteSeries, LatencySketch>,
    pub(super) statements: LatencySketch,
    vitals: BTreeMap<(Vital, Page), LatencySketch>,
    /// By method and route.
    pub(super) spent: BTreeMap<String, RouteSpent>,
    pub(super) pools: BTreeMap<&'static str, PoolSpent>,
    pub(super) upstreams: BTreeMap<&'static str, UpstreamSpent>,
    /// Waits for locks, by relation.
    pub(super) locks: BTreeMap<Box<str>, LockTime>,
    counters: BTreeMap<Box<str>, u64>,
    gauges: BTreeMap<Box<str>, f64>,
    cpu: Option<Duration>,
    /// Received and sent.
    bytes: u64,
    /// The same of clients that stay.
    messages: u64,
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
        for (name, share) in shares(services) {
            gauges.insert(name.into(), share);
        }
        Self {
            at: Instant::now(),
            routes,
            statements,
            vitals: services.performance.vitals.all(),
            spent,
            pools: pools(services),
            upstreams: upstreams(services),
            locks: services.performance.locks.all(),
            counters,
            gauges,
            cpu: usage.cpu_time,
            bytes: bytes(services),
            messages: messages(services),
        }
    }

    /// How many processors were busy since.
    pub(super) fn processors_since(&self, earlier: &Self) -> Option<f64> {
        let busy = self.cpu?.saturating_sub(earlier.cpu?);
        let span = self.at.saturating_duration_since(earlier.at);
        (!span.is_zero()).then(|| busy.as_secs_f64() / span.as_secs_f64())
    }

    /// How many answers that may be kept were asked for since, and how many of them were there.
    pub(super) fn cached_since(&self, earlier: &Self) -> (u64, u64) {
        let since = |name: &str| {
            let count = |of: &Self| of.counters.get(name).copied().unwrap_or_default();
            count(self).saturating_sub(count(earlier))
        };
        (since(series::CACHE_REQUESTS), since(series::CACHE_HITS))
    }

    /// How many bytes of bodies came and went since, each second.
    pub(super) fn bytes_per_second_since(&self, earlier: &Self) -> Option<f64> {
        let bytes = real(self.bytes.saturating_sub(earlier.bytes));
        let span = self.at.saturating_duration_since(earlier.at);
        (!span.is_zero()).then(|| bytes / span.as_secs_f64())
    }

    /// How many messages clients that stay have sent and were sent since, each minute.
    fn messages_per_minute_since(&self, earlier: &Self) -> Option<f64> {
        let messages = real(self.messages.saturating_sub(earlier.messages));
        let span = self.at.saturating_duration_since(earlier.at);
        (!span.is_zero()).then(|| messages / span.as_secs_f64() * 60.0)
    }

    /// What has come since, without what has not happened.
    pub(super) fn since(&self, earlier: &Self) -> Vec<(Series, Figures)> {
        let nothing = LatencySketch::default();
        let routes = self.routes.iter().map(|(series, times)| {
            let before = earlier.routes.get(series).unwrap_or(&nothing);
            (Series::Route(series.clone()), times.since(before))
        });
        let statements = (Series::Statements, self.statements.since(&earlier.statements));
        let vitals = self.vitals.iter().map(|(of, times)| {
            let before = earlier.vitals.get(of).unwrap_or(&nothing);
            (Series::Vital(of.0, of.1.clone()), times.since(before))
        });
        let times = routes
            .chain([statements])
            .chain(vitals)
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
        let messages = self.messages_per_minute_since(earlier);
        let cores = available_parallelism().ok().map(|cores| real(cores.get() as u64));
        let cpu = processors.zip(cores).map(|(busy, cores)| busy / cores);
        let gauges = self
            .gauges
            .iter()
            .map(|(name, level)| (name.clone(), *level))
            .chain(processors.map(|busy| (series::PROCESSORS.into(), busy)))
            .chain(bytes.map(|bytes| (series::BYTES_PER_SECOND.into(), bytes)))
            .chain(messages.map(|messages| (series::MESSAGES_PER_MINUTE.into(), messages)))
            .chain(cpu.map(|share| (series::CPU_SHARE.into(), share)))
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
    let tenants = report.tenants.iter().map(|(_, of)| of);
    let kept: u64 = tenants.chain([&report.other_tenants]).map(|of| of.kept).sum();
    counters.insert(series::CACHE_KEPT.into(), kept);
    counters.insert(series::CACHE_EVICTED.into(), report.memory.evicted_for_room);
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

/// How much is used of what this process has, where that is known.
fn shares(services: &Services) -> Vec<(&'static str, f64)> {
    let mut shares = Vec::new();
    if let Some(share) = memory_share() {
        shares.push((series::MEMORY_SHARE, share));
    }
    if let Some(share) = pool_share(&services.nodes.nodes()) {
        shares.push((series::POOL_SHARE, share));
    }
    let settings = &services.performance.settings;
    let of_clients = real(clients(services)) / real(settings.most_clients.max(1));
    let of_disk = process::disk(&settings.data_dir).ok();
    let of_disk = of_disk.map(|disk| 1.0 - real(disk.available_bytes) / real(disk.total_bytes.max(1)));
    shares.push((
        series::CAPACITY_SHARE,
        of_clients.max(of_disk.unwrap_or_default()),
    ));
    let upstreams = services.upstreams.report();
    if !upstreams.is_empty() {
        let open = upstreams
            .iter()
            .filter(|of| of.state == BreakerState::Open)
            .count();
        shares.push((series::BREAKERS_OPEN, real(open as u64)));
    }
    shares
}

/// Of what it has and what it could still have.
pub(super) fn memory_share() -> Option<f64> {
    let resident = real(process::usage().resident_bytes?);
    let available = real(process::memory()?.available_bytes);
    Some(resident / (resident + available).max(1.0))
}

/// Of the pool of which most is lent.
pub(super) fn pool_share(nodes: &[NodeReport]) -> Option<f64> {
    let pools = nodes.iter().flat_map(|node| &node.pools);
    let lent = pools
        .filter(|pool| pool.max > 0)
        .map(|pool| f64::from(pool.active) / f64::from(pool.max));
    lent.reduce(f64::max)
}

fn messages(services: &Services) -> u64 {
    let traffic = services.connections.traffic();
    traffic.events + traffic.received
}

fn bytes(services: &Services) -> u64 {
    let meters = services.tenant_meters.read();
    let tenants = meters.tenants.iter().map(|(_, of)| of);
    let all = tenants.chain([&meters.rest, &meters.nobodys]);
    let requests: u64 = all.map(|of| of.received_bytes + of.sent_bytes).sum();
    requests + services.connections.traffic().bytes
}
