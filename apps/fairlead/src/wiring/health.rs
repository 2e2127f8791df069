//! How the process and what it depends on are doing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fairlead_api::{BrokerStanding, HealthCheck, HealthProbe, HealthReport, HealthStatus};
use fairlead_cache::TieredCache;
use fairlead_domain::database::{DatabaseNodes as _, NodeReport, NodeRole};
use fairlead_domain::events::{Backlog, EventsMonitor as _, EventsReport};
use fairlead_postgres::Cluster;
use fairlead_telemetry::process;
use fairlead_worker::Worker;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::rate_limits::Limiting;
use super::upstreams::Called;
use crate::config::{Config, Secret};
use crate::database::Database;
use crate::stores::Stores;

/// What this installation does without: always, and as its replicas and its cache are now.
pub(super) fn reduced(
    nodes: &[NodeReport],
    caching: &Caching,
    events: &EventsReport,
    brokering: Brokering,
) -> Vec<String> {
    let mut reduced = Vec::new();
    match &events.link {
        None if brokering == Brokering::Nowhere => {
            reduced.push("no message broker: one process handles all events, from their log".to_owned());
        }
        Some(link) if !link.is_up => reduced.push(
            "RabbitMQ is away: events are published when it returns, and handled from their log meanwhile, a little \
             later"
                .to_owned(),
        ),
        // It is up, or other processes have to do with it.
        None | Some(_) => {}
    }
    if events.is_log_ahead {
        reduced.push(
            "the log of events is of another server: nobody is told of what happens, and nothing is done about it, \
             until it begins anew (fairlead events begin-anew)"
                .to_owned(),
        );
    }
    let replicas = || nodes.iter().filter(|node| node.role != NodeRole::Primary);
    if replicas().next().is_none() {
        reduced.push("no replica: all reads go to the primary".to_owned());
    }
    let missing = replicas().filter(|node| !node.is_serving);
    reduced.extend(missing.map(|node| format!("{} {}: reads go elsewhere", node.name, node.standing)));
    reduced.extend(caching.reduced().map(str::to_owned));
    reduced.extend(events.backlogs.iter().filter_map(behind));
    reduced
}

/// A reader of events that is further behind than a moment.
fn behind(backlog: &Backlog) -> Option<String> {
    let oldest = backlog.oldest.filter(|oldest| *oldest > LATE)?;
    // Anybody may read this, so it does not tell whose transaction; the log does.
    let held = match &backlog.holder {
        Some(holder) => format!(
            ", held up by a transaction that has been open for {} s",
            holder.open_for.as_secs()
        ),
        None => String::new(),
    };
    Some(format!(
        "{} is {} s behind with events{held}",
        backlog.reader,
        oldest.as_secs()
    ))
}

/// Whether there is a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brokering {
    Configured,
    Nowhere,
}

impl Brokering {
    pub(super) fn of(config: &Config) -> Self {
        match config.events.amqp.url {
            Some(_) => Self::Configured,
            None => Self::Nowhere,
        }
    }
}

/// How answers are kept.
#[derive(Clone, Debug)]
pub(super) struct Caching {
    /// `None`: there is nothing to keep, nor to tell of.
    pub(super) cache: Option<TieredCache>,
    /// Whether answers are kept.
    pub(super) keeps: bool,
    /// Whether the configuration names a Redis.
    pub(super) shares: bool,
}

impl Caching {
    fn reduced(&self) -> Option<&'static str> {
        let Some(cache) = self.cache.as_ref().filter(|_| self.keeps) else {
            return Some("no cache: every read asks the database");
        };
        if !self.shares {
            Some("no Redis: this process keeps its own answers, and sees what others change a moment later")
        } else if cache.is_connected() {
            None
        } else {
            Some("Redis is away: answers are kept by each process, and only for a moment")
        }
    }
}

/// An event should be handled sooner.
const LATE: Duration = Duration::from_secs(30);
/// How long the database may take to tell its schema.
const PATIENCE: Duration = Duration::from_secs(2);
/// A report is given again for so long: anybody may ask, and each asking costs connections.
const REPORT_LASTS: Duration = Duration::from_secs(1);
const SCHEMA_VERSION_LASTS: Duration = Duration::from_mins(1);
const MEBIBYTE: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct PgHealthProbe {
    cluster: Arc<Cluster>,
    system_url: Secret,
    caching: Caching,
    worker: Worker,
    called: Called,
    limiting: Option<Limiting>,
    brokering: Brokering,
    roles: Vec<&'static str>,
    data_dir: PathBuf,
    /// Whether the database's own files are in the data folder.
    is_embedded: bool,
    /// Held while a report is made, so that those who ask at once share it.
    last: Mutex<Last>,
}

#[derive(Debug, Default)]
struct Last {
    report: Option<(Instant, HealthReport)>,
    schema_version: Option<(Instant, String)>,
}

impl PgHealthProbe {
    pub(super) fn new(
        stores: &Stores,
        caching: Caching,
        worker: Worker,
        called: Called,
        limiting: Option<Limiting>,
        database: &Database,
        config: &Config,
    ) -> Self {
        Self {
            cluster: Arc::clone(&stores.cluster),
            system_url: database.urls().system.clone(),
            caching,
            worker,
            called,
            limiting,
            brokering: Brokering::of(config),
            roles: config.roles.names(),
            data_dir: config.data_dir.clone(),
            is_embedded: database.is_embedded(),
            last: Mutex::default(),
        }
    }

