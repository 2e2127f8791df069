//! What was measured, and how it becomes less with age.

use async_trait::async_trait;
use fairlead_domain::identity::TenantId;
use fairlead_domain::performance::alerts::Counts;
use fairlead_domain::performance::vitals::{Page, Vital};
use fairlead_domain::performance::{
    Figures, Grain, LatencySketch, Level, RouteSeries, Sample, Samples, Series, SeriesKind, Taken, thin,
};
use fairlead_domain::store::StoreError;
use time::{Duration, OffsetDateTime};

use super::platform::WAIT;
use super::{PgSystemStore, alerts, ledger};
use crate::connection::Connection;
use crate::error::{SqlError, unexpected};
use crate::wire::{Error, Row};

/// As samples are that were measured within the last two days, of which there are many, pages are short.
const SHORT_PAGE: Duration = Duration::minutes(10);

const ADD: &str = "
    INSERT INTO perf.samples (grain, at, process, kind, name, class, looks, sum, highest, sketch)
    SELECT $1, s.at, $2, s.kind, s.name, s.class, s.looks, s.sum, s.highest, NULLIF(s.sketch, '')
    FROM unnest($3::timestamptz[], $4::text[], $5::text[], $6::int[], $7::bigint[], $8::double precision[],
                $9::double precision[], $10::bytea[])
        AS s (at, kind, name, class, looks, sum, highest, sketch)";

const HAS: &str = "SELECT EXISTS (SELECT FROM perf.samples WHERE grain = 0 AND at = $1 AND process = $2)";

const READ: &str = "
    SELECT at, kind, name, class, looks, sum, highest, sketch FROM perf.samples
    WHERE grain IN (0, 1, 2) AND at >= $1 AND at < $2 AND kind = ANY ($3::text[])
    ORDER BY at, kind, name, class, process";

// Steps begin where hours and days do.
const LEVELS: &str = "
    SELECT date_bin($3 * interval '1 second', at, timestamptz '2000-01-01 00:00Z') AS step,
           SUM(looks)::bigint, SUM(sum), MAX(highest)
    FROM perf.samples
    WHERE grain IN (0, 1, 2) AND at >= $2 AND kind = 'gauge' AND name = $1
    GROUP BY step ORDER BY step";

// Once an hour, whoever comes first.
const MEASURE_DATABASE: &str = "
    INSERT INTO perf.samples (grain, at, process, kind, name, class, looks, sum, highest)
    SELECT 1, date_trunc('hour', $1, 'UTC'), '', 'gauge', 'database.bytes', 0, 1, size, size
    FROM (SELECT pg_database_size(current_database())::double precision AS size) AS measured
    ON CONFLICT ON CONSTRAINT samples_pkey DO NOTHING";

// The same of each table with its indexes; a partitioned one is the sum of its partitions.
const MEASURE_TABLES: &str = "
    INSERT INTO perf.samples (grain, at, process, kind, name, class, looks, sum, highest)
    SELECT 1, date_trunc('hour', $1, 'UTC'), '', 'gauge', 'table.bytes.' || name, 0, 1, size, size
    FROM (
        SELECT root.relname AS name, SUM(pg_total_relation_size(part.oid))::double precision AS size
        FROM pg_class AS part
        JOIN pg_class AS root ON root.oid = COALESCE(pg_partition_root(part.oid), part.oid)
        JOIN pg_namespace AS space ON space.oid = root.relnamespace
        WHERE part.relkind = 'r' AND space.nspname IN ('public', 'perf')
        GROUP BY root.relname
    ) AS measured
    ON CONFLICT ON CONSTRAINT samples_pkey DO NOTHING";

const OLDEST: &str = "SELECT min(at) FROM perf.samples WHERE grain = $1 AND at < $2";

// With what is there already of the same interval, when some came late.
const TAKE: &str = "
    DELETE FROM perf.samples WHERE grain IN ($1, $2) AND at >= $3 AND at < $4
    RETURNING at, kind, name, class, looks, sum, highest, sketch";

#[async_trait]
impl Samples for PgSystemStore {
    #[tracing::instrument(level = "debug", name = "db.samples.add", skip_all)]
    async fn add(
        &self,
        at: OffsetDateTime,
        measured: &[(Series, Figures)],
        counts: &Counts,
        taken: &[(TenantId, Taken)],
    ) -> Result<(), StoreError> {
        let connection = self.cluster.system();
        ledger::add(&connection, at, taken).await?;
        alerts::add_requests(&connection, counts).await?;
        let rows = measured
            .iter()
            .map(|(series, figures)| Stored::new(at, series, figures));
        add(&connection, Grain::Fine, self.process.name(), rows.collect()).await?;
        connection.commit().await?;
        Ok(())
    }

