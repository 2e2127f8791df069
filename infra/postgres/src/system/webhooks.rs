//! What becomes of what is sent to webhooks, when it is over or nobody sends it any more.

use std::time::Duration;

use fairlead_domain::jobs::Queue;
use fairlead_domain::store::StoreError;
use fairlead_domain::webhooks::{Delivery, DeliveryState, Replay, ReplayState};
use time::OffsetDateTime;
use uuid::Uuid;

use super::PgSystemStore;
use crate::error::SqlError;

/// Deliveries that are looked at by one statement.
const BATCH: i64 = 1_000;
/// A delivery that should have been tried so long ago may be without a job. One that somebody asks for again is due now,
/// so its new job is not overlooked where it is enqueued at the very moment.
const OVERDUE: Duration = Duration::from_hours(1);

// Those that wait and have no job any more: it died, and its last process ended before that could be noted. What waits is
// walked through by its index, and each job looked up by its key: a join could be planned through all jobs there are.
// Nothing else has a next attempt.
const GIVE_UP_DELIVERIES: &str = "
    WITH waiting AS MATERIALIZED (
        SELECT tenant_id, id, event_id, next_at FROM webhook_deliveries
        WHERE state = 'PENDING' AND (event_id, id) > ($1, $2)
        ORDER BY event_id, id
        LIMIT $3),
    given_up AS (
        UPDATE webhook_deliveries AS d SET state = $4, next_at = NULL, ended_at = $5
        FROM waiting AS w
        WHERE d.tenant_id = w.tenant_id AND d.id = w.id AND w.next_at < $6 AND d.next_at < $6
          AND (SELECT TRUE FROM jobs AS j
               WHERE j.tenant_id = w.tenant_id AND j.queue = $7 AND j.unique_key = $8 || w.id
                 AND j.state IN ('delayed', 'waiting', 'active')
               LIMIT 1) IS NULL
        RETURNING d.id)
    SELECT event_id, id, (SELECT count(*) FROM given_up) FROM waiting ORDER BY event_id DESC, id DESC LIMIT 1";

// As above. There is one for each webhook at the most.
const STOP_REPLAYS: &str = "
    UPDATE webhook_replays AS r SET state = $1, ended_at = $2, given_up = TRUE
    WHERE r.state = 'RUNNING'
      AND (SELECT TRUE FROM jobs AS j
           WHERE j.tenant_id = r.tenant_id AND j.queue = $3 AND j.unique_key = $4 || r.id
             AND j.state IN ('delayed', 'waiting', 'active')
           LIMIT 1) IS NULL";

const CLEAR_WEBHOOK_DELIVERIES: &str = "
    DELETE FROM webhook_deliveries
    WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM webhook_deliveries WHERE ended_at < $1 LIMIT $2)";

const CLEAR_WEBHOOK_REPLAYS: &str = "
    DELETE FROM webhook_replays
    WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM webhook_replays WHERE ended_at < $1 LIMIT $2)";

impl PgSystemStore {
    /// Ends what nobody sends any more, and clears away what ended before a moment.
    pub(super) async fn clear_webhook_deliveries(&self, before: OffsetDateTime) -> Result<(), StoreError> {
        self.give_up_deliveries().await?;
        self.stop_replays().await?;
        self.clear_in_batches(CLEAR_WEBHOOK_DELIVERIES, before).await?;
        self.clear_in_batches(CLEAR_WEBHOOK_REPLAYS, before).await
    }

    /// Or else they wait for ever, and keep room from replays.
    async fn give_up_deliveries(&self) -> Result<(), StoreError> {
        let now = self.now();
        let failed = DeliveryState::Failed { at: now };
        let mut seen = (Uuid::nil(), Uuid::nil());
        loop {
            let connection = self.cluster.system();
            let sql = connection
                .sql(GIVE_UP_DELIVERIES)
                .bind(seen.0)
                .bind(seen.1)
                .bind(BATCH)
                .bind(failed.as_str())
                .bind(failed.ended_at())
                .bind(now - OVERDUE)
                .bind(Queue::Webhooks.as_str())
                .bind(Delivery::JOB_KEY);
            let row = sql.fetch_optional().await?;
            connection.commit().await?;
            let Some(row) = row else {
                return Ok(());
            };
            seen = (
                row.try_get(0).map_err(SqlError::from)?,
                row.try_get(1).map_err(SqlError::from)?,
            );
            let deliveries: i64 = row.try_get(2).map_err(SqlError::from)?;
            if deliveries > 0 {
                tracing::warn!(deliveries, "deliveries that had no job any more were given up");
            }
        }
    }

    /// Or else no other can be begun for their webhooks.
    async fn stop_replays(&self) -> Result<(), StoreError> {
        let stopped = ReplayState::GivenUp { at: self.now() };
        let connection = self.cluster.system();
        let replays = connection
            .sql(STOP_REPLAYS)
            .bind(stopped.as_str())
            .bind(stopped.ended_at())
            .bind(Queue::Webhooks.as_str())
            .bind(Replay::JOB_KEY)
            .execute()
            .await?;
        connection.commit().await?;
        if replays > 0 {
            tracing::warn!(replays, "replays that had no job any more were stopped");
        }
        Ok(())
    }
}
