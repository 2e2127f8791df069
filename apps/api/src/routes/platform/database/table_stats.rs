use actix_web::{HttpResponse, get, web};
use fairlead_domain::performance::catalog::{Bloat, Changes, IndexUse, Scans, TableReport, Upkeep};
use fairlead_domain::performance::maintenance::{Due, due};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::growth::GrowthView;
use super::{NoSuchTable, PathTable};
use crate::Services;
use crate::authentication::Operator;
use crate::problem::Problem;
use crate::spec::Problems;

/// How a table is doing, as the primary has counted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TableStats, example = json!({
    "name": "leads", "partitions": null, "countedSince": "2026-10-01T08:00:00Z",
    "size": {"heapBytes": 40_960_000, "tableBytes": 41_000_000, "indexBytes": 38_000_000, "totalBytes": 79_000_000},
    "growth": {"since": "2026-10-24T09:00:00Z", "bytes": 9_000_000.0, "perDayBytes": 300_000.0},
    "rows": {"live": 200_000, "dead": 12_000, "deadRatio": 0.057, "changedSinceAnalyze": 4_000, "estimated": 199_412},
    "bloat": {"bytes": 2_400_000, "ratio": 0.059},
    "upkeep": {
        "lastVacuumAt": null, "lastAutovacuumAt": "2026-11-22T03:10:00Z", "lastAnalyzeAt": null,
        "lastAutoanalyzeAt": "2026-11-22T03:11:00Z", "vacuums": 0, "autovacuums": 14, "analyzes": 0, "autoanalyzes": 20,
        "transactionAge": 812_000, "due": [],
    },
    "scans": {"sequential": 3, "sequentialRows": 600_000, "index": 81_000, "indexRows": 4_050_000, "indexRatio": 0.99996},
    "changes": {"inserted": 210_000, "updated": 90_000, "hotUpdated": 30_000, "deleted": 10_000},
    "indexes": [{
        "name": "leads_pkey", "definition": "CREATE UNIQUE INDEX leads_pkey ON public.leads USING btree (tenant_id, id)",
        "bytes": 8_000_000, "scans": 60_000, "entriesRead": 60_000, "rowsFetched": 60_000, "isUnique": true,
        "isConstraint": true, "isValid": true,
    }],
}))]
struct TableStatsView {
    name: String,
    /// How many it has, of which all below is the sum; `null`: it is not partitioned.
    #[schema(required = true, minimum = 0)]
    partitions: Option<u64>,
    /// Since when scans, changes and upkeep are counted.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    counted_since: Option<OffsetDateTime>,
    size: SizeView,
    /// `null`: it was not measured an hour ago or before.
    #[schema(required = true)]
    growth: Option<GrowthView>,
    rows: RowsView,
    /// An estimate, by how many pages as many rows as wide would fill; `null`: the table was not analyzed yet, or has
    /// secrets that operators cannot read.
    #[schema(required = true)]
    bloat: Option<BloatView>,
    upkeep: UpkeepView,
    scans: ScansView,
    changes: ChangesView,
    /// The largest first.
    indexes: Vec<IndexUseView>,
}

/// Bytes on disk.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TableBytes)]
#[expect(clippy::struct_field_names, reason = "a number names its unit")]
struct SizeView {
    /// Of the rows themselves,
    #[schema(minimum = 0)]
    heap_bytes: u64,
    /// with values that are kept beside them for being long, and the maps of free space and visibility.
    #[schema(minimum = 0)]
    table_bytes: u64,
    #[schema(minimum = 0)]
    index_bytes: u64,
    #[schema(minimum = 0)]
    total_bytes: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TableRows)]
struct RowsView {
    #[schema(minimum = 0)]
    live: u64,
    /// Nobody can see them any more, and their place is not free yet.
    #[schema(minimum = 0)]
    dead: u64,
    #[schema(required = true, minimum = 0, maximum = 1)]
    dead_ratio: Option<f64>,
    #[schema(minimum = 0)]
    changed_since_analyze: u64,
    /// As of the last ANALYZE or VACUUM; `null` before the first.
    #[schema(required = true, minimum = 0)]
    estimated: Option<u64>,
}

/// Space that holds nothing which anybody may see.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TableBloat)]
struct BloatView {
    #[schema(minimum = 0)]
    bytes: u64,
    /// Of `heapBytes`.
    #[schema(minimum = 0, maximum = 1)]
    ratio: f64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TableUpkeep)]
struct UpkeepView {
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    last_vacuum_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    last_autovacuum_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    last_analyze_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    last_autoanalyze_at: Option<OffsetDateTime>,
    #[schema(minimum = 0)]
    vacuums: u64,
    #[schema(minimum = 0)]
    autovacuums: u64,
    #[schema(minimum = 0)]
    analyzes: u64,
    #[schema(minimum = 0)]
    autoanalyzes: u64,
    /// Of how many transactions its oldest row is that is not frozen.
    #[schema(minimum = 0)]
    transaction_age: u64,
    /// What it needs, if anything: `vacuum`, `analyze`.
    due: Vec<&'static str>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TableScans)]
struct ScansView {
    /// From the beginning of the table to its end.
    #[schema(minimum = 0)]
    sequential: u64,
    #[schema(minimum = 0)]
    sequential_rows: u64,
    #[schema(minimum = 0)]
    index: u64,
    #[schema(minimum = 0)]
    index_rows: u64,
    /// Which part of all scans went by an index.
    #[schema(required = true, minimum = 0, maximum = 1)]
    index_ratio: Option<f64>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TableChanges)]
