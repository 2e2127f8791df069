use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use fairlead_domain::performance::catalog::{IndexFacts, Indexing, Measured};
use fairlead_domain::performance::index_advice::{
    Column, ExistingIndex, Index, Key, Method, Shape, Sorted, Table, Workload,
};
use fairlead_domain::performance::{Fingerprint, StatementReport};
use fairlead_domain::store::StoreError;
use time::OffsetDateTime;

use super::{count, real};
use crate::error::SqlError;
use crate::nodes::Cluster;
use crate::plans::{Ran, Session, predicate, shapes};
use crate::wire::{Columns, Error, Row};

// Before the first ANALYZE nobody knows how many rows there are, so such tables are left out. So are those with partitions,
// whose indexes nobody can build while others write, but one after the other and by hand; and what is measured of the
// platform.
const TABLES: &str = "
    SELECT c.oid::bigint, c.relname::text, format('%I.%I', space.nspname, c.relname), c.reltuples::float8,
           COALESCE(s.n_tup_ins + s.n_tup_upd - s.n_tup_hot_upd, 0)::float8
    FROM pg_class AS c
    JOIN pg_namespace AS space ON space.oid = c.relnamespace
    LEFT JOIN pg_stat_all_tables AS s ON s.relid = c.oid
    WHERE c.relkind = 'r' AND NOT c.relispartition AND space.nspname = 'public' AND c.reltuples >= 0";

// Those of which there is an order, so that an index can be on them.
const COLUMNS: &str = "
    SELECT a.attrelid::bigint, a.attname::text, quote_ident(a.attname)
    FROM pg_attribute AS a
    JOIN pg_type AS t ON t.oid = a.atttypid
    WHERE a.attrelid = ANY ($1::bigint[]::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
      AND t.typname NOT IN ('json', 'xml', 'point', 'box', 'lseg', 'line', 'path', 'polygon', 'circle')
      AND has_column_privilege(a.attrelid, a.attnum, 'SELECT')
    ORDER BY a.attrelid, a.attnum";

// Of each key its column, or what it is instead, and whether it is descending.
const INDEXES: &str = "
    SELECT i.relname::text, r.relname::text, pg_get_indexdef(i.oid), m.amname::text,
           x.indisunique, EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.oid), x.indisvalid,
           used.bytes, used.scans, used.rows_fetched,
           ARRAY(SELECT COALESCE(a.attname::text, '') FROM generate_series(0, x.indnkeyatts - 1) AS n
                 LEFT JOIN pg_attribute AS a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[n] ORDER BY n),
           ARRAY(SELECT pg_get_indexdef(i.oid, n + 1, true) FROM generate_series(0, x.indnkeyatts - 1) AS n ORDER BY n),
           ARRAY(SELECT x.indoption[n] & 1 = 1 FROM generate_series(0, x.indnkeyatts - 1) AS n ORDER BY n),
           ARRAY(SELECT a.attname::text FROM generate_series(x.indnkeyatts::int, x.indnatts - 1) AS n
                 JOIN pg_attribute AS a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[n] ORDER BY a.attname),
           pg_get_expr(x.indpred, x.indrelid),
           EXISTS (SELECT FROM unnest(x.indclass::oid[]) AS o JOIN pg_opclass AS c ON c.oid = o
                   WHERE c.opcname = 'gin_trgm_ops')
    FROM pg_index AS x
    JOIN pg_class AS i ON i.oid = x.indexrelid
    JOIN pg_class AS r ON r.oid = x.indrelid AND NOT r.relispartition
    JOIN pg_namespace AS space ON space.oid = r.relnamespace AND space.nspname IN ('public', 'perf')
    JOIN pg_am AS m ON m.oid = i.relam
    CROSS JOIN LATERAL (
        SELECT COALESCE(SUM(pg_table_size(leaf.oid)), 0)::bigint AS bytes,
               COALESCE(SUM(s.idx_scan), 0)::bigint AS scans, COALESCE(SUM(s.idx_tup_fetch), 0)::bigint AS rows_fetched
        FROM (
            SELECT i.oid WHERE i.relkind = 'i'
            UNION
            SELECT t.relid FROM pg_partition_tree(i.oid) AS t WHERE t.isleaf
        ) AS leaf
        LEFT JOIN pg_stat_all_indexes AS s ON s.indexrelid = leaf.oid
    ) AS used
    ORDER BY r.relname, i.relname";

const COUNTED_SINCE: &str = "
    SELECT COALESCE(d.stats_reset, (SELECT to_timestamp(min(m.applied_at)) FROM seaql_migrations AS m))
    FROM pg_stat_database AS d WHERE d.datname = current_database()";

