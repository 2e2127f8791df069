//! What there is only so much of.

use std::thread::available_parallelism;

use fairlead_domain::database::PoolReport;
use fairlead_domain::performance::bottlenecks::Resource;
use fairlead_telemetry::process;

use super::series;
use crate::state::Services;

/// How much of a resource is used, as far as this process can tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InUse {
    pub(crate) resource: Resource,
    pub(crate) used: Option<f64>,
    pub(crate) limit: Option<f64>,
}

/// Resources whose use is written down.
pub(crate) const RESOURCES: [Resource; 7] = [
    Resource::Cpu,
    Resource::Memory,
    Resource::Storage,
    Resource::Bandwidth,
    Resource::DatabaseConnections,
    Resource::CacheMemory,
    Resource::Sockets,
];

/// The name by which the use of a resource is written down; `None`: it is not.
pub(crate) fn gauge(resource: Resource) -> Option<&'static str> {
    Some(match resource {
        Resource::Cpu => series::PROCESSORS,
        Resource::Memory => series::RESIDENT_BYTES,
        Resource::Storage => series::DATABASE_BYTES,
        Resource::Bandwidth => series::BYTES_PER_SECOND,
        Resource::DatabaseConnections => series::CONNECTIONS,
        Resource::CacheMemory => series::CACHE_BYTES,
        Resource::Sockets => series::CLIENTS,
        Resource::Queue => return None,
    })
}

/// What this process uses now, and may: without what only the database knows.
pub(crate) fn in_use(services: &Services) -> Vec<InUse> {
    let interval = services.performance.lately().interval;
    let mut all = vec![
        InUse {
            resource: Resource::Cpu,
            used: interval.as_ref().and_then(|interval| interval.processors),
            limit: available_parallelism().ok().map(|cores| real(cores.get() as u64)),
        },
        InUse {
            resource: Resource::Memory,
            used: process::usage().resident_bytes.map(real),
            limit: process::memory().map(|memory| real(memory.total_bytes)),
        },
        InUse {
            resource: Resource::Bandwidth,
            used: interval.as_ref().and_then(|interval| interval.bytes_per_second),
            limit: None,
        },
        InUse {
            resource: Resource::DatabaseConnections,
            used: Some(connections(services, |pool| pool.active)),
            limit: Some(connections(services, |pool| pool.max)),
        },
        InUse {
            resource: Resource::Sockets,
            used: Some(real(clients(services))),
            limit: Some(real(services.performance.settings.most_clients)),
        },
    ];
    if let Some(cache) = &services.cache_control {
        let memory = cache.report().memory;
        all.push(InUse {
            resource: Resource::CacheMemory,
            used: Some(real(memory.used_bytes)),
            limit: Some(real(memory.capacity_bytes)),
        });
    }
    all
}

/// Over all pools of this process.
pub(super) fn connections(services: &Services, count: fn(&PoolReport) -> u32) -> f64 {
    let nodes = services.nodes.nodes();
    let pools = nodes.iter().flat_map(|node| &node.pools);
    pools.map(|pool| f64::from(count(pool))).sum()
}

/// Those that stay.
pub(super) fn clients(services: &Services) -> u64 {
    let all = services.connections.by_tenant();
    all.iter().map(|of| of.sockets + of.streams).sum()
}

#[expect(clippy::cast_precision_loss, reason = "levels for people to read")]
pub(crate) fn real(level: u64) -> f64 {
    level as f64
}
