use fairlead_domain::leads::{Statistics, StatusCount, StatusName};
use fairlead_domain::store::StoreError;
use time::OffsetDateTime;

use crate::error::unexpected;
use crate::store::PgUnitOfWork;

// The counters are kept by the triggers of `leads`; what is true is their sum. The mean age in whole days is
// `(now - SUM(created) / n) / 86400`, rounded down. With one whole division of exact numbers it is that of the leads to
// the microsecond: to divide twice would round twice. A lead of the future makes it no less than 0.
const STATISTICS: &str = "
    SELECT status, SUM(leads)::bigint,
           GREATEST(0, div(EXTRACT(epoch FROM $2::timestamptz) * SUM(leads) - SUM(created_seconds), 86400 * SUM(leads)))::bigint
    FROM lead_statistics
    WHERE tenant_id = $1
    GROUP BY status
    HAVING SUM(leads) > 0";

const COUNT: &str = "SELECT COALESCE(SUM(leads), 0)::bigint FROM lead_statistics WHERE tenant_id = $1";
const COUNT_OF_STATUS: &str = "
    SELECT COALESCE(SUM(leads), 0)::bigint FROM lead_statistics WHERE tenant_id = $1 AND status = $2";

impl PgUnitOfWork {
    /// How many leads there are, of a status or of any; told without reading one.
    pub(super) async fn counted_leads(&self, status: Option<StatusName>) -> Result<u64, StoreError> {
        let tenant = self.tenant_id().into();
        let rows: Vec<(i64,)> = match status {
            Some(status) => {
                let values = [tenant, status.as_str().into()];
                self.connection.rows(COUNT_OF_STATUS, values).await?
            }
            None => self.connection.rows(COUNT, [tenant]).await?,
        };
        let count = rows.first().map_or(0, |(count,)| *count);
        Ok(u64::try_from(count).unwrap_or_default())
    }

    pub(super) async fn lead_statistics(&self, now: OffsetDateTime) -> Result<Statistics, StoreError> {
        let values = [self.tenant_id().into(), now.into()];
        let rows: Vec<(String, i64, i64)> = self.connection.rows(STATISTICS, values).await?;
        let mut statistics = Statistics::default();
        for (status, count, avg_age_days) in rows {
            let status = StatusName::parse(&status)
                .ok_or_else(|| unexpected(format!("leads have the unknown status {status}")))?;
            let count = StatusCount {
                count: u64::try_from(count).unwrap_or_default(),
                avg_age_days: u64::try_from(avg_age_days).unwrap_or_default(),
            };
            statistics.by_status.insert(status, count);
        }
        Ok(statistics)
    }
}
