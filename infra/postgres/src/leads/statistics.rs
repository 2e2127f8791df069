use fairlead_domain::leads::{Statistics, StatusCount, StatusName};
use fairlead_domain::store::StoreError;
use sqlx::Row as _;
use time::OffsetDateTime;

use crate::error::{SqlError, unexpected};
use crate::store::PgUnitOfWork;

// The counters are kept by the triggers of `leads`; what is true is their sum. The mean age in whole days is
// `(now - SUM(created) / n) / 86400`, rounded down. With one whole division of exact numbers it is that of the leads to
// the microsecond: to divide twice would round twice. A lead of the future makes it no less than 0.
const STATISTICS: &str = "
    SELECT status, SUM(leads)::bigint,
           GREATEST(0, div(EXTRACT(epoch FROM $2) * SUM(leads) - SUM(created_seconds), 86400 * SUM(leads)))::bigint
    FROM lead_statistics
    WHERE tenant_id = $1
    GROUP BY status
    HAVING SUM(leads) > 0";

impl PgUnitOfWork {
    pub(super) async fn lead_statistics(&self, now: OffsetDateTime) -> Result<Statistics, StoreError> {
        let rows = self
            .connection
            .sql(STATISTICS)
            .bind(self.tenant_id())
            .bind(now)
            .fetch_all()
            .await?;
        let mut statistics = Statistics::default();
        for row in rows {
            let get = |error| StoreError::from(SqlError::from(error));
            let status: String = row.try_get(0).map_err(get)?;
            let status = StatusName::parse(&status)
                .ok_or_else(|| unexpected(format!("leads have the unknown status {status}")))?;
            let count: i64 = row.try_get(1).map_err(get)?;
            let avg_age_days: i64 = row.try_get(2).map_err(get)?;
            let count = StatusCount {
                count: u64::try_from(count).unwrap_or_default(),
                avg_age_days: u64::try_from(avg_age_days).unwrap_or_default(),
            };
            statistics.by_status.insert(status, count);
        }
        Ok(statistics)
    }
}
