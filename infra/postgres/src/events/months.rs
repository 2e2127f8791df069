//! The log of events by its months, for operators who archive some.

use std::sync::Arc;

use async_trait::async_trait;
use fairlead_domain::events::EventArchive;
use fairlead_domain::performance::acts::{ArchiveStrategy, EventMonths, MonthOutcome, OldMonth};
use fairlead_domain::store::StoreError;
use time::{Date, OffsetDateTime};

use super::archive;
use super::retention::{Outcome, needed_by};
use crate::error::{SqlError, unexpected};
use crate::system::PgSystemStore;
use crate::wire::{Error, Row};

/// Those that are over by `$1` and have a partition, the oldest first. As large as they were when they were last vacuumed or
/// analysed: to ask for their size now would wait for whoever has them locked.
const MONTHS: &str = "
    SELECT m.month, CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END,
           ((c.relpages::bigint + COALESCE((SELECT SUM(i.relpages::bigint) FROM pg_index AS x
                                            JOIN pg_class AS i ON i.oid = x.indexrelid
                                            WHERE x.indrelid = c.oid), 0))
            * current_setting('block_size')::bigint)::bigint
    FROM pg_inherits AS p
    JOIN pg_class AS c ON c.oid = p.inhrelid AND c.relname ~ '^events_[0-9]{4}_[0-9]{2}$',
    LATERAL (SELECT to_date(right(c.relname, 7), 'YYYY_MM') AS month) AS m
    WHERE p.inhparent = 'public.events'::regclass
      AND (m.month + interval '1 month') AT TIME ZONE 'UTC' <= $1
    ORDER BY m.month";

/// Archives months.
#[derive(Debug)]
pub struct PgEventMonths {
    store: Arc<PgSystemStore>,
    archive: Option<Arc<dyn EventArchive>>,
}

impl PgEventMonths {
    pub fn new(store: Arc<PgSystemStore>, archive: Option<Arc<dyn EventArchive>>) -> Self {
        Self { store, archive }
    }

    fn destination(&self) -> Result<&dyn EventArchive, StoreError> {
        let archive = self.archive.as_deref();
        archive.ok_or_else(|| unexpected("events.archive_dir is not set, so there is nowhere to write to"))
    }
}

#[async_trait]
impl EventMonths for PgEventMonths {
    fn has_archive(&self) -> bool {
        self.archive.is_some()
    }

    #[tracing::instrument(level = "debug", name = "db.events.old_months", skip_all)]
    async fn old(&self, before: OffsetDateTime) -> Result<Vec<OldMonth>, StoreError> {
        let connection = self.store.cluster().system();
        let rows = connection.sql(MONTHS).bind(before).fetch_all().await?;
        let read = |row: &Row| -> Result<OldMonth, Error> {
            Ok(OldMonth {
                month: row.try_get(0)?,
                estimated_rows: row.try_get::<Option<i64>>(1)?.map(i64::unsigned_abs),
                bytes: row.try_get::<i64>(2)?.unsigned_abs(),
                needed_by: None,
            })
        };
        let months: Result<Vec<_>, Error> = rows.iter().map(read).collect();
        let mut months = months.map_err(SqlError::from)?;
        for old in &mut months {
            old.needed_by = needed_by(&connection, old.month).await?;
            // What is needed of one is needed of all that come behind it, as they go in their order.
            if old.needed_by.is_some() {
                break;
            }
        }
        connection.commit().await?;
        Ok(months)
    }

    #[tracing::instrument(level = "debug", name = "db.events.archive_month", skip_all)]
    async fn archive(&self, month: Date, strategy: ArchiveStrategy) -> Result<MonthOutcome, StoreError> {
        let archive = match strategy {
            ArchiveStrategy::Copy => {
                let written = archive::write(&self.store, month, self.destination()?).await?;
                return Ok(written.map_or(MonthOutcome::Unfinished, |_| MonthOutcome::Copied));
            }
            ArchiveStrategy::Move => Some(self.destination()?),
            ArchiveStrategy::Delete => None,
        };
        Ok(match self.store.drop_up_to(month, archive).await? {
            Outcome::Dropped | Outcome::WasGone => MonthOutcome::Dropped,
            Outcome::Kept(why) => MonthOutcome::Kept(why),
            Outcome::Unfinished => MonthOutcome::Unfinished,
        })
    }
}
