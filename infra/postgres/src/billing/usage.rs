use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::Id;
use fairlead_domain::billing::{UsageReport, UsageReports, UsageState};
use fairlead_domain::store::StoreError;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::SqlError;
use crate::system::PgSystemStore;
use crate::wire::{Error, Row};

// Whoever became a customer within a month pays for what it uses from then on.
const BEGIN: &str = "
    UPDATE tenant_calls AS c
    SET reported = CASE WHEN b.created_at < c.month::timestamp AT TIME ZONE 'UTC' THEN 0 ELSE c.calls END
    FROM billing_customers AS b
    WHERE b.tenant_id = c.tenant_id AND c.reported IS NULL
      AND (c.month + interval '1 month') AT TIME ZONE 'UTC' > $1";

const NOTE: &str = "
    WITH due AS (
        SELECT c.tenant_id, c.month, c.calls - c.reported AS calls, b.provider_id,
               (c.month + interval '1 month') AT TIME ZONE 'UTC' AS until
        FROM tenant_calls AS c JOIN billing_customers AS b ON b.tenant_id = c.tenant_id
        WHERE c.calls > c.reported AND (c.month + interval '1 month') AT TIME ZONE 'UTC' > $4
          AND NOT EXISTS (SELECT FROM usage_reports AS r WHERE r.tenant_id = c.tenant_id AND r.month = c.month
                          AND (r.state = 'PENDING' OR r.created_at > $3))
        ORDER BY c.month
        LIMIT 10000
        FOR NO KEY UPDATE OF c
    ), noted AS (
        UPDATE tenant_calls AS c SET reported = c.reported + due.calls
        FROM due WHERE c.tenant_id = due.tenant_id AND c.month = due.month
    )
    INSERT INTO usage_reports (tenant_id, id, month, meter, customer, calls, used_at, state, created_at)
    SELECT tenant_id, gen_random_uuid(), month, $1, provider_id, calls, LEAST($2, until - interval '1 second'),
           'PENDING', $2
    FROM due";

const TAKE: &str = "
    UPDATE usage_reports AS r SET asked_at = COALESCE(r.asked_at, $3)
    FROM (SELECT tenant_id, id, asked_at FROM usage_reports
          WHERE state = 'PENDING' AND (created_at, id) > ($1, $2)
          ORDER BY created_at, id
          LIMIT 1) AS next
    WHERE r.tenant_id = next.tenant_id AND r.id = next.id
    RETURNING r.created_at, r.tenant_id, r.id, r.meter, r.customer, r.calls, r.used_at, next.asked_at";

const SETTLE: &str = "
    UPDATE usage_reports SET state = $3, asked_at = $4, fault = $5
    WHERE tenant_id = $1 AND id = $2 AND state = 'PENDING'";

const FORGET: &str = "
    DELETE FROM usage_reports
    WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM usage_reports
                              WHERE state = 'DONE' AND created_at < $1 LIMIT 10000)";

#[async_trait]
impl UsageReports for PgSystemStore {
    #[tracing::instrument(level = "debug", name = "db.usage_reports.note", skip_all)]
    async fn note(
        &self,
        meter: &str,
        now: OffsetDateTime,
        pause: Duration,
        oldest: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let connection = self.cluster().system();
        connection.sql(BEGIN).bind(oldest).execute().await?;
        connection
            .sql(NOTE)
            .bind(meter)
            .bind(now)
            .bind(now - pause)
            .bind(oldest)
            .execute()
            .await?;
        connection.commit().await?;
        Ok(())
    }

    #[tracing::instrument(level = "debug", name = "db.usage_reports.take", skip_all)]
    async fn take(
        &self,
        last: Option<(OffsetDateTime, Uuid)>,
        now: OffsetDateTime,
    ) -> Result<Option<(OffsetDateTime, UsageReport)>, StoreError> {
        let (created_at, id) = last.unwrap_or((OffsetDateTime::UNIX_EPOCH, Uuid::nil()));
        let connection = self.cluster().system();
        let row = connection
            .sql(TAKE)
            .bind(created_at)
            .bind(id)
            .bind(now)
            .fetch_optional()
            .await?;
        connection.commit().await?;
        let read = |row: &Row| -> Result<(OffsetDateTime, UsageReport), Error> {
            let report = UsageReport {
                tenant: Id::from_uuid(row.try_get(1)?),
                id: row.try_get(2)?,
                meter: row.try_get(3)?,
                customer: row.try_get(4)?,
                calls: row.try_get::<i64>(5)?.unsigned_abs(),
                used_at: row.try_get(6)?,
                asked_at: row.try_get(7)?,
            };
            Ok((row.try_get(0)?, report))
        };
        Ok(row.as_ref().map(read).transpose().map_err(SqlError::from)?)
    }

    #[tracing::instrument(level = "debug", name = "db.usage_reports.settle", skip_all)]
    async fn settle(
        &self,
        report: &UsageReport,
        state: UsageState,
        asked_at: Option<OffsetDateTime>,
        fault: Option<&str>,
    ) -> Result<(), StoreError> {
        let connection = self.cluster().system();
        connection
            .sql(SETTLE)
            .bind(report.tenant.as_uuid())
            .bind(report.id)
            .bind(state.as_str())
            .bind(asked_at)
            .bind(fault)
            .execute()
            .await?;
        connection.commit().await?;
        if state.is_lost() {
            tracing::warn!(
                tenant.id = %report.tenant,
                usage.report = %report.id,
                usage.calls = report.calls,
                usage.state = state.as_str(),
                fault,
                "calls of a tenant were not taken by the payment provider, and will not be billed"
            );
        }
        Ok(())
    }

    #[tracing::instrument(level = "debug", name = "db.usage_reports.forget", skip_all)]
    async fn forget(&self, before: OffsetDateTime) -> Result<(), StoreError> {
        let connection = self.cluster().system();
        connection.sql(FORGET).bind(before).execute().await?;
        connection.commit().await?;
        Ok(())
    }
}
