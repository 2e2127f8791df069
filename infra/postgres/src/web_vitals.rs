//! What browsers have measured, as a tenant reads it.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::performance::LatencySketch;
use fairlead_domain::performance::vitals::{Page, PageVital, SlowestView, Vital, WebVitals};
use fairlead_domain::store::StoreError;
use time::OffsetDateTime;

use crate::error::{SqlError, unexpected};
use crate::store::PgUnitOfWork;
use crate::wire::{Error, Row};

// Sketches are added up by those who read them; a few bytes each, and no more than fifty pages an hour and process.
const SINCE: &str = "
    SELECT page, vital, sketch, slowest_micros, slowest_request, slowest_trace, slowest_server_micros FROM web_vitals
    WHERE tenant_id = $1 AND grain IN (1, 2) AND at >= $2
    ORDER BY at DESC LIMIT 100000";

#[async_trait]
impl WebVitals for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.web_vitals.since", skip_all)]
    async fn since(&mut self, since: OffsetDateTime) -> Result<Vec<(Page, Vital, PageVital)>, StoreError> {
        let vitals = self.connection.sql(SINCE).bind(self.tenant_id()).bind(since);
        let rows = vitals.fetch_all().await?;
        let mut all: BTreeMap<(Page, Vital), PageVital> = BTreeMap::new();
        for row in &rows {
            let (page, vital, known) = read(row, 0)?;
            all.entry((page, vital)).or_default().merge(&known);
        }
        let all = all.into_iter().map(|((page, vital), known)| (page, vital, known));
        Ok(all.collect())
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
