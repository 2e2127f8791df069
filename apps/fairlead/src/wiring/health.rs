//! How the process and what it depends on are doing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fairlead_api::{HealthCheck, HealthProbe, HealthReport, HealthStatus};
use fairlead_postgres::health::{PoolHealth, ping};
use fairlead_postgres::{PgStore, PgSystemStore};
use fairlead_telemetry::process;
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::config::Secret;
use crate::database::Database;
use crate::stores::Stores;

/// What this installation does without.
pub(crate) const REDUCED: &[&str] = &[
    "no Redis: every read asks the database",
    "no message broker: events are kept in the event log, for later delivery",
    "no replica: all reads go to the primary",
];

/// How long the database may take to answer before it counts as down.
const PATIENCE: Duration = Duration::from_secs(2);
/// A report is given again for so long: anybody may ask, and each asking costs connections.
const REPORT_LASTS: Duration = Duration::from_secs(1);
const SCHEMA_VERSION_LASTS: Duration = Duration::from_mins(1);
const MEBIBYTE: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct PgHealthProbe {
    store: Arc<PgStore>,
    system: Arc<PgSystemStore>,
    system_url: Secret,
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
    pub(super) fn new(stores: &Stores, database: &Database, data_dir: &Path) -> Self {
        Self {
            store: Arc::clone(&stores.store),
            system: Arc::clone(&stores.system),
            system_url: database.urls().system.clone(),
            data_dir: data_dir.to_owned(),
            is_embedded: database.is_embedded(),
            last: Mutex::default(),
        }
    }

    async fn database(&self) -> HealthCheck {
        match timeout(PATIENCE, ping(&self.store, &self.system)).await {
            Ok(pools) => database_check(&pools),
            Err(_) => down(format!("no answer within {} s", PATIENCE.as_secs())),
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
        let database = self.database().await;
        let schema_version = match database.status {
            HealthStatus::Down => None,
            HealthStatus::Ok | HealthStatus::Warning => self.schema_version(&mut last).await,
        };
        let checks = BTreeMap::from([
            ("database", database),
            ("disk", disk_check(&self.data_dir, self.is_embedded)),
            ("memory", memory_check()),
        ]);
        let reduced = REDUCED.iter().map(|&text| text.to_owned()).collect();
        let report = HealthReport {
            checks,
            schema_version,
            reduced,
        };
        last.report = Some((Instant::now(), report.clone()));
        report
    }
}

fn database_check(pools: &[PoolHealth]) -> HealthCheck {
    let failed = pools.iter().find_map(|pool| {
        pool.ping
            .as_ref()
            .err()
            .map(|error| format!("{}: {error}", pool.name))
    });
    let slowest = pools.iter().filter_map(|pool| pool.ping.as_ref().ok()).max();
    let mut check = failed.map_or_else(|| ok([]), down);
    if let Some(latency) = slowest {
        check.figures.insert("latencyMs", latency.as_secs_f64() * 1000.0);
    }
    let open: u32 = pools.iter().map(|pool| pool.figures.size).sum();
    let most: u32 = pools.iter().map(|pool| pool.figures.max).sum();
    check.figures.insert("connectionsOpen", f64::from(open));
    check.figures.insert("connectionsMax", f64::from(most));
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
