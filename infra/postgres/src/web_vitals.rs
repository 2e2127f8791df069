//! What browsers have measured, as a tenant reads it.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::performance::LatencySketch;
use fairlead_domain::performance::vitals::{Page, PageVital, SlowestView, Vital, WebVitals};
use fairlead_domain::store::{StoreError, UnitOfWork as _};
use time::OffsetDateTime;

use crate::error::{SqlError, unexpected};
use crate::store::PgUnitOfWork;
use crate::wire::{Error, Row};

// Sketches are added up by those who read them; a few bytes each, and no more than fifty pages an hour and process.
const SINCE: &str = "
    SELECT page, vital, sketch, slowest_micros, slowest_request, slowest_trace, slowest_server_micros, at FROM web_vitals
    WHERE tenant_id = $1 AND grain IN (1, 2) AND at >= $2
    ORDER BY at DESC LIMIT $3";

/// Each may be hundreds of bytes, and a month of a busy tenant by many processes has more.
const MOST_ROWS: usize = 20_000;

#[async_trait]
impl WebVitals for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.web_vitals.since", skip_all)]
    async fn since(
        &mut self,
        since: OffsetDateTime,
    ) -> Result<(OffsetDateTime, Vec<(Page, Vital, PageVital)>), StoreError> {
        let vitals = self.connection.sql(SINCE).bind(self.tenant_id()).bind(since);
        let rows = vitals.bind(i64::try_from(MOST_ROWS).unwrap_or(i64::MAX));
        let rows = rows.fetch_all().await?;
        let is_cut = rows.len() == MOST_ROWS;
        let at =
            |row: &Row| -> Result<OffsetDateTime, StoreError> { Ok(row.try_get(7).map_err(SqlError::from)?) };
        // Of the last interval that was read some may be missing.
        let cut = rows.last().filter(|_| is_cut).map(at).transpose()?;
        let mut known_since = if is_cut { self.now() } else { since };
        let mut all: BTreeMap<(Page, Vital), PageVital> = BTreeMap::new();
        for row in &rows {
            let at = at(row)?;
            if Some(at) == cut {
                break;
            }
            known_since = known_since.min(at);
            let (page, vital, known) = read(row, 0)?;
            all.entry((page, vital)).or_default().merge(&known);
        }
        let all = all.into_iter().map(|((page, vital), known)| (page, vital, known));
        Ok((known_since, all.collect()))
    }
}

/// A page, a figure and what is known, from a column on.
pub(crate) fn read(row: &Row, first: usize) -> Result<(Page, Vital, PageVital), StoreError> {
    let columns = columns(row, first).map_err(SqlError::from)?;
    columns.ok_or_else(|| unexpected("a web vital that this version cannot read"))
}

fn columns(row: &Row, first: usize) -> Result<Option<(Page, Vital, PageVital)>, Error> {
    let page: String = row.try_get(first)?;
    let vital: String = row.try_get(first + 1)?;
    let sketch: Vec<u8> = row.try_get(first + 2)?;
    let slowest = SlowestView {
        value: duration(row.try_get(first + 3)?).unwrap_or_default(),
        request_id: row
            .try_get::<Option<String>>(first + 4)?
            .unwrap_or_default()
            .into(),
        trace_id: row.try_get::<Option<String>>(first + 5)?.map(Into::into),
        server_time: duration(row.try_get(first + 6)?),
    };
    let (Some(vital), Ok(sketch)) = (Vital::parse(&vital), LatencySketch::from_bytes(&sketch)) else {
        return Ok(None);
    };
    let known = PageVital {
        sketch,
        slowest: (!slowest.request_id.is_empty()).then_some(slowest),
    };
    Ok(Some((Page::kept(&page), vital, known)))
}

fn duration(micros: Option<i64>) -> Option<Duration> {
    micros.map(|micros| Duration::from_micros(micros.unsigned_abs()))
}
