//! What tenants take of what all share.

use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::Id;
use fairlead_domain::identity::TenantId;
use fairlead_domain::performance::{Taken, TenantLedger, TenantTaken};
use fairlead_domain::store::StoreError;
use time::OffsetDateTime;
use uuid::Uuid;

use super::PgSystemStore;
use crate::connection::Connection;
use crate::error::SqlError;
use crate::wire::{Error, Row};

/// How long hours are kept.
const KEPT_FOR: time::Duration = time::Duration::days(400);
/// Hours per statement.
const BATCH: i64 = 10_000;

// In one order, so that processes that add at once wait for each other and never in a ring. Of a tenant that is gone
// meanwhile nothing is kept.
const ADD: &str = "
    INSERT INTO tenant_usage AS known (tenant_id, hour, requests, failed, request_micros, received_bytes, sent_bytes,
                                       statements, rows, database_micros, job_micros, stay_micros)
    SELECT t.tenant_id, date_trunc('hour', $1, 'UTC'), e.requests, e.failed, e.request_micros, e.received_bytes,
           e.sent_bytes, e.statements, e.rows, e.database_micros, e.job_micros, e.stay_micros
    FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
                $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[])
        AS e (tenant_id, requests, failed, request_micros, received_bytes, sent_bytes, statements, rows,
              database_micros, job_micros, stay_micros)
    JOIN tenants AS t ON t.tenant_id = e.tenant_id AND t.id = e.tenant_id
    ORDER BY t.tenant_id
    ON CONFLICT ON CONSTRAINT tenant_usage_pkey DO UPDATE SET
        requests = known.requests + EXCLUDED.requests,
        failed = known.failed + EXCLUDED.failed,
        request_micros = known.request_micros + EXCLUDED.request_micros,
        received_bytes = known.received_bytes + EXCLUDED.received_bytes,
        sent_bytes = known.sent_bytes + EXCLUDED.sent_bytes,
        statements = known.statements + EXCLUDED.statements,
        rows = known.rows + EXCLUDED.rows,
        database_micros = known.database_micros + EXCLUDED.database_micros,
        job_micros = known.job_micros + EXCLUDED.job_micros,
        stay_micros = known.stay_micros + EXCLUDED.stay_micros";

// In the same order as above.
const ADD_CALLS: &str = "
    INSERT INTO tenant_calls AS known (tenant_id, month, calls)
    SELECT t.tenant_id, date_trunc('month', $1 AT TIME ZONE 'UTC')::date, e.calls
    FROM unnest($2::uuid[], $3::bigint[]) AS e (tenant_id, calls)
    JOIN tenants AS t ON t.tenant_id = e.tenant_id AND t.id = e.tenant_id
    WHERE e.calls > 0
    ORDER BY t.tenant_id
    ON CONFLICT ON CONSTRAINT tenant_calls_pkey DO UPDATE SET calls = known.calls + EXCLUDED.calls";

const MOST_TAKEN: &str = "
    SELECT u.*, t.name,
           (SELECT COALESCE(SUM(c.input_tokens + c.output_tokens), 0)::bigint FROM ai_calls AS c
            WHERE c.tenant_id = u.tenant_id AND c.called_at >= $1)
    FROM (SELECT tenant_id, SUM(requests)::bigint, SUM(failed)::bigint, SUM(request_micros)::bigint,
                 SUM(received_bytes)::bigint, SUM(sent_bytes)::bigint, SUM(statements)::bigint, SUM(rows)::bigint,
                 SUM(database_micros)::bigint AS database_micros, SUM(job_micros)::bigint, SUM(stay_micros)::bigint
          FROM tenant_usage WHERE hour >= $1
          GROUP BY tenant_id ORDER BY database_micros DESC, tenant_id LIMIT $2) AS u
    JOIN tenants AS t ON t.tenant_id = u.tenant_id AND t.id = u.tenant_id
    ORDER BY u.database_micros DESC, u.tenant_id";

const WHOLE: &str = "
    SELECT NULL::uuid, COALESCE(SUM(requests), 0)::bigint, COALESCE(SUM(failed), 0)::bigint,
           COALESCE(SUM(request_micros), 0)::bigint, COALESCE(SUM(received_bytes), 0)::bigint,
           COALESCE(SUM(sent_bytes), 0)::bigint, COALESCE(SUM(statements), 0)::bigint, COALESCE(SUM(rows), 0)::bigint,
           COALESCE(SUM(database_micros), 0)::bigint, COALESCE(SUM(job_micros), 0)::bigint,
           COALESCE(SUM(stay_micros), 0)::bigint
    FROM tenant_usage WHERE hour >= $1";

