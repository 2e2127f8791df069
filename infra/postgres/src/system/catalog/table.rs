use std::sync::Arc;
use std::time::Duration;

use fairlead_domain::performance::catalog::{Changes, IndexUse, Scans, TableReport, Upkeep};
use fairlead_domain::performance::maintenance::TableState;
use fairlead_domain::store::StoreError;

use super::{count, real};
use crate::error::SqlError;
use crate::nodes::Cluster;
use crate::plans::Session;
use crate::wire::{Columns, Error, Row};

// What extensions bring along is not of the product. Sums of bigint are numeric, and -1 rows were never counted.
const TABLE: &str = "
    WITH root AS (
        SELECT c.oid, n.nspname, c.relname, c.relkind
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relname = $1 AND n.nspname IN ('public', 'perf') AND c.relkind IN ('r', 'p') AND NOT c.relispartition
          AND NOT EXISTS (SELECT FROM pg_depend AS d
                          WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
        ORDER BY n.nspname DESC
        LIMIT 1
    ), part AS (
        SELECT p.oid, p.reltuples, age(p.relfrozenxid) AS age
        FROM pg_class AS p, root
        WHERE p.relkind = 'r' AND COALESCE(pg_partition_root(p.oid), p.oid) = root.oid
    )
    SELECT root.oid::bigint, format('%I.%I', root.nspname, root.relname),
           has_table_privilege(root.oid, 'SELECT'),
           CASE WHEN root.relkind = 'p' THEN count(part.oid) END,
           COALESCE(SUM(pg_relation_size(part.oid)), 0)::bigint,
           COALESCE(SUM(pg_table_size(part.oid)), 0)::bigint,
           COALESCE(SUM(pg_indexes_size(part.oid)), 0)::bigint,
           CASE WHEN bool_and(part.reltuples >= 0) THEN SUM(part.reltuples)::bigint END,
           COALESCE(MAX(part.age), 0)::bigint,
           COALESCE(SUM(s.n_live_tup), 0)::bigint, COALESCE(SUM(s.n_dead_tup), 0)::bigint,
           COALESCE(SUM(s.n_mod_since_analyze), 0)::bigint,
           MAX(s.last_vacuum), MAX(s.last_autovacuum), MAX(s.last_analyze), MAX(s.last_autoanalyze),
           COALESCE(SUM(s.vacuum_count), 0)::bigint, COALESCE(SUM(s.autovacuum_count), 0)::bigint,
           COALESCE(SUM(s.analyze_count), 0)::bigint, COALESCE(SUM(s.autoanalyze_count), 0)::bigint,
           COALESCE(SUM(s.seq_scan), 0)::bigint, COALESCE(SUM(s.seq_tup_read), 0)::bigint,
           COALESCE(SUM(s.idx_scan), 0)::bigint, COALESCE(SUM(s.idx_tup_fetch), 0)::bigint,
           COALESCE(SUM(s.n_tup_ins), 0)::bigint, COALESCE(SUM(s.n_tup_upd), 0)::bigint,
           COALESCE(SUM(s.n_tup_hot_upd), 0)::bigint, COALESCE(SUM(s.n_tup_del), 0)::bigint,
           (SELECT COALESCE(d.stats_reset, (SELECT to_timestamp(min(m.applied_at)) FROM seaql_migrations AS m))
            FROM pg_stat_database AS d WHERE d.datname = current_database())
    FROM root
    LEFT JOIN part ON true
    LEFT JOIN pg_stat_all_tables AS s ON s.relid = part.oid
    GROUP BY root.oid, root.nspname, root.relname, root.relkind";

// As they were when they were last vacuumed or analysed: to ask for their size now would wait for whoever has them locked.
const STATES: &str = "
    SELECT root.relname::text, COALESCE(SUM(s.n_live_tup), 0)::bigint, COALESCE(SUM(s.n_dead_tup), 0)::bigint,
           COALESCE(SUM(s.n_mod_since_analyze), 0)::bigint, COALESCE(bool_and(part.reltuples >= 0), false),
           COALESCE(MAX(age(part.relfrozenxid)), 0)::bigint,
           (COALESCE(SUM(part.relpages::bigint), 0) * current_setting('block_size')::bigint)::bigint
    FROM pg_class AS part
    JOIN pg_class AS root ON root.oid = COALESCE(pg_partition_root(part.oid), part.oid)
    JOIN pg_namespace AS n ON n.oid = root.relnamespace
    LEFT JOIN pg_stat_all_tables AS s ON s.relid = part.oid
    WHERE part.relkind = 'r' AND n.nspname IN ('public', 'perf')
      AND NOT EXISTS (SELECT FROM pg_depend AS d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = root.oid AND d.deptype = 'e')
    GROUP BY root.oid, root.relname
    ORDER BY root.relname";

const INDEXES: &str = "
    SELECT i.relname::text, pg_get_indexdef(i.oid),
           COALESCE(SUM(pg_table_size(leaf.oid)), 0)::bigint AS bytes,
           COALESCE(SUM(s.idx_scan), 0)::bigint, COALESCE(SUM(s.idx_tup_read), 0)::bigint,
           COALESCE(SUM(s.idx_tup_fetch), 0)::bigint,
           x.indisunique, EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.oid), x.indisvalid
    FROM pg_index AS x
    JOIN pg_class AS i ON i.oid = x.indexrelid
    LEFT JOIN LATERAL (
        SELECT i.oid WHERE i.relkind = 'i'
        UNION
        SELECT t.relid FROM pg_partition_tree(i.oid) AS t WHERE t.isleaf
    ) AS leaf ON true
    LEFT JOIN pg_stat_all_indexes AS s ON s.indexrelid = leaf.oid
    WHERE x.indrelid = $1::oid
    GROUP BY i.oid, i.relname, x.indexrelid, x.indisunique, x.indisvalid
    ORDER BY bytes DESC, i.relname";

