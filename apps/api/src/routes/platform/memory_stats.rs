use actix_web::{HttpResponse, get, web};
use fairlead_domain::store::StoreError;
use fairlead_telemetry::process;
use serde::Serialize;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use crate::authentication::Operator;
use crate::performance::series;
use crate::problem::Problem;
use crate::{AllocatorUsage, Services};

/// Over how long growth is looked at, and how much of that must be known.
const GROWTH_OVER: Duration = Duration::DAY;
const GROWTH_NEEDS: Duration = Duration::minutes(30);

/// The memory of this process, and where it is. What is not known is `null`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MemoryStats, example = json!({
    "residentBytes": 91_000_000, "peakResidentBytes": 120_000_000,
    "machine": {"totalBytes": 8_000_000_000_u64, "availableBytes": 5_100_000_000_u64},
    "allocator": {
        "allocatedBytes": 52_000_000, "activeBytes": 61_000_000, "residentBytes": 84_000_000, "mappedBytes": 96_000_000,
        "retainedBytes": 30_000_000, "fragmentation": 0.147,
    },
    "growth": {"since": "2026-11-21T10:00:00Z", "fromBytes": 88_000_000.0, "bytesPerHour": 125_000.0},
    "cache": {"usedBytes": 8_100_000, "maxBytes": 67_108_864},
    "cpuSeconds": 812.4, "openFiles": 61, "maxOpenFiles": 1_048_576, "notes": [],
}))]
struct MemoryStatsView {
    /// As the system counts it.
    #[schema(required = true)]
    resident_bytes: Option<u64>,
    /// The most at any moment since the start.
    #[schema(required = true)]
    peak_resident_bytes: Option<u64>,
    #[schema(required = true)]
    machine: Option<MachineView>,
    #[schema(required = true)]
    allocator: Option<AllocatorView>,
    #[schema(required = true)]
    growth: Option<GrowthView>,
    /// `null`: this process keeps no answers.
    #[schema(required = true)]
    cache: Option<CacheView>,
    /// Processor time of all threads since the start.
    #[schema(required = true)]
    cpu_seconds: Option<f64>,
    #[schema(required = true)]
    open_files: Option<u64>,
    /// `null` also where there is no limit.
    #[schema(required = true)]
    max_open_files: Option<u64>,
    /// Why a figure is `null`.
    notes: Vec<&'static str>,
}

/// Memory of the machine, or of the container where its limit is lower.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MachineMemory)]
struct MachineView {
    total_bytes: u64,
    available_bytes: u64,
}

/// What the allocator has of the system, and has given to the program (jemalloc(3), `stats.*`).
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AllocatorMemory)]
struct AllocatorView {
    /// What the program has asked for.
    allocated_bytes: u64,
    /// Pages that have some of it.
    active_bytes: u64,
    /// Pages that are in RAM, those of the allocator itself and those it has not given back yet included.
    resident_bytes: u64,
    mapped_bytes: u64,
    /// Addresses that are kept without memory behind them.
    retained_bytes: u64,
    /// What of active pages is not allocated, as a part of them.
    #[schema(minimum = 0, maximum = 1)]
    fragmentation: f64,
}

/// How the memory of processes has grown within a day: as far as is written down.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MemoryGrowth)]
struct GrowthView {
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    /// What a process had then, on average over a quarter of an hour and over all processes.
    #[schema(minimum = 0)]
    from_bytes: f64,
    /// From then to the last that is written down; negative when it shrinks. A leak is what grows on and on while as much
    /// is asked for as before.
    bytes_per_hour: f64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CacheMemory)]
struct CacheView {
    used_bytes: u64,
    max_bytes: u64,
}

impl From<AllocatorUsage> for AllocatorView {
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people to read")]
    fn from(usage: AllocatorUsage) -> Self {
        let spare = usage.active_bytes.saturating_sub(usage.allocated_bytes);
        Self {
            allocated_bytes: usage.allocated_bytes,
            active_bytes: usage.active_bytes,
            resident_bytes: usage.resident_bytes,
            mapped_bytes: usage.mapped_bytes,
            retained_bytes: usage.retained_bytes,
            fragmentation: spare as f64 / usage.active_bytes.max(1) as f64,
        }
    }
}

/// From the first quarter of an hour that is known to the last.
async fn growth(services: &Services) -> Result<Option<GrowthView>, StoreError> {
    const QUARTER: std::time::Duration = std::time::Duration::from_mins(15);
    let since = services.clock.now() - GROWTH_OVER;
    let samples = &services.performance.samples;
    let levels = samples.levels(series::RESIDENT_BYTES, since, QUARTER).await?;
    let mut means = levels.iter().filter_map(|(at, level)| Some((*at, level.mean()?)));
    let (Some((first, before)), Some((last, after))) = (means.next(), means.next_back()) else {
        return Ok(None);
    };
    if last - first < GROWTH_NEEDS {
        return Ok(None);
    }
    Ok(Some(GrowthView {
        since: first,
        from_bytes: before,
        bytes_per_hour: (after - before) / (last - first).as_seconds_f64() * 3_600.0,
    }))
}

/// Measure the memory of this process.
#[utoipa::path(
    tag = "platform",
    operation_id = "getMemoryStats",
    responses((status = 200, description = "Of this process, now.", body = MemoryStatsView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/memory/stats")]
pub(super) async fn stats(
    services: web::Data<Services>,
    _operator: Operator,
) -> Result<HttpResponse, Problem> {
    let usage = process::usage();
    let allocator = services.memory.allocator();
    // Without the database all else is told.
    let growth = growth(&services).await.unwrap_or_default();
    let known = [
        (
            usage.resident_bytes.is_some(),
            "residentBytes: this system does not tell what a process takes",
        ),
        (
            allocator.is_some(),
            "allocator: the allocator of this build cannot be asked",
        ),
        (
            growth.is_some(),
            "growth: less than half an hour of a day is written down",
        ),
    ];
    let unknown = known.into_iter().filter(|(known, _)| !known);
    Ok(HttpResponse::Ok().json(MemoryStatsView {
        resident_bytes: usage.resident_bytes,
        peak_resident_bytes: usage.peak_resident_bytes,
        machine: process::memory().map(|memory| MachineView {
            total_bytes: memory.total_bytes,
            available_bytes: memory.available_bytes,
        }),
        allocator: allocator.map(AllocatorView::from),
        growth,
        cache: services.cache_control.as_ref().map(|cache| {
            let memory = cache.report().memory;
            CacheView {
                used_bytes: memory.used_bytes,
                max_bytes: memory.capacity_bytes,
            }
        }),
        cpu_seconds: usage.cpu_time.map(|time| time.as_secs_f64()),
        open_files: usage.open_files,
        max_open_files: usage.max_open_files,
        notes: unknown.map(|(_, note)| note).collect(),
    }))
}