const CLEAR: &str = "
    DELETE FROM tenant_usage
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM tenant_usage WHERE hour < $1 LIMIT $2))";

const CLEAR_CALLS: &str = "DELETE FROM tenant_calls WHERE month < $1 AT TIME ZONE 'UTC'";

/// Adds to what stands there of the hour that a moment is in, and of its month.
pub(super) async fn add(
    connection: &Connection,
    at: OffsetDateTime,
    taken: &[(TenantId, Taken)],
) -> Result<(), StoreError> {
    if taken.is_empty() {
        return Ok(());
    }
    let whole = |of: fn(&Taken) -> u64| -> Vec<i64> {
        let numbers = taken.iter().map(|(_, taken)| i64::try_from(of(taken)));
        numbers.map(|number| number.unwrap_or(i64::MAX)).collect()
    };
    let tenants: Vec<Uuid> = taken.iter().map(|(tenant, _)| tenant.as_uuid()).collect();
    connection
        .sql(ADD)
        .bind(at)
        .bind(tenants.clone())
        .bind(whole(|taken| taken.requests))
        .bind(whole(|taken| taken.failed))
        .bind(whole(|taken| micros(taken.request_time)))
        .bind(whole(|taken| taken.received_bytes))
        .bind(whole(|taken| taken.sent_bytes))
        .bind(whole(|taken| taken.statements))
        .bind(whole(|taken| taken.rows))
        .bind(whole(|taken| micros(taken.database_time)))
        .bind(whole(|taken| micros(taken.job_time)))
        .bind(whole(|taken| micros(taken.stay_time)))
        .enqueue()
        .await?;
    connection
        .sql(ADD_CALLS)
        .bind(at)
        .bind(tenants)
        .bind(whole(|taken| taken.calls))
        .enqueue()
        .await
}

#[async_trait]
impl TenantLedger for PgSystemStore {
    #[tracing::instrument(level = "debug", name = "db.tenant_usage.most_taken", skip_all)]
    async fn most_taken(
        &self,
        since: OffsetDateTime,
        most: u32,
    ) -> Result<(Taken, Vec<TenantTaken>), StoreError> {
        let connection = self.cluster.system();
        let whole = connection.sql(WHOLE).bind(since).fetch_one().await?;
        let rows = connection
            .sql(MOST_TAKEN)
            .bind(since)
            .bind(i64::from(most))
            .fetch_all()
            .await?;
        connection.commit().await?;
        let of_tenant = |row: &Row| -> Result<TenantTaken, Error> {
            Ok(TenantTaken {
                tenant: Id::from_uuid(row.try_get(0)?),
                taken: taken(row)?,
                name: row.try_get(11)?,
                ai_tokens: row.try_get::<i64>(12)?.unsigned_abs(),
            })
        };
        let tenants = rows.iter().map(of_tenant).collect::<Result<_, _>>();
        Ok((
            taken(&whole).map_err(SqlError::from)?,
            tenants.map_err(SqlError::from)?,
        ))
    }
}

impl PgSystemStore {
    #[tracing::instrument(level = "debug", name = "db.tenant_usage.clear", skip_all)]
    pub(super) async fn clear_tenant_usage(&self) -> Result<(), StoreError> {
        let before = self.now() - KEPT_FOR;
        let connection = self.cluster.system();
        connection.sql(CLEAR_CALLS).bind(before).execute().await?;
        connection.commit().await?;
        loop {
            let connection = self.cluster.system();
            let cleared = connection.sql(CLEAR).bind(before).bind(BATCH).execute().await?;
            connection.commit().await?;
            if cleared < BATCH.unsigned_abs() {
                return Ok(());
            }
        }
    }
}

/// Of columns from the second on.
fn taken(row: &Row) -> Result<Taken, Error> {
    let whole = |column| Ok::<_, Error>(row.try_get::<i64>(column)?.unsigned_abs());
    Ok(Taken {
        requests: whole(1)?,
        failed: whole(2)?,
        request_time: Duration::from_micros(whole(3)?),
        received_bytes: whole(4)?,
        sent_bytes: whole(5)?,
        statements: whole(6)?,
        rows: whole(7)?,
        database_time: Duration::from_micros(whole(8)?),
        job_time: Duration::from_micros(whole(9)?),
        stay_time: Duration::from_micros(whole(10)?),
        ..Taken::default()
    })
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
