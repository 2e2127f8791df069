//! What the health of this process is read by.

use std::collections::BTreeMap;
use std::thread::available_parallelism;
use std::time::Duration;

use fairlead_domain::database::{NodeReport, NodeRole};
use fairlead_domain::jobs::Queue;
use fairlead_domain::performance::LatencySketch;
use fairlead_domain::performance::health::{Component, Reading};
use fairlead_domain::upstreams::BreakerState;

use super::capacity::{clients, real};
use super::figures::{memory_share, pool_share};
use crate::state::{BrokerStanding, HealthCheck, HealthReport, HealthStatus, Services};

/// Of fewer answers nothing is said of a cache.
const FEWEST_LOOKUPS: u64 = 100;

/// Of each component, what is known of it now.
pub(crate) async fn readings(services: &Services) -> Vec<(Component, Reading)> {
    let HealthReport { checks, broker, .. } = services.health.check().await;
    let nodes = services.nodes.nodes();
    let (latency, errors) = requests(services);
    vec![
        (Component::Database, database(&checks)),
        (Component::Pools, pools(&nodes)),
        (Component::Cache, cache(services)),
        (Component::Redis, redis(services)),
        (Component::Disk, disk(&checks)),
        (Component::Memory, memory()),
        (Component::Cpu, cpu(services)),
        (Component::Latency, latency),
        (Component::Errors, errors),
        (Component::Sockets, sockets(services)),
        (Component::Broker, of_broker(broker)),
        (Component::Jobs, jobs(services).await),
        (Component::Upstreams, upstreams(services)),
        (Component::Replicas, replicas(&nodes)),
    ]
}

fn missing(why: impl Into<String>) -> Reading {
    Reading::Missing(why.into())
}

/// As it was looked at last, over a connection of its own.
fn database(checks: &BTreeMap<&'static str, HealthCheck>) -> Reading {
    let Some(check) = checks.get("database") else {
        return missing("it was not looked at");
    };
    match check.figures.get("latencyMs") {
        _ if check.status == HealthStatus::Down => Reading::Down(check.detail.clone().unwrap_or_default()),
        Some(latency) => Reading::Value(*latency),
        None => missing("it has not answered yet"),
    }
}

/// The one of which most is lent.
fn pools(nodes: &[NodeReport]) -> Reading {
    pool_share(nodes).map_or_else(|| missing("there is no pool"), Reading::Value)
}

/// Of the last interval, if enough was asked for within it to say so.
fn cache(services: &Services) -> Reading {
    if services.cache_control.is_none() {
        return Reading::NotUsed;
    }
    match services
        .performance
        .lately()
        .interval
        .map(|interval| interval.cache)
    {
        Some((asked, hits)) if asked >= FEWEST_LOOKUPS => {
            Reading::Value(1.0 - real(hits.min(asked)) / real(asked))
        }
        Some((asked, _)) => missing(format!(
            "only {asked} answers were asked for in the last interval"
        )),
        None => missing("no interval of measuring is over"),
    }
}

fn of_broker(standing: BrokerStanding) -> Reading {
    match standing {
        BrokerStanding::Nowhere => Reading::NotUsed,
        BrokerStanding::Away => Reading::Down("it is away; events are handled from their log".to_owned()),
        BrokerStanding::Up { oldest } => Reading::Value(oldest.as_secs_f64()),
    }
}

fn redis(services: &Services) -> Reading {
    let Some(report) = services.cache_control.as_ref().map(|cache| cache.report()) else {
        return Reading::NotUsed;
    };
    let Some(shared) = report.shared else {
        return Reading::NotUsed;
    };
    if !shared.is_trusted {
        return Reading::Down("it does not answer, or the changes of others are not heard".to_owned());
    }
    let reads = report.times.iter().find(|(name, _)| *name == "shared_read");
    match reads.filter(|(_, times)| times.count > 0) {
        Some((_, times)) => Reading::Value(times.p95.as_secs_f64() * 1_000.0),
        None => missing("nothing was asked of it yet"),
    }
}

