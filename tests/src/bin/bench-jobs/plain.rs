//! What a handbook shows: `SELECT … FOR UPDATE SKIP LOCKED`, `UPDATE`, `COMMIT`, on a table of its own.
//!
//! The work is done inside the transaction that claims it. There is no lease that lapses, no turn among tenants, no
//! attempt that is counted, and nothing to see of what is under way.

use std::time::{Duration, Instant};

use anyhow::Result;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use tokio::task::JoinSet;

use super::Order;

/// How many jobs are claimed together by those who claim several.
pub(super) const BATCH: u32 = 20;

const TABLE: &str = "
    CREATE TABLE IF NOT EXISTS bench_jobs (
        id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        kind TEXT NOT NULL,
        payload JSONB NOT NULL,
        state TEXT NOT NULL DEFAULT 'waiting',
        finished_at TIMESTAMPTZ
    );
    CREATE INDEX IF NOT EXISTS bench_jobs_waiting ON bench_jobs (id) WHERE state = 'waiting';
    TRUNCATE bench_jobs";

pub(super) async fn measure(order: &Order, batch: u32) -> Result<Duration> {
    let mut database = PgConnection::connect(&order.owner_url).await?;
    sqlx::raw_sql(TABLE).execute(&mut database).await?;
    sqlx::query("INSERT INTO bench_jobs (kind, payload) SELECT 'bench', 'null' FROM generate_series(1, $1)")
        .bind(i32::try_from(order.count)?)
        .execute(&mut database)
        .await?;
    sqlx::query("ANALYZE bench_jobs").execute(&mut database).await?;
    let mut connections = Vec::new();
    for _ in 0..order.connections {
        connections.push(PgConnection::connect(&order.owner_url).await?);
    }

    let started = Instant::now();
    let mut lanes = JoinSet::new();
    for connection in connections {
        lanes.spawn(work_off(connection, batch));
    }
    while let Some(lane) = lanes.join_next().await {
        lane??;
    }
    let took = started.elapsed();
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM bench_jobs WHERE state <> 'completed'")
        .fetch_one(&mut database)
        .await?;
    anyhow::ensure!(left == 0, "{left} jobs were not done");
    Ok(took)
}

/// Claims and finishes jobs until none is left.
async fn work_off(mut connection: PgConnection, batch: u32) -> Result<()> {
    let claim = format!(
        "SELECT id, kind, payload::text FROM bench_jobs WHERE state = 'waiting' ORDER BY id LIMIT {batch}
         FOR UPDATE SKIP LOCKED"
    );
    loop {
        let mut transaction = connection.begin().await?;
        let claimed: Vec<(i64, String, String)> = sqlx::query_as(AssertSqlSafe(&*claim))
            .fetch_all(&mut *transaction)
            .await?;
        if claimed.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = claimed.into_iter().map(|(id, ..)| id).collect();
        sqlx::query("UPDATE bench_jobs SET state = 'completed', finished_at = now() WHERE id = ANY ($1)")
            .bind(ids)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
    }
}
