//! What the owner of the tables alone may do: on a connection of its own, one thing at a time in all processes.

use std::fmt;

use async_trait::async_trait;
use fairlead_domain::performance::acts::{
    BuiltIndex, Maintainer, Maintaining, MaintenanceError, MaintenanceProgress, MaintenanceSession, Progress,
};
use fairlead_telemetry::spawn;
use tokio::runtime::Handle;

use crate::error::{Meaning, SqlError};
use crate::pool::{ConnectError, Target, target};
use crate::wire::{Conversation, Error, Row};

/// How PostgreSQL lists these connections.
const MAINTAINING: &str = "fairlead-maintenance";
/// As gently as autovacuum, and for as long as it takes. What is due for its age has all its pages looked at.
/// <https://www.postgresql.org/docs/15/runtime-config-autovacuum.html>
const SETTINGS: &str = "-c default_transaction_read_only=off -c statement_timeout=0 -c idle_session_timeout=0 \
                        -c vacuum_cost_delay=2ms -c vacuum_freeze_table_age=90000000 -c search_path=public";
/// Held by the connection, so it ends with what that still runs.
const TRY_LOCK: &str =
    "SELECT pg_try_advisory_lock(hashtextextended('fairlead.maintenance', 0)), pg_backend_pid()";

/// What is done here keeps nobody from reading and writing, and neither does waiting for it; but others who maintain wait.
const TABLE_LOCK_TIMEOUT: &str = "SET lock_timeout = '10s'";
/// Who builds or drops an index beside others waits for all transactions that were open before.
const INDEX_LOCK_TIMEOUT: &str = "SET lock_timeout = '60s'";

/// PostgreSQL cuts off names that are longer.
const MOST_LETTERS: usize = 63;

/// Connects as the role that owns the tables.
#[derive(Clone)]
pub struct PgMaintainer {
    target: Target,
}

impl PgMaintainer {
    /// # Errors
    ///
    /// When the URL is none of PostgreSQL's. Nobody connects before there is something to do.
    pub fn new(owner_url: &str) -> Result<Self, ConnectError> {
        Ok(Self {
            target: target("the owner", MAINTAINING, owner_url)?.with_options(SETTINGS),
        })
    }
}

impl fmt::Debug for PgMaintainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PgMaintainer").finish_non_exhaustive()
    }
}

#[async_trait]
impl Maintainer for PgMaintainer {
    #[tracing::instrument(level = "debug", name = "db.maintenance.begin", skip_all)]
    async fn begin(&self) -> Result<Option<Maintaining>, MaintenanceError> {
        let mut session = Session::open(&self.target).await?;
        let locked = session.ask(TRY_LOCK).await?;
        let read = |row: &Row| -> Result<(bool, i32), Error> { Ok((row.try_get(0)?, row.try_get(1)?)) };
        let (is_ours, pid) = locked
            .first()
            .ok_or(Error::Protocol("no row"))
            .and_then(read)
            .map_err(meaning)?;
        Ok(is_ours.then(|| Maintaining {
            session: Box::new(session),
            progress: Box::new(Beside {
                target: self.target.clone(),
                pid,
                session: None,
            }),
        }))
    }
}

/// A connection of the owner's. When it is dropped, what it still runs is cancelled.
struct Session {
    target: Target,
    /// `None` once it was left.
    conversation: Option<Conversation>,
}

impl Session {
    async fn open(target: &Target) -> Result<Self, MaintenanceError> {
        let conversation = target.open().await.map_err(meaning)?;
        Ok(Self {
            target: target.clone(),
            conversation: Some(conversation),
        })
    }

    async fn ask(&mut self, text: &str) -> Result<Vec<Row>, MaintenanceError> {
        // An answer that nobody has waited for would be taken for the one to what is asked next.
        let conversation = self.conversation.as_mut().filter(|open| !open.is_owed());
        let asked = conversation.ok_or(Error::Closed).map_err(meaning)?.ask(text);
        asked.await.map_err(meaning)
    }

    /// The table of the product that has this name, as statements name it.
    async fn relation(&mut self, table: &str) -> Result<String, MaintenanceError> {
        let text = format!(
            "SELECT format('%I.%I', n.nspname, c.relname)
             FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
             WHERE c.relname = '{}' AND n.nspname IN ('public', 'perf') AND c.relkind IN ('r', 'p')
               AND NOT c.relispartition
             ORDER BY n.nspname DESC LIMIT 1",
            plain(table)?
        );
        let rows = self.ask(&text).await?;
        let row = rows
            .first()
            .ok_or_else(|| MaintenanceError::Refused(format!("there is no table {table} any more")))?;
        row.try_get(0).map_err(meaning)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Where nothing can wait any more, the process ends, and its connections with it.
        if let Some(conversation) = self.conversation.take()
            && Handle::try_current().is_ok()
        {
            let target = self.target.clone();
            spawn(async move { target.let_go(conversation).await });
        }
    }
}

#[async_trait]
impl MaintenanceSession for Session {
    #[tracing::instrument(level = "debug", name = "db.maintenance.vacuum", skip_all)]
    async fn vacuum(&mut self, table: &str) -> Result<(), MaintenanceError> {
        let relation = self.relation(table).await?;
        self.ask(TABLE_LOCK_TIMEOUT).await?;
        // To give pages at its end back to the system it would lock the table, on replicas against everybody.
        let vacuum = format!("VACUUM (ANALYZE, TRUNCATE FALSE) {relation}");
        self.ask(&vacuum).await.map(drop)
    }