    /// Returns the last migration, asked for once a minute; `None` when the database does not tell.
    async fn schema_version(&self, last: &mut Last) -> Option<String> {
        if let Some((asked, version)) = &last.schema_version
            && asked.elapsed() < SCHEMA_VERSION_LASTS
        {
            return Some(version.clone());
        }
        let asked = timeout(PATIENCE, fairlead_migrations::status(self.system_url.expose())).await;
        let version = asked.ok()?.ok()?.applied.pop()?;
        last.schema_version = Some((Instant::now(), version.clone()));
        Some(version)
    }
}

#[async_trait]
impl HealthProbe for PgHealthProbe {
    async fn check(&self) -> HealthReport {
        let mut last = self.last.lock().await;
        if let Some((made, report)) = &last.report
            && made.elapsed() < REPORT_LASTS
        {
            return report.clone();
        }
        let nodes = self.cluster.nodes();
        let database = database_check(&nodes);
        let schema_version = match database.status {
            HealthStatus::Down => None,
            HealthStatus::Ok | HealthStatus::Warning => self.schema_version(&mut last).await,
        };
        let checks = BTreeMap::from([
            ("database", database),
            ("disk", disk_check(&self.data_dir, self.is_embedded)),
            ("memory", memory_check()),
        ]);
        let events = self.worker.report();
        let mut reduced = reduced(&nodes, &self.caching, &events, self.brokering);
        reduced.extend(self.called.reduced());
        let limiting = self.limiting.as_ref().and_then(Limiting::reduced);
        reduced.extend(limiting.map(str::to_owned));
        let report = HealthReport {
            checks,
            schema_version,
            roles: self.roles.clone(),
            broker: broker(&events),
            reduced,
        };
        last.report = Some((Instant::now(), report.clone()));
        report
    }
}

fn broker(events: &EventsReport) -> BrokerStanding {
    match &events.link {
        None => BrokerStanding::Nowhere,
        Some(link) if !link.is_up => BrokerStanding::Away,
        Some(_) => {
            let waits = events.backlogs.iter().filter_map(|backlog| backlog.oldest);
            BrokerStanding::Up {
                oldest: waits.max().unwrap_or_default(),
            }
        }
    }
}

/// By what the monitor has seen, over connections of its own: a pool whose connections are all in use is busy, not
/// down.
fn database_check(nodes: &[NodeReport]) -> HealthCheck {
    let primary = nodes.iter().find(|node| node.role == NodeRole::Primary);
    let mut check = match primary {
        Some(primary) if primary.is_serving => ok([]),
        Some(primary) => down(format!("{} {}", primary.name, primary.standing)),
        None => down("there is no primary".to_owned()),
    };
    if let Some(latency) = primary.and_then(|primary| primary.latency) {
        check.figures.insert("latencyMs", latency.as_secs_f64() * 1000.0);
    }
    let pools = || nodes.iter().flat_map(|node| &node.pools);
    let open: u32 = pools().map(|pool| pool.open).sum();
    let most: u32 = pools().map(|pool| pool.max).sum();
    check.figures.insert("connectionsOpen", f64::from(open));
    check.figures.insert("connectionsMax", f64::from(most));
    if check.status == HealthStatus::Ok
        && let Some(pool) = pools().find(|pool| pool.waiting > 0 && pool.active >= pool.max)
    {
        check.status = HealthStatus::Warning;
        check.detail = Some(format!(
            "every connection of a pool is in use, and {} wait for one",
            pool.waiting
        ));
    }
    check
}

fn disk_check(data_dir: &Path, is_embedded: bool) -> HealthCheck {
    let disk = match process::disk(data_dir) {
        Ok(disk) => disk,
        Err(error) => return warning(format!("the data folder cannot be measured: {error}"), []),
    };
    let figures = [
        ("freeBytes", as_figure(disk.available_bytes)),
        ("totalBytes", as_figure(disk.total_bytes)),
    ];
    match disk.available_bytes / MEBIBYTE {
        // Without room PostgreSQL stops in the middle of whatever it writes.
        0..64 if is_embedded => HealthCheck {
            figures: figures.into(),
            ..down("the disk is full".to_owned())
        },
        0..512 => warning("the disk is almost full".to_owned(), figures),
        _ => ok(figures),
    }
}

fn memory_check() -> HealthCheck {
    let Some(memory) = process::memory() else {
        return warning("the memory of this system cannot be measured".to_owned(), []);
    };
    let mut figures = BTreeMap::from([
        ("availableBytes", as_figure(memory.available_bytes)),
        ("totalBytes", as_figure(memory.total_bytes)),
    ]);
    if let Some(resident) = process::usage().resident_bytes {
        figures.insert("residentBytes", as_figure(resident));
    }
    match memory.available_bytes / MEBIBYTE {
        0..64 => warning("memory is almost used up".to_owned(), figures),
        _ => ok(figures),
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to nine petabytes")]
fn as_figure(bytes: u64) -> f64 {
    bytes as f64
}

fn ok(figures: impl Into<BTreeMap<&'static str, f64>>) -> HealthCheck {
    HealthCheck {
        status: HealthStatus::Ok,
        detail: None,
        figures: figures.into(),
    }
}

fn warning(detail: String, figures: impl Into<BTreeMap<&'static str, f64>>) -> HealthCheck {
    HealthCheck {
        status: HealthStatus::Warning,
        detail: Some(detail),
        figures: figures.into(),
    }
}

fn down(detail: String) -> HealthCheck {
    HealthCheck {
        status: HealthStatus::Down,
        detail: Some(detail),
        figures: BTreeMap::new(),
    }
}