struct ChangesView {
    #[schema(minimum = 0)]
    inserted: u64,
    #[schema(minimum = 0)]
    updated: u64,
    /// Of these, those of which no index had to be told.
    #[schema(minimum = 0)]
    hot_updated: u64,
    #[schema(minimum = 0)]
    deleted: u64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = IndexUse)]
struct IndexUseView {
    name: String,
    definition: String,
    #[schema(minimum = 0)]
    bytes: u64,
    #[schema(minimum = 0)]
    scans: u64,
    #[schema(minimum = 0)]
    entries_read: u64,
    #[schema(minimum = 0)]
    rows_fetched: u64,
    is_unique: bool,
    is_constraint: bool,
    /// One whose building was broken off is kept up to date and never used.
    is_valid: bool,
}

impl TableStatsView {
    fn new(report: TableReport, growth: Option<GrowthView>) -> Self {
        let bloat = report.bloat();
        Self {
            partitions: report.partitions,
            counted_since: report.counted_since,
            size: SizeView {
                heap_bytes: report.heap_bytes,
                table_bytes: report.table_bytes,
                index_bytes: report.index_bytes,
                total_bytes: report.table_bytes + report.index_bytes,
            },
            growth,
            rows: RowsView::from(&report),
            bloat: bloat.map(BloatView::from),
            upkeep: UpkeepView::from(&report),
            scans: report.scans.into(),
            changes: report.changes.into(),
            indexes: report.indexes.into_iter().map(IndexUseView::from).collect(),
            name: report.state.name,
        }
    }
}

impl From<&TableReport> for RowsView {
    fn from(report: &TableReport) -> Self {
        Self {
            live: report.state.live_rows,
            dead: report.state.dead_rows,
            dead_ratio: report.dead_ratio(),
            changed_since_analyze: report.state.changed_rows,
            estimated: report.estimated_rows,
        }
    }
}

impl From<Bloat> for BloatView {
    fn from(Bloat { bytes, ratio }: Bloat) -> Self {
        Self { bytes, ratio }
    }
}

impl From<&TableReport> for UpkeepView {
    fn from(report: &TableReport) -> Self {
        let Upkeep {
            vacuumed_at,
            autovacuumed_at,
            analysed_at,
            autoanalysed_at,
            vacuums,
            autovacuums,
            analyses,
            autoanalyses,
        } = report.upkeep;
        let needs = due(std::slice::from_ref(&report.state), &Due::default());
        let of = |is_needed: bool, name| is_needed.then_some(name);
        let due = needs.first().map(|needs| {
            let needed = [of(needs.is_vacuum(), "vacuum"), of(needs.is_analyse(), "analyze")];
            needed.into_iter().flatten().collect()
        });
        Self {
            last_vacuum_at: vacuumed_at,
            last_autovacuum_at: autovacuumed_at,
            last_analyze_at: analysed_at,
            last_autoanalyze_at: autoanalysed_at,
            vacuums,
            autovacuums,
            analyzes: analyses,
            autoanalyzes: autoanalyses,
            transaction_age: report.state.age,
            due: due.unwrap_or_default(),
        }
    }
}

impl From<Scans> for ScansView {
    fn from(scans: Scans) -> Self {
        Self {
            sequential: scans.sequential,
            sequential_rows: scans.sequential_rows,
            index: scans.index,
            index_rows: scans.index_rows,
            index_ratio: scans.index_ratio(),
        }
    }
}

impl From<Changes> for ChangesView {
    fn from(changes: Changes) -> Self {
        Self {
            inserted: changes.inserted,
            updated: changes.updated,
            hot_updated: changes.hot_updated,
            deleted: changes.deleted,
        }
    }
}

impl From<IndexUse> for IndexUseView {
    fn from(index: IndexUse) -> Self {
        Self {
            name: index.name,
            definition: index.definition,
            bytes: index.bytes,
            scans: index.scans,
            entries_read: index.entries_read,
            rows_fetched: index.rows_fetched,
            is_unique: index.is_unique,
            is_constraint: index.is_constraint,
            is_valid: index.is_valid,
        }
    }
}

/// Tell how a table is doing.
///
/// Its size and growth, what of it is dead or bloat, when it was vacuumed and analyzed last, and how it and its indexes are
/// read, as the primary has counted since its statistics were reset last.
#[utoipa::path(
    tag = "platform",
    operation_id = "getTableStats",
    params(("tableName" = String, Path, description = "The table's name.", example = "leads")),
    responses(
        (status = 200, description = "Now.", body = TableStatsView),
        Problems<NoSuchTable>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/database/table-stats/{tableName}")]
pub(super) async fn table_stats(
    services: web::Data<Services>,
    _operator: Operator,
    PathTable(name): PathTable,
) -> Result<HttpResponse, Problem> {
    let report = services.performance.catalog.table(&name).await?;
    let report = report.ok_or(NoSuchTable)?;
    let bytes = report.table_bytes + report.index_bytes;
    let growth = GrowthView::of(&services, &report.state.name, bytes).await?;
    Ok(HttpResponse::Ok().json(TableStatsView::new(report, growth)))
}