const COLUMNS: &str = "
    SELECT quote_ident(a.attname) FROM pg_attribute AS a
    WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/// To plan what reads one table takes no time at all.
const PLANNED_WITHIN: Duration = Duration::from_secs(1);

pub(super) async fn report(cluster: &Arc<Cluster>, name: &str) -> Result<Option<TableReport>, StoreError> {
    let connection = cluster.system();
    let Some(row) = connection.sql(TABLE).bind(name).fetch_optional().await? else {
        return Ok(None);
    };
    let (found, mut report) = table(&row, name).map_err(SqlError::from)?;
    let indexes = connection.sql(INDEXES).bind(found.id).fetch_all().await?;
    let columns = connection.sql(COLUMNS).bind(found.id).fetch_all().await?;
    connection.commit().await?;
    let indexes: Result<_, Error> = indexes.iter().map(|row| index(&mut row.columns())).collect();
    report.indexes = indexes.map_err(SqlError::from)?;
    if let Some(rows) = report.estimated_rows.filter(|_| found.is_readable) {
        let columns: Result<Vec<String>, Error> = columns.iter().map(|row| row.try_get(0)).collect();
        let columns = columns.map_err(SqlError::from)?;
        report.row_bytes = Some(row_bytes(cluster, &found.quoted, &columns, rows).await?);
    }
    Ok(Some(report))
}

/// How all of them are.
pub(super) async fn states(cluster: &Arc<Cluster>) -> Result<Vec<TableState>, StoreError> {
    let connection = cluster.system();
    let rows = connection.sql(STATES).fetch_all().await?;
    connection.commit().await?;
    let state = |row: &Row| -> Result<TableState, Error> {
        let mut columns = row.columns();
        Ok(TableState {
            name: columns.take()?,
            live_rows: columns.take().map(count)?,
            dead_rows: columns.take().map(count)?,
            changed_rows: columns.take().map(count)?,
            is_analysed: columns.take()?,
            age: columns.take().map(count)?,
            bytes: columns.take().map(count)?,
        })
    };
    let states: Result<Vec<_>, Error> = rows.iter().map(state).collect();
    Ok(states.map_err(SqlError::from)?)
}