    #[tracing::instrument(level = "debug", name = "db.samples.has", skip_all)]
    async fn has(&self, at: OffsetDateTime) -> Result<bool, StoreError> {
        let connection = self.cluster.system();
        let row = connection
            .sql(HAS)
            .bind(at)
            .bind(self.process.name())
            .fetch_one()
            .await?;
        connection.commit().await?;
        Ok(row.try_get(0).map_err(SqlError::from)?)
    }

    #[tracing::instrument(level = "debug", name = "db.samples.read", skip_all)]
    async fn read(
        &self,
        since: OffsetDateTime,
        until: OffsetDateTime,
        kinds: &[SeriesKind],
        each: &mut (dyn for<'s> FnMut(&'s Sample) + Send),
    ) -> Result<(), StoreError> {
        let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
        let now = self.now();
        let mut begin = since;
        while begin < until {
            let end = end_of_page(begin, now).min(until);
            let connection = self.cluster.system();
            let page = connection.sql(READ).bind(begin).bind(end).bind(&*kinds);
            let rows = page.fetch_all().await?;
            connection.commit().await?;
            for row in &rows {
                each(&sample(row)?);
            }
            begin = end;
        }
        Ok(())
    }

    #[tracing::instrument(level = "debug", name = "db.samples.levels", skip_all)]
    async fn levels(
        &self,
        gauge: &str,
        since: OffsetDateTime,
        step: std::time::Duration,
    ) -> Result<Vec<(OffsetDateTime, Level)>, StoreError> {
        let connection = self.cluster.system();
        let seconds = i64::try_from(step.as_secs()).unwrap_or(i64::MAX);
        let levels = connection.sql(LEVELS).bind(gauge).bind(since).bind(seconds);
        let rows = levels.fetch_all().await?;
        connection.commit().await?;
        let levels = rows.iter().map(level).collect::<Result<_, _>>();
        Ok(levels.map_err(SqlError::from)?)
    }
}

/// What may be thinned meanwhile goes from one place of a page to another one of it, or else it would be read twice or
/// not at all.
fn end_of_page(begin: OffsetDateTime, now: OffsetDateTime) -> OffsetDateTime {
    let age = now - begin;
    if age < Duration::hours(46) {
        begin + SHORT_PAGE
    } else if age < Duration::hours(74) {
        Grain::Hour.beginning(begin) + Duration::HOUR
    } else {
        Grain::Day.beginning(begin) + Duration::DAY
    }
}

impl PgSystemStore {
    /// Makes what is old into samples of longer intervals, one of those a transaction.
    #[tracing::instrument(level = "debug", name = "db.samples.thin", skip_all)]
    pub async fn thin_samples(&self) -> Result<(), StoreError> {
        for grain in Grain::ALL {
            let (Some(kept_for), Some(next)) = (grain.kept_for(), grain.next()) else {
                continue;
            };
            let Some(interval) = next.interval() else { continue };
            // Whole intervals alone.
            let until = next.beginning(self.now() - kept_for);
            while let Some(oldest) = self.oldest_sample(grain, until).await? {
                let begin = next.beginning(oldest);
                let connection = self.cluster.system();
                let rows = connection
                    .sql(TAKE)
                    .bind(code(grain))
                    .bind(code(next))
                    .bind(begin)
                    .bind(begin + interval)
                    .fetch_all()
                    .await?;
                let taken = rows.iter().map(sample).collect::<Result<Vec<_>, _>>()?;
                let thinned = thin(taken, next);
                let rows = thinned
                    .iter()
                    .map(|of| Stored::new(of.at, &of.series, &of.figures));
                add(&connection, next, "", rows.collect()).await?;
                connection.commit().await?;
            }
        }
        Ok(())
    }

    /// Writes down how large the database and its tables are, unless that is known of this hour. Where one is locked for longer
    /// than a moment, that stays unknown until it is asked for again.
    #[tracing::instrument(level = "debug", name = "db.samples.measure_database", skip_all)]
    pub(super) async fn measure_database(&self) -> Result<(), StoreError> {
        match self.measure().await {
            Err(StoreError::Contended) => {
                tracing::info!("a table is locked, so that tables are not measured now");
                Ok(())
            }
            measured => measured,
        }
    }

    async fn measure(&self) -> Result<(), StoreError> {
        let connection = self.cluster.system();
        let now = self.now();
        // To measure a table takes a lock, which a migration may have for long.
        connection.sql(WAIT).enqueue().await?;
        for text in [MEASURE_DATABASE, MEASURE_TABLES] {
            connection.sql(text).bind(now).execute().await?;
        }
        connection.commit().await?;
        Ok(())
    }