/// All columns and conditions together are planned within this time; each takes a fraction of a millisecond.
const PLANNED_WITHIN: Duration = Duration::from_secs(1);
/// Smaller tables are gone through anyhow, whatever the advisor knows of their columns.
const SMALL: f64 = 2_000.0;

pub(super) async fn indexing(
    cluster: &Arc<Cluster>,
    now: OffsetDateTime,
    measured: Measured,
) -> Result<Indexing, StoreError> {
    let connection = cluster.system();
    let since = connection.sql(COUNTED_SINCE).fetch_one().await?;
    let since: Option<OffsetDateTime> = since.try_get(0).map_err(SqlError::from)?;
    let counted = since.map_or(time::Duration::ZERO, |since| {
        (now - since).max(time::Duration::ZERO)
    });
    let rows = connection.sql(TABLES).fetch_all().await?;
    let tables: Result<Vec<Found>, Error> = rows.iter().map(Found::read).collect();
    let mut tables = tables.map_err(SqlError::from)?;
    let ids: Vec<i64> = tables.iter().map(|table| table.id).collect();
    let columns = connection.sql(COLUMNS).bind(ids).fetch_all().await?;
    let indexes = connection.sql(INDEXES).fetch_all().await?;
    connection.commit().await?;

    let turn = cluster.planning().wait().await?;
    let mut session = Session::begin(turn, cluster.system_target(), None, PLANNED_WITHIN)
        .await
        .map_err(SqlError::from)?;
    for row in &columns {
        note_column(&mut session, &mut tables, row)
            .await
            .map_err(SqlError::from)?;
    }
    // Writes are counted for longer than statements are.
    let part = (measured.period.as_secs_f64() / counted.as_seconds_f64().max(1.0)).min(1.0);
    let mut shaped = Shaped::of(&measured.statements, &tables);
    shaped
        .learn_fixed(&mut session, &tables)
        .await
        .map_err(SqlError::from)?;
    drop(session);

    let found: Result<Vec<_>, Error> = indexes.iter().map(|row| index(&mut row.columns())).collect();
    let (indexes, existing): (Vec<_>, Vec<_>) = found.map_err(SqlError::from)?.into_iter().unzip();
    let tables = tables.into_iter().map(|mut found| {
        found.table.writes *= part;
        found.table
    });
    Ok(Indexing {
        workload: Workload {
            tables: tables.collect(),
            shapes: shaped.shapes,
            existing: existing.into_iter().flatten().collect(),
        },
        indexes,
        counted_since: since,
        days: u32::try_from(counted.whole_days()).unwrap_or_default(),
        unread: shaped.unread,
    })
}

/// A table, and how it is written in a statement.
struct Found {
    id: i64,
    quoted: String,
    table: Table,
}

impl Found {
    fn read(row: &Row) -> Result<Self, Error> {
        let mut columns = row.columns();
        let id = columns.take()?;
        let name = columns.take()?;
        Ok(Self {
            id,
            quoted: columns.take()?,
            table: Table {
                name,
                rows: columns.take()?,
                writes: columns.take()?,
                tenant: None,
                columns: Vec::new(),
            },
        })
    }
}

/// Takes note of a column, with how many values it has and how wide they are. Row-level security keeps `pg_stats` from
/// everybody whom it binds, but not from the planner.
async fn note_column(session: &mut Session, tables: &mut [Found], row: &Row) -> Result<(), Error> {
    let mut columns = row.columns();
    let id: i64 = columns.take()?;
    let name: String = columns.take()?;
    let quoted: &str = columns.take()?;
    let Some(found) = tables.iter_mut().find(|found| found.id == id) else {
        return Ok(());
    };
    if name == "tenant_id" {
        found.table.tenant = Some(name.clone());
    }
    let (mut distinct, mut bytes) = (found.table.rows.max(1.0), 8.0);
    if found.table.rows >= SMALL {
        let grouped = format!(
            "EXPLAIN (FORMAT JSON) SELECT {quoted} FROM {} GROUP BY {quoted}",
            found.quoted
        );
        let plan = session.explain(&grouped).await?;
        distinct = plan.root.rows;
        bytes = real(plan.root.row_bytes);
    }
    found.table.columns.push(Column {
        name,
        distinct,
        bytes,
    });
    Ok(())
}

/// What statements ask.
struct Shaped {
    shapes: Vec<Shape>,
    unread: Vec<Fingerprint>,
}