/// A table, as the catalog knows it.
struct Found {
    id: i64,
    /// With its schema, as it is written in a statement.
    quoted: String,
    /// Whether all its columns may be read.
    is_readable: bool,
}

fn table(row: &Row, name: &str) -> Result<(Found, TableReport), Error> {
    let mut columns = row.columns();
    let found = Found {
        id: columns.take()?,
        quoted: columns.take()?,
        is_readable: columns.take()?,
    };
    let partitions = columns.take::<Option<i64>>()?.map(count);
    let mut number = || columns.take::<i64>().map(count);
    let (heap_bytes, table_bytes, index_bytes) = (number()?, number()?, number()?);
    let estimated_rows = columns.take::<Option<i64>>()?.map(count);
    let mut number = || columns.take::<i64>().map(count);
    let (age, live_rows, dead_rows, changed_rows) = (number()?, number()?, number()?, number()?);
    let [vacuumed_at, autovacuumed_at, analysed_at, autoanalysed_at] =
        [columns.take()?, columns.take()?, columns.take()?, columns.take()?];
    let mut number = || columns.take::<i64>().map(count);
    let upkeep = Upkeep {
        vacuumed_at,
        autovacuumed_at,
        analysed_at,
        autoanalysed_at,
        vacuums: number()?,
        autovacuums: number()?,
        analyses: number()?,
        autoanalyses: number()?,
    };
    let scans = Scans {
        sequential: number()?,
        sequential_rows: number()?,
        index: number()?,
        index_rows: number()?,
    };
    let changes = Changes {
        inserted: number()?,
        updated: number()?,
        hot_updated: number()?,
        deleted: number()?,
    };
    let state = TableState {
        name: name.to_owned(),
        live_rows,
        dead_rows,
        changed_rows,
        is_analysed: estimated_rows.is_some(),
        age,
        bytes: table_bytes,
    };
    let report = TableReport {
        state,
        partitions,
        heap_bytes,
        table_bytes,
        index_bytes,
        estimated_rows,
        row_bytes: None,
        upkeep,
        scans,
        changes,
        indexes: Vec::new(),
        counted_since: columns.take()?,
    };
    Ok((found, report))
}

fn index(columns: &mut Columns<'_>) -> Result<IndexUse, Error> {
    Ok(IndexUse {
        name: columns.take()?,
        definition: columns.take()?,
        bytes: columns.take().map(count)?,
        scans: columns.take().map(count)?,
        entries_read: columns.take().map(count)?,
        rows_fetched: columns.take().map(count)?,
        is_unique: columns.take()?,
        is_constraint: columns.take()?,
        is_valid: columns.take()?,
    })
}

/// How many bytes the values of a row take on average, with what says which of them are missing. Row-level security keeps
/// `pg_stats` from everybody whom it binds, but not from the planner.
async fn row_bytes(cluster: &Cluster, quoted: &str, columns: &[String], rows: u64) -> Result<u64, SqlError> {
    let turn = cluster.planning().wait().await?;
    let mut session = Session::begin(turn, cluster.system_target(), None, PLANNED_WITHIN).await?;
    let (mut bytes, mut has_nulls) = (0.0, false);
    for column in columns {
        let plan = session
            .explain(&format!(
                "EXPLAIN (FORMAT JSON) SELECT {column} FROM {quoted} WHERE {column} IS NOT NULL"
            ))
            .await?;
        let share = plan.root.rows / real(rows.max(1));
        has_nulls |= share < 1.0;
        bytes += share.min(1.0) * real(plan.root.row_bytes);
    }
    drop(session);
    // A bit for each column, behind the 23 bytes of a header that without them ends at 24.
    let missing = if has_nulls {
        (HEADER + columns.len().div_ceil(8)).next_multiple_of(8) - (HEADER + 1)
    } else {
        0
    };
    Ok(whole(bytes.ceil()) + missing as u64)
}

const HEADER: usize = 23;

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a width, which the cast saturates"
)]
fn whole(bytes: f64) -> u64 {
    bytes as u64
}
