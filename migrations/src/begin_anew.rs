//! Has the log of events begin anew, in a database that was filled from a dump.
//!
//! A place in the log is a transaction's id, and a server that is filled from a dump counts transactions anew. So the events
//! of the dump are ahead of all that may be read, and what is recorded stands before all readers and cursors.

use sea_orm_migration::prelude::DbErr;
use sea_orm_migration::sea_orm::{
    ConnectionTrait as _, DatabaseTransaction, DbBackend, Statement, TransactionTrait as _,
};

use crate::migrate::{MigrateError, connect};

/// Whoever changes the rows of all tenants is bound by row-level security, be it the owner, who may say that it is not.
const TABLES: [&str; 5] = [
    "events",
    "events_dropped",
    "webhooks",
    "webhook_deliveries",
    "webhook_replays",
];
const BEGIN_ANEW: &str = include_str!("sql/begin_events_anew.sql");

const LOOK: &str = "
    SELECT EXISTS (SELECT FROM events WHERE xid >= next) OR EXISTS (SELECT FROM event_readers WHERE xid >= next)
               OR EXISTS (SELECT FROM events_dropped WHERE xid >= next) OR EXISTS (SELECT FROM webhooks WHERE since_xid >= next)
               AS is_ahead,
           (SELECT COUNT(*) FROM events) AS events,
           (SELECT COUNT(*) FROM webhook_deliveries WHERE state = 'PENDING') AS deliveries,
           (SELECT COUNT(*) FROM webhook_replays WHERE state = 'RUNNING') AS replays
    FROM pg_snapshot_xmax(pg_current_snapshot()) AS next";

/// What is to be done about a log that is ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfAhead {
    Tell,
    BeginAnew,
}

/// What goes when the log begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgotten {
    pub events: u64,
    /// Those that waited, which fail.
    pub deliveries: u64,
    /// Those that were under way, which stop.
    pub replays: u64,
}

/// Has the log begin anew if it is ahead of its server, and says what goes by that. `None`: it is not, and nothing is
/// changed. Waits for nobody for long who uses the log: nobody should.
pub async fn begin_events_anew(owner_url: &str, then: IfAhead) -> Result<Option<Forgotten>, MigrateError> {
    let db = connect(owner_url).await?;
    let transaction = db.begin().await.map_err(MigrateError::Failed)?;
    let done = in_transaction(&transaction, then).await;
    let ended = match &done {
        Ok(Some(_)) if then == IfAhead::BeginAnew => transaction.commit().await,
        _ => transaction.rollback().await,
    };
    let closed = db.close().await;
    let done = done.map_err(MigrateError::Failed)?;
    ended.and(closed).map_err(MigrateError::Failed)?;
    Ok(done)
}

async fn in_transaction(db: &DatabaseTransaction, then: IfAhead) -> Result<Option<Forgotten>, DbErr> {
    db.execute_unprepared("SET LOCAL lock_timeout = '5s'").await?;
    bind_owner(db, "NO FORCE").await?;
    let look = Statement::from_string(DbBackend::Postgres, LOOK);
    let Some(row) = db.query_one_raw(look).await? else {
        return Ok(None);
    };
    if !row.try_get::<bool>("", "is_ahead")? {
        return Ok(None);
    }
    let count = |name| row.try_get::<i64>("", name).map(i64::unsigned_abs);
    let forgotten = Forgotten {
        events: count("events")?,
        deliveries: count("deliveries")?,
        replays: count("replays")?,
    };
    if then == IfAhead::BeginAnew {
        db.execute_unprepared(BEGIN_ANEW).await?;
        bind_owner(db, "FORCE").await?;
    }
    Ok(Some(forgotten))
}

async fn bind_owner(db: &DatabaseTransaction, how: &str) -> Result<(), DbErr> {
    for table in TABLES {
        let sql = format!("ALTER TABLE {table} {how} ROW LEVEL SECURITY");
        db.execute_unprepared(&sql).await?;
    }
    Ok(())
}
