//! What browsers of all tenants have measured: written by each process, and made less with age.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::Id;
use fairlead_domain::identity::TenantId;
use fairlead_domain::performance::Grain;
use fairlead_domain::performance::vitals::{Page, PageVital, TenantVitals, Vital, VitalKey};
use fairlead_domain::store::StoreError;
use time::OffsetDateTime;
use uuid::Uuid;

use super::PgSystemStore;
use super::samples::code;
use crate::connection::Connection;
use crate::error::SqlError;
use crate::web_vitals::read;

/// How long days are kept.
const KEPT_FOR: time::Duration = time::Duration::days(400);

// Rows come in one order, so that processes that write at once wait for each other and never in a ring. Of a tenant that is
// gone meanwhile nothing is kept.
const PUT: &str = "
    INSERT INTO web_vitals (tenant_id, grain, at, page, vital, process, sketch, slowest_micros, slowest_request,
                            slowest_trace, slowest_server_micros)
    SELECT t.tenant_id, $1, e.at, e.page, e.vital, $2, e.sketch, e.slowest_micros, e.slowest_request, e.slowest_trace,
           e.slowest_server_micros
    FROM unnest($3::uuid[], $4::timestamptz[], $5::text[], $6::text[], $7::bytea[], $8::bigint[], $9::text[],
                $10::text[], $11::bigint[])
        WITH ORDINALITY AS e (tenant_id, at, page, vital, sketch, slowest_micros, slowest_request, slowest_trace,
                              slowest_server_micros, turn)
    JOIN tenants AS t ON t.tenant_id = e.tenant_id AND t.id = e.tenant_id
    ORDER BY e.turn
    ON CONFLICT ON CONSTRAINT web_vitals_pkey DO UPDATE SET
        sketch = EXCLUDED.sketch,
        slowest_micros = EXCLUDED.slowest_micros,
        slowest_request = EXCLUDED.slowest_request,
        slowest_trace = EXCLUDED.slowest_trace,
        slowest_server_micros = EXCLUDED.slowest_server_micros";

const OLDEST: &str = "
    SELECT at, tenant_id FROM web_vitals WHERE grain = 1 AND at < $1
    ORDER BY at LIMIT 1";

// With what is there already of the same day, when some came late.
const TAKE: &str = "
    DELETE FROM web_vitals WHERE tenant_id = $1 AND grain IN (1, 2) AND at >= $2 AND at < $3
    RETURNING page, vital, sketch, slowest_micros, slowest_request, slowest_trace, slowest_server_micros";

const CLEAR: &str = "
    DELETE FROM web_vitals
    WHERE ctid = ANY (ARRAY(SELECT ctid FROM web_vitals WHERE grain = 2 AND at < $1 LIMIT $2))";

#[async_trait]
impl TenantVitals for PgSystemStore {
    #[tracing::instrument(level = "debug", name = "db.web_vitals.put", skip_all)]
    async fn put(&self, known: &[(VitalKey, PageVital)]) -> Result<(), StoreError> {
        let connection = self.cluster.system();
        put(&connection, Grain::Hour, self.process.name(), known).await?;
        connection.commit().await?;
        Ok(())
    }
}

impl PgSystemStore {
    /// Makes days of hours that are two days old, a day of a tenant at a time, and forgets what is too old.
    #[tracing::instrument(level = "debug", name = "db.web_vitals.thin", skip_all)]
    pub async fn thin_web_vitals(&self) -> Result<(), StoreError> {
        let now = self.now();
        let until = Grain::Day.beginning(now - Grain::Fine.kept_for().unwrap_or_default());
        while let Some((at, tenant)) = self.oldest_vitals(until).await? {
            let day = Grain::Day.beginning(at);
            let connection = self.cluster.system();
            let taken = connection.sql(TAKE).bind(tenant.as_uuid()).bind(day);
            let rows = taken.bind(day + time::Duration::DAY).fetch_all().await?;
            let mut of_day: BTreeMap<(Page, Vital), PageVital> = BTreeMap::new();
            for row in &rows {
                let (page, vital, known) = read(row, 0)?;
                of_day.entry((page, vital)).or_default().merge(&known);
            }
            let of_day: Vec<_> = of_day
                .into_iter()
                .map(|((page, vital), known)| {
                    let key = VitalKey {
                        tenant,
                        hour: day,
                        page,
                        vital,
                    };
                    (key, known)
                })
                .collect();
            put(&connection, Grain::Day, "", &of_day).await?;
            connection.commit().await?;
        }
        self.clear_in_batches(CLEAR, now - KEPT_FOR).await
    }

    async fn oldest_vitals(
        &self,
        until: OffsetDateTime,
    ) -> Result<Option<(OffsetDateTime, TenantId)>, StoreError> {
        let connection = self.cluster.system();
        let row = connection.sql(OLDEST).bind(until).fetch_optional().await?;
        connection.commit().await?;
        let Some(row) = row else { return Ok(None) };
        let at = row.try_get(0).map_err(SqlError::from)?;
        let tenant: Uuid = row.try_get(1).map_err(SqlError::from)?;
        Ok(Some((at, Id::from_uuid(tenant))))
    }
}

async fn put(
    connection: &Connection,
    grain: Grain,
    process: &str,
    known: &[(VitalKey, PageVital)],
) -> Result<(), StoreError> {
    if known.is_empty() {
        return Ok(());
    }
    let keys = || known.iter().map(|(key, _)| key);
    let slowest = || known.iter().map(|(_, known)| known.slowest.as_ref());
    connection
        .sql(PUT)
        .bind(code(grain))
        .bind(process)
        .bind(keys().map(|key| key.tenant.as_uuid()).collect::<Vec<_>>())
        .bind(keys().map(|key| key.hour).collect::<Vec<_>>())
        .bind(keys().map(|key| key.page.as_str()).collect::<Vec<_>>())
        .bind(keys().map(|key| key.vital.as_str()).collect::<Vec<_>>())
        .bind(
            known
                .iter()
                .map(|(_, known)| known.sketch.to_bytes())
                .collect::<Vec<_>>(),
        )
        .bind(
            slowest()
                .map(|slowest| slowest.map(|of| micros(of.value)))
                .collect::<Vec<_>>(),
        )
        .bind(
            slowest()
                .map(|slowest| slowest.map(|of| &*of.request_id))
                .collect::<Vec<_>>(),
        )
        .bind(
            slowest()
                .map(|slowest| slowest.and_then(|of| of.trace_id.as_deref()))
                .collect::<Vec<_>>(),
        )
        .bind(
            slowest()
                .map(|slowest| slowest.and_then(|of| of.server_time).map(micros))
                .collect::<Vec<_>>(),
        )
        .enqueue()
        .await
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
