use std::time::{Duration, Instant};

use sea_orm_migration::prelude::{DbErr, MigratorTrait as _};
use sea_orm_migration::sea_orm::{
    ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DbBackend, Statement,
};
use sea_orm_migration::{Migration, MigrationStatus};
use tokio::time::sleep;

use crate::step::Migrator;

/// Why the schema could not be brought up to date, or looked at.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error("cannot connect to the database")]
    Connect(#[source] DbErr),
    /// Another process held the migration lock for longer than ten minutes.
    #[error("cannot take the migration lock: another process is migrating")]
    Locked(#[source] DbErr),
    #[error("a migration failed")]
    Failed(#[source] DbErr),
}

/// The names of the steps a database has and has not, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub applied: Vec<String>,
    pub pending: Vec<String>,
}

/// Any number that nothing else in this database takes for an advisory lock.
const LOCK: i64 = 0x6661_6972_6c65_6164;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(200);
const LOCKED_FOR: Duration = Duration::from_mins(10);

/// Whoever waits for a table holds up all that queues behind.
pub(crate) const LOCK_TIMEOUT: &str = "SET lock_timeout = '10s'";

/// Applies the steps that are pending and makes the partitions of the months to come; returns the names of the steps
/// that were applied.
///
/// `owner_url` names the database as the role that owns it. Processes that migrate at once wait for each other. A step
/// that has to wait more than ten seconds for a table gives up, rather than hold up all that queues behind it; what
/// was applied before stays, and the next call goes on from there.
pub async fn migrate(owner_url: &str) -> Result<Vec<String>, MigrateError> {
    let db = connect(owner_url).await?;
    let result = migrate_locked(&db).await;
    // The lock is the session's, so it ends here whatever happened.
    db.close().await.map_err(MigrateError::Failed)?;
    result
}

async fn migrate_locked(db: &DatabaseConnection) -> Result<Vec<String>, MigrateError> {
    lock(db).await.map_err(MigrateError::Locked)?;
    apply(db).await.map_err(MigrateError::Failed)
}

/// Asks again and again: whoever waited in a statement would be waited for by an index that is built beside others, which
/// waits for all statements that have begun before it.
async fn lock(db: &DatabaseConnection) -> Result<(), DbErr> {
    let text = format!("SELECT pg_try_advisory_lock({LOCK})");
    let began = Instant::now();
    loop {
        let statement = Statement::from_string(DbBackend::Postgres, text.as_str());
        let row = db.query_one_raw(statement).await?;
        if row.map_or(Ok(false), |row| row.try_get_by_index(0))? {
            return Ok(());
        }
        if began.elapsed() > LOCKED_FOR {
            return Err(DbErr::Custom("it was not let go of".to_owned()));
        }
        sleep(TRY_AGAIN_AFTER).await;
    }
}

async fn apply(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    db.execute_unprepared(LOCK_TIMEOUT).await?;
    let pending = names(&Migrator::get_pending_migrations(db).await?);
    Migrator::up(db, None).await?;
    // So that the processes that serve can tell whether the schema is theirs.
    db.execute_unprepared("GRANT SELECT ON seaql_migrations TO fairlead_system")
        .await?;
    db.execute_unprepared("SELECT make_partitions(3)").await?;
    Ok(pending)
}

/// Looks which steps the database has; any role that may read `seaql_migrations` will do, such as `fairlead_system`.
pub async fn status(url: &str) -> Result<Progress, MigrateError> {
    let db = connect(url).await?;
    let steps = Migrator::get_migration_with_status_read_only(&db)
        .await
        .map_err(MigrateError::Failed);
    db.close().await.map_err(MigrateError::Failed)?;
    let (applied, pending): (Vec<Migration>, Vec<Migration>) = steps?
        .into_iter()
        .partition(|step| step.status() == MigrationStatus::Applied);
    Ok(Progress {
        applied: names(&applied),
        pending: names(&pending),
    })
}

fn names(steps: &[Migration]) -> Vec<String> {
    steps.iter().map(|step| step.name().to_owned()).collect()
}

/// One connection and no more, because the lock and the settings belong to a session.
pub(crate) async fn connect(url: &str) -> Result<DatabaseConnection, MigrateError> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(10))
        .idle_timeout(None)
        .max_lifetime(None)
        .set_application_name("fairlead-migrate")
        .sqlx_logging(false);
    Database::connect(options).await.map_err(MigrateError::Connect)
}
