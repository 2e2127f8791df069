use std::time::Duration;

use fairlead_domain::store::StoreError;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::Services;
use crate::performance::capacity::real;
use crate::performance::series::TABLE_BYTES;

/// How far back growth is told.
const REACH: time::Duration = time::Duration::days(30);
const HOUR: Duration = Duration::from_hours(1);

/// How much a table has grown, as far as that was written down: once an hour.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = TableGrowth)]
pub(super) struct GrowthView {
    /// The oldest measurement of the last 30 days.
    #[serde(with = "time::serde::rfc3339")]
    since: OffsetDateTime,
    /// What it has now beyond what it had then; less than nothing, if it has become smaller.
    bytes: f64,
    per_day_bytes: f64,
}

impl GrowthView {
    /// `None`: it was not measured an hour ago.
    pub(super) async fn of(services: &Services, table: &str, bytes: u64) -> Result<Option<Self>, StoreError> {
        let now = services.clock.now();
        let gauge = format!("{TABLE_BYTES}{table}");
        let levels = services
            .performance
            .samples
            .levels(&gauge, now - REACH, HOUR)
            .await?;
        let oldest = levels.into_iter().find(|(at, _)| *at + HOUR <= now);
        Ok(oldest.and_then(|(since, level)| {
            let bytes = real(bytes) - level.mean()?;
            let days = (now - since).as_seconds_f64() / 86_400.0;
            Some(Self {
                since,
                bytes,
                per_day_bytes: bytes / days,
            })
        }))
    }
}