    async fn oldest_sample(
        &self,
        grain: Grain,
        until: OffsetDateTime,
    ) -> Result<Option<OffsetDateTime>, StoreError> {
        let connection = self.cluster.system();
        let oldest = connection.sql(OLDEST).bind(code(grain)).bind(until);
        let row = oldest.fetch_one().await?;
        connection.commit().await?;
        Ok(row.try_get(0).map_err(SqlError::from)?)
    }
}

async fn add(
    connection: &Connection,
    grain: Grain,
    process: &str,
    rows: Vec<Stored>,
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    connection
        .sql(ADD)
        .bind(code(grain))
        .bind(process)
        .bind(rows.iter().map(|row| row.at).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.kind).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| &*row.name).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.class).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.looks).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.sum).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| row.highest).collect::<Vec<_>>())
        .bind(rows.iter().map(|row| &*row.sketch).collect::<Vec<_>>())
        .enqueue()
        .await
}

/// What stands in the columns beside the grain and the process.
struct Stored {
    at: OffsetDateTime,
    kind: &'static str,
    name: String,
    class: i32,
    looks: i64,
    sum: f64,
    highest: f64,
    sketch: Vec<u8>,
}

impl Stored {
    fn new(at: OffsetDateTime, series: &Series, figures: &Figures) -> Self {
        let (name, class) = match series {
            // A method has no space.
            Series::Route(of) => (format!("{} {}", of.method, of.route), of.class.into()),
            Series::Statements => (String::new(), 0),
            Series::Vital(vital, page) => (format!("{} {page}", vital.as_str()), 0),
            Series::Gauge(name) | Series::Counter(name) => (name.to_string(), 0),
        };
        let whole = |count| i64::try_from(count).unwrap_or(i64::MAX);
        let (looks, sum, highest, sketch) = match figures {
            Figures::Times(sketch) => (whole(sketch.count()), 0.0, 0.0, sketch.to_bytes()),
            Figures::Level(level) => (whole(level.looks), level.sum, level.highest, Vec::new()),
            Figures::Count(count) => (whole(*count), 0.0, 0.0, Vec::new()),
        };
        Self {
            at,
            kind: series.kind().as_str(),
            name,
            class,
            looks,
            sum,
            highest,
            sketch,
        }
    }
}

fn level(row: &Row) -> Result<(OffsetDateTime, Level), Error> {
    let level = Level {
        looks: row.try_get::<i64>(1)?.unsigned_abs(),
        sum: row.try_get(2)?,
        highest: row.try_get(3)?,
    };
    Ok((row.try_get(0)?, level))
}

fn sample(row: &Row) -> Result<Sample, StoreError> {
    let (kind, stored) = read(row).map_err(SqlError::from)?;
    sample_of(&kind, stored).ok_or_else(|| unexpected("a sample that this version cannot read"))
}

fn read(row: &Row) -> Result<(String, Stored), Error> {
    let stored = Stored {
        at: row.try_get(0)?,
        kind: "",
        name: row.try_get(2)?,
        class: row.try_get(3)?,
        looks: row.try_get(4)?,
        sum: row.try_get(5)?,
        highest: row.try_get(6)?,
        sketch: row.try_get::<Option<Vec<u8>>>(7)?.unwrap_or_default(),
    };
    Ok((row.try_get(1)?, stored))
}

fn sample_of(kind: &str, row: Stored) -> Option<Sample> {
    let looks = u64::try_from(row.looks).ok()?;
    let times = || Some(Figures::Times(LatencySketch::from_bytes(&row.sketch).ok()?));
    let (series, figures) = match SeriesKind::parse(kind)? {
        SeriesKind::Route => {
            let (method, route) = row.name.split_once(' ')?;
            let route = RouteSeries {
                method: method.into(),
                route: route.into(),
                class: u8::try_from(row.class).ok()?,
            };
            (Series::Route(route), times()?)
        }
        SeriesKind::Statements => (Series::Statements, times()?),
        SeriesKind::Vital => {
            let (vital, page) = row.name.split_once(' ')?;
            (Series::Vital(Vital::parse(vital)?, Page::kept(page)), times()?)
        }
        SeriesKind::Gauge => {
            let level = Level {
                looks,
                sum: row.sum,
                highest: row.highest,
            };
            (Series::Gauge(row.name.into()), Figures::Level(level))
        }
        SeriesKind::Counter => (Series::Counter(row.name.into()), Figures::Count(looks)),
    };
    Some(Sample {
        at: row.at,
        series,
        figures,
    })
}

/// How the database names it.
pub(super) fn code(grain: Grain) -> i32 {
    match grain {
        Grain::Fine => 0,
        Grain::Hour => 1,
        Grain::Day => 2,
    }
}