impl Shaped {
    fn of(statements: &[StatementReport], tables: &[Found]) -> Self {
        let by_name: HashMap<&str, &Table> = tables
            .iter()
            .map(|found| (found.table.name.as_str(), &found.table))
            .collect();
        let mut read = Self {
            shapes: Vec::new(),
            unread: Vec::new(),
        };
        for report in statements.iter().filter(|report| !report.text.is_empty()) {
            let fingerprint = report.fingerprint.to_string();
            let calls = real(report.times.count());
            let ran = Ran {
                fingerprint: &fingerprint,
                text: &report.text,
                calls,
                mean_ms: report.times.mean().unwrap_or_default().as_secs_f64() * 1_000.0,
                rows: real(report.rows) / calls.max(1.0),
            };
            match shapes(ran, &by_name) {
                Some(shapes) => read.shapes.extend(shapes),
                None => read.unread.push(report.fingerprint),
            }
        }
        read
    }

    /// Asks the planner which share of rows each condition without a parameter leaves. They are those of our own
    /// statements, written anew.
    async fn learn_fixed(&mut self, session: &mut Session, tables: &[Found]) -> Result<(), Error> {
        let mut known: HashMap<(String, String), f64> = HashMap::new();
        for shape in &mut self.shapes {
            let Some(found) = tables.iter().find(|found| found.table.name == shape.table) else {
                continue;
            };
            for fixed in &mut shape.fixed {
                let key = (shape.table.clone(), fixed.sql.clone());
                let selectivity = if let Some(known) = known.get(&key) {
                    *known
                } else {
                    let counted = format!(
                        "EXPLAIN (FORMAT JSON) SELECT FROM {} WHERE {}",
                        found.quoted, fixed.sql
                    );
                    let plan = session.explain(&counted).await?;
                    let share = (plan.root.rows / found.table.rows.max(1.0)).min(1.0);
                    known.insert(key, share);
                    share
                };
                fixed.selectivity = selectivity;
            }
            forget_what_is_compared(shape);
        }
        Ok(())
    }
}

/// What stands among the comparisons is there twice only for partial indexes: rows are not left out twice.
fn forget_what_is_compared(shape: &mut Shape) {
    let terms = shape.equals.iter().chain(&shape.any_of);
    let compared: Vec<String> = terms.map(|term| term.key.to_string()).collect();
    for fixed in &mut shape.fixed {
        let is_compared = compared.iter().any(|key| {
            fixed.sql.starts_with(&format!("{key} = ")) || fixed.sql.starts_with(&format!("{key} IN "))
        });
        if is_compared {
            fixed.selectivity = 1.0;
        }
    }
}

/// An index, and what the advisor makes of it: nothing, of methods that it does not know.
fn index(columns: &mut Columns<'_>) -> Result<(IndexFacts, Option<ExistingIndex>), Error> {
    let name: String = columns.take()?;
    let table: String = columns.take()?;
    let definition: String = columns.take()?;
    let method: &str = columns.take()?;
    let (is_unique, is_constraint, is_valid) = (columns.take()?, columns.take()?, columns.take()?);
    let facts = IndexFacts {
        name: name.clone(),
        table: table.clone(),
        definition,
        bytes: columns.take().map(count)?,
        scans: columns.take().map(count)?,
        rows_fetched: columns.take().map(count)?,
        is_unique,
        is_constraint,
        is_valid,
    };
    let names: Vec<String> = columns.take()?;
    let written: Vec<String> = columns.take()?;
    let descending: Vec<bool> = columns.take()?;
    let include = columns.take()?;
    let condition: Option<&str> = columns.take()?;
    let is_of_trigrams: bool = columns.take()?;
    let method = match method {
        "btree" => Method::Btree,
        "gin" if is_of_trigrams => Method::Trigram,
        "gin" => Method::Gin,
        _ => return Ok((facts, None)),
    };
    let keys = names.into_iter().zip(written).zip(descending);
    let keys = keys.map(|((name, written), is_descending)| Sorted {
        key: if name.is_empty() {
            Key::Expression(written)
        } else {
            Key::Column(name)
        },
        is_descending,
    });
    let existing = ExistingIndex {
        name,
        index: Index {
            table,
            method,
            keys: keys.collect(),
            include,
            only: condition.map(predicate).unwrap_or_default(),
        },
        is_constraint: facts.is_unique || facts.is_constraint,
        is_invalid: !facts.is_valid,
        scans: Some(facts.scans),
        bytes: facts.bytes,
    };
    Ok((facts, Some(existing)))
}
