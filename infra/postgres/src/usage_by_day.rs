use crate::wire::{Error, Row};
use async_trait::async_trait;
use fairlead_domain::identity::{DayUsage, UsageByDay};
use fairlead_domain::store::StoreError;
use time::Date;

use crate::error::SqlError;
use crate::store::PgUnitOfWork;

const ADD: &str = "
    INSERT INTO usage_by_day AS known (tenant_id, day, type, source, events)
    SELECT $1, u.day, u.type, u.source, u.events
    FROM unnest($2::date[], $3::text[], $4::text[], $5::bigint[]) AS u (day, type, source, events)
    ON CONFLICT ON CONSTRAINT usage_by_day_pkey DO UPDATE SET events = known.events + EXCLUDED.events";

const SINCE: &str = "
    SELECT day, type, source, events FROM usage_by_day
    WHERE tenant_id = $1 AND day >= $2
    ORDER BY day DESC, type, source";

#[async_trait]
impl UsageByDay for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.usage_by_day.add", skip_all)]
    async fn add(&mut self, counts: &[DayUsage]) -> Result<(), StoreError> {
        let days: Vec<Date> = counts.iter().map(|count| count.day).collect();
        let types: Vec<&str> = counts.iter().map(|count| count.event_type.as_str()).collect();
        let sources: Vec<&str> = counts.iter().map(|count| count.source.as_str()).collect();
        let events: Vec<i64> = counts
            .iter()
            .map(|count| i64::try_from(count.events).unwrap_or(i64::MAX))
            .collect();
        self.connection
            .sql(ADD)
            .bind(self.tenant_id())
            .bind(days)
            .bind(types)
            .bind(sources)
            .bind(events)
            .enqueue()
            .await
    }

    #[tracing::instrument(level = "debug", name = "db.usage_by_day.since", skip_all)]
    async fn since(&mut self, since: Date) -> Result<Vec<DayUsage>, StoreError> {
        let rows = self
            .connection
            .sql(SINCE)
            .bind(self.tenant_id())
            .bind(since)
            .fetch_all()
            .await?;
        let usage = |row: &Row| -> Result<DayUsage, Error> {
            Ok(DayUsage {
                day: row.try_get(0)?,
                event_type: row.try_get(1)?,
                source: row.try_get(2)?,
                events: u64::try_from(row.try_get::<i64>(3)?).unwrap_or_default(),
            })
        };
        Ok(rows
            .iter()
            .map(usage)
            .collect::<Result<_, _>>()
            .map_err(SqlError::from)?)
    }
}