fn disk(checks: &BTreeMap<&'static str, HealthCheck>) -> Reading {
    let Some(check) = checks.get("disk") else {
        return missing("it was not looked at");
    };
    let figure = |name| check.figures.get(name).copied();
    match (figure("freeBytes"), figure("totalBytes")) {
        (Some(free), Some(total)) if total > 0.0 => Reading::Value(1.0 - free / total),
        _ => missing(check.detail.clone().unwrap_or_default()),
    }
}

/// Of what it has and what it could still have.
fn memory() -> Reading {
    memory_share().map_or_else(|| missing("this system does not tell"), Reading::Value)
}

fn cpu(services: &Services) -> Reading {
    let interval = services.performance.lately().interval;
    let busy = interval.and_then(|interval| interval.processors);
    match (busy, available_parallelism()) {
        (Some(busy), Ok(cores)) => Reading::Value(busy / real(cores.get() as u64)),
        (None, _) => missing("no interval of measuring is over, or this system does not tell"),
        (_, Err(error)) => missing(format!("how many cores there are is not known: {error}")),
    }
}

/// Of the last interval; where nothing was asked within it, since the start.
fn requests(services: &Services) -> (Reading, Reading) {
    if !services.performance.settings.recording {
        let why = "performance.recording is false";
        return (missing(why), missing(why));
    }
    let interval = services.performance.lately().interval;
    let lately = interval.filter(|interval| interval.requests.count() > 0);
    let (times, failed) = match lately {
        Some(interval) => (interval.requests, interval.failed),
        None => since_start(services),
    };
    let Some(p95) = times.quantile(950) else {
        let why = "nothing was asked yet";
        return (missing(why), missing(why));
    };
    (
        Reading::Value(p95.as_secs_f64() * 1_000.0),
        Reading::Value(real(failed) / real(times.count())),
    )
}

fn since_start(services: &Services) -> (LatencySketch, u64) {
    let (mut all, mut failed) = (LatencySketch::default(), 0);
    for (series, times) in services.times.all() {
        all.merge(&times.sketch);
        if series.status >= 500 {
            failed += times.sketch.count();
        }
    }
    (all, failed)
}

fn sockets(services: &Services) -> Reading {
    let most = services.performance.settings.most_clients;
    Reading::Value(real(clients(services)) / real(most.max(1)))
}

/// The one that waits longest, of all processes.
async fn jobs(services: &Services) -> Reading {
    let window = Duration::from_mins(1);
    match services.jobs.operations.figures(&Queue::ALL, window).await {
        Ok(queues) => {
            // What an operator has stopped waits because it was asked to.
            let running = queues.iter().filter(|queue| queue.stop.is_none());
            let oldest = running.filter_map(|queue| queue.oldest).max();
            Reading::Value(oldest.unwrap_or_default().as_secs_f64())
        }
        Err(_) => missing("the database does not tell"),
    }
}

fn upstreams(services: &Services) -> Reading {
    let all = services.upstreams.report();
    if all.is_empty() {
        return Reading::NotUsed;
    }
    let away = all.iter().filter(|of| of.state == BreakerState::Open).count();
    Reading::Value(real(away as u64) / real(all.len() as u64))
}

fn replicas(nodes: &[NodeReport]) -> Reading {
    let (mut furthest, mut is_unknown) = (None, false);
    for node in nodes.iter().filter(|node| node.role != NodeRole::Primary) {
        match node.lag {
            Some(lag) => furthest = furthest.max(Some(lag.time)),
            None if node.is_serving => is_unknown = true,
            None => return Reading::Down(format!("{} {}", node.name, node.standing)),
        }
    }
    if is_unknown {
        return missing("the primary is out of sight, by which lag is measured");
    }
    furthest.map_or(Reading::NotUsed, |lag| Reading::Value(lag.as_secs_f64()))
}