    #[tracing::instrument(level = "debug", name = "db.maintenance.index", skip_all)]
    async fn index(&mut self, name: &str) -> Result<Option<BuiltIndex>, MaintenanceError> {
        let text = format!(
            "SELECT x.indisvalid, pg_relation_size(i.oid), COALESCE(pg_stat_get_numscans(i.oid), 0)
             FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
             WHERE i.relname = '{}' AND i.relnamespace = 'public'::regnamespace",
            plain(name)?
        );
        let rows = self.ask(&text).await?;
        let read = |row: &Row| -> Result<BuiltIndex, Error> {
            Ok(BuiltIndex {
                is_valid: row.try_get(0)?,
                bytes: row.try_get::<i64>(1)?.unsigned_abs(),
                scans: row.try_get::<i64>(2)?.unsigned_abs(),
            })
        };
        rows.first().map(read).transpose().map_err(meaning)
    }

    #[tracing::instrument(level = "debug", name = "db.maintenance.build_index", skip_all)]
    async fn build_index(&mut self, name: &str, definition: &str) -> Result<(), MaintenanceError> {
        self.ask(INDEX_LOCK_TIMEOUT).await?;
        let build = format!("CREATE INDEX CONCURRENTLY {} ON {definition}", plain(name)?);
        self.ask(&build).await.map(drop)
    }

    #[tracing::instrument(level = "debug", name = "db.maintenance.indexes", skip_all)]
    async fn indexes(&mut self, prefix: &str) -> Result<Vec<String>, MaintenanceError> {
        let text = format!(
            "SELECT relname::text FROM pg_class
             WHERE relkind = 'i' AND relnamespace = 'public'::regnamespace AND starts_with(relname, '{}')
             ORDER BY relname",
            plain(prefix)?
        );
        let rows = self.ask(&text).await?;
        let names: Result<Vec<String>, Error> = rows.iter().map(|row| row.try_get(0)).collect();
        names.map_err(meaning)
    }

    #[tracing::instrument(level = "debug", name = "db.maintenance.rename_index", skip_all)]
    async fn rename_index(&mut self, from: &str, to: &str) -> Result<(), MaintenanceError> {
        self.ask(TABLE_LOCK_TIMEOUT).await?;
        // It is locked against maintenance alone (PostgreSQL's manual, ALTER INDEX).
        let rename = format!("ALTER INDEX public.{} RENAME TO {}", plain(from)?, plain(to)?);
        self.ask(&rename).await.map(drop)
    }

    #[tracing::instrument(level = "debug", name = "db.maintenance.drop_index", skip_all)]
    async fn drop_index(&mut self, name: &str) -> Result<(), MaintenanceError> {
        self.ask(INDEX_LOCK_TIMEOUT).await?;
        let drop_it = format!("DROP INDEX CONCURRENTLY IF EXISTS public.{}", plain(name)?);
        self.ask(&drop_it).await.map(drop)
    }
}

/// Another connection, which looks at the first one.
struct Beside {
    target: Target,
    pid: i32,
    session: Option<Session>,
}

#[async_trait]
impl MaintenanceProgress for Beside {
    async fn look(&mut self) -> Result<Option<Progress>, MaintenanceError> {
        let mut session = match self.session.take() {
            Some(session) => session,
            None => Session::open(&self.target).await?,
        };
        // An ANALYZE behind a VACUUM is in both.
        let text = format!(
            "SELECT phase, done, total FROM (
                 SELECT 1 AS rank, phase, sample_blks_scanned AS done, sample_blks_total AS total
                 FROM pg_stat_progress_analyze WHERE pid = {pid}
                 UNION ALL
                 SELECT 2, phase, heap_blks_scanned, heap_blks_total FROM pg_stat_progress_vacuum WHERE pid = {pid}
                 UNION ALL
                 SELECT 2, phase, GREATEST(blocks_done, tuples_done), GREATEST(blocks_total, tuples_total)
                 FROM pg_stat_progress_create_index WHERE pid = {pid}
             ) AS seen ORDER BY rank LIMIT 1",
            pid = self.pid
        );
        let rows = session.ask(&text).await?;
        self.session = Some(session);
        let read = |row: &Row| -> Result<Progress, Error> {
            let of: Option<i64> = row.try_get(2)?;
            let of = of.map(i64::unsigned_abs).filter(|of| *of > 0);
            let done: Option<i64> = row.try_get(1)?;
            Ok(Progress {
                phase: row.try_get(0)?,
                done: done.map(i64::unsigned_abs).filter(|_| of.is_some()),
                of,
            })
        };
        rows.first().map(read).transpose().map_err(meaning)
    }
}

/// A name that can stand in a statement as it is.
fn plain(name: &str) -> Result<&str, MaintenanceError> {
    let is_plain = (1..=MOST_LETTERS).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_lowercase() || first == '_')
        && name
            .bytes()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'_');
    if is_plain {
        Ok(name)
    } else {
        Err(MaintenanceError::Refused(format!("{name:?} is no name of ours")))
    }
}

fn meaning(error: Error) -> MaintenanceError {
    if error.code().is_some_and(|code| code.starts_with("28")) {
        return MaintenanceError::Refused(
            "the database does not let its owner in; correct database.owner_url".to_owned(),
        );
    }
    match (Meaning::of(&error), error.message()) {
        (Meaning::Contended, Some(message)) => MaintenanceError::Locked(message.to_owned()),
        (Meaning::Unexpected, Some(message)) => {
            MaintenanceError::Refused(format!("the server says: {message}"))
        }
        _ => MaintenanceError::Store(SqlError::from(error).into()),
    }
}
