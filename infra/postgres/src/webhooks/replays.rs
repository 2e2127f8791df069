use crate::wire::{Error, Row};
use async_trait::async_trait;
use fairlead_domain::Id;
use fairlead_domain::events::EventCursor;
use fairlead_domain::store::StoreError;
use fairlead_domain::webhooks::{
    Replay, ReplayConflict, ReplayId, ReplayProgress, ReplayState, WebhookId, WebhookReplays,
};
use uuid::Uuid;

use crate::error::{SqlError, corrupt};
use crate::statement::Xid;
use crate::store::PgUnitOfWork;

// What was acknowledged before is of an earlier transaction than this one, though not all of it can be read yet.
const INSERT: &str = "
    INSERT INTO webhook_replays (tenant_id, id, webhook_id, place_xid, place_position, until_xid, until_position, state,
                                 deliveries, created_at)
    VALUES ($1, $2, $3, $4, $5, COALESCE($6, pg_current_xact_id()), COALESCE($7, 0), 'RUNNING', 0,
            $8)";

const FIND: &str = "
    SELECT id, webhook_id, place_xid, place_position, until_xid, until_position, state, ended_at, deliveries, created_at,
           until_xid < pg_snapshot_xmin(pg_current_snapshot()), given_up
    FROM webhook_replays
    WHERE tenant_id = $1 AND id = $2 AND webhook_id = $3
      AND EXISTS (SELECT FROM webhooks WHERE tenant_id = $1 AND id = $3)";

const FIND_FOR_UPDATE: &str = "
    SELECT id, webhook_id, place_xid, place_position, until_xid, until_position, state, ended_at, deliveries, created_at,
           until_xid < pg_snapshot_xmin(pg_current_snapshot()), given_up
    FROM webhook_replays WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE";

// Of what may be hundreds of thousands only those are counted that were not taken: no more than a thousand wait at a time,
// and each of those is given up a day later at the soonest. One statement, because steps add to both meanwhile.
const PROGRESS: &str = "
    SELECT r.deliveries, d.pending, d.failed, d.canceled
    FROM webhook_replays AS r CROSS JOIN (
        SELECT count(*) FILTER (WHERE state = 'PENDING') AS pending, count(*) FILTER (WHERE state = 'FAILED') AS failed,
               count(*) FILTER (WHERE state = 'CANCELED') AS canceled
        FROM webhook_deliveries
        WHERE tenant_id = $1 AND replay_id = $2 AND state IN ('PENDING', 'FAILED', 'CANCELED')) AS d
    WHERE r.tenant_id = $1 AND r.id = $2";

const UPDATE: &str = "
    UPDATE webhook_replays
    SET place_xid = $3, place_position = $4, state = $5, ended_at = $6, deliveries = $7, given_up = $8
    WHERE tenant_id = $1 AND id = $2";

const RESUME: &str = "
    UPDATE webhook_replays SET state = 'RUNNING', ended_at = NULL, given_up = FALSE
    WHERE tenant_id = $1 AND id = $2 AND given_up
      AND NOT EXISTS (
          SELECT FROM webhook_replays WHERE tenant_id = $1 AND webhook_id = $3 AND state = 'RUNNING')";

const STOP: &str = "
    UPDATE webhook_replays SET state = 'STOPPED', ended_at = COALESCE(ended_at, $3), given_up = FALSE
    WHERE tenant_id = $1 AND webhook_id = $2 AND (state = 'RUNNING' OR given_up)";

#[async_trait]
impl WebhookReplays for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.webhook_replays.insert", skip_all)]
    async fn insert(&mut self, replay: &Replay) -> Result<(), ReplayConflict> {
        let inserted = self
            .connection
            .sql(INSERT)
            .bind(self.tenant_id())
            .bind(replay.id.as_uuid())
            .bind(replay.webhook.as_uuid())
            .bind(Xid(replay.place.xid))
            .bind(replay.place.position)
            .bind(replay.until.map(|until| Xid(until.xid)))
            .bind(replay.until.map(|until| until.position))
            .bind(replay.created_at)
            .execute()
            .await;
        match inserted {
            Ok(_) => Ok(()),
            Err(error) if error.constraint() == Some("webhook_replays_running") => {
                Err(ReplayConflict::UnderWay)
            }
            Err(error) => Err(StoreError::from(error).into()),
        }
    }

    #[tracing::instrument(level = "debug", name = "db.webhook_replays.find", skip_all)]
    async fn find(&mut self, webhook: WebhookId, id: ReplayId) -> Result<Option<Replay>, StoreError> {
        let row = self
            .connection
            .sql(FIND)
            .bind(self.tenant_id())
            .bind(id.as_uuid())
            .bind(webhook.as_uuid())
            .fetch_optional()
            .await?;
        row.as_ref().map(replay).transpose()
    }

    #[tracing::instrument(level = "debug", name = "db.webhook_replays.progress", skip_all)]
    async fn progress(&mut self, id: ReplayId) -> Result<ReplayProgress, StoreError> {
        let row = self
            .connection
            .sql(PROGRESS)
            .bind(self.tenant_id())
            .bind(id.as_uuid())
            .fetch_one()
            .await?;
        let count = |at| {
            row.try_get::<i64>(at)
                .map(i64::unsigned_abs)
                .map_err(SqlError::from)
        };
        let (deliveries, pending, failed, canceled) = (count(0)?, count(1)?, count(2)?, count(3)?);
        Ok(ReplayProgress {
            pending,
            succeeded: deliveries.saturating_sub(pending + failed + canceled),
            failed,
            canceled,
        })
    }

    #[tracing::instrument(level = "debug", name = "db.webhook_replays.find_for_update", skip_all)]
    async fn find_for_update(&mut self, id: ReplayId) -> Result<Option<Replay>, StoreError> {
        let row = self
            .connection
            .sql(FIND_FOR_UPDATE)
            .bind(self.tenant_id())
            .bind(id.as_uuid())
            .fetch_optional()
            .await?;
        row.as_ref().map(replay).transpose()
    }

    #[tracing::instrument(level = "debug", name = "db.webhook_replays.update", skip_all)]
    async fn update(&mut self, replay: &Replay) -> Result<(), StoreError> {
        self.connection
            .sql(UPDATE)
            .bind(self.tenant_id())
            .bind(replay.id.as_uuid())
            .bind(Xid(replay.place.xid))
            .bind(replay.place.position)
            .bind(replay.state.as_str())
            .bind(replay.state.ended_at())
            .bind(i64::try_from(replay.deliveries).unwrap_or(i64::MAX))
            .bind(replay.state.is_given_up())
            .enqueue()
            .await
    }

    #[tracing::instrument(level = "debug", name = "db.webhook_replays.resume", skip_all)]
    async fn resume(&mut self, replay: &Replay) -> Result<bool, StoreError> {
        let resumed = self
            .connection
            .sql(RESUME)
            .bind(self.tenant_id())
            .bind(replay.id.as_uuid())
            .bind(replay.webhook.as_uuid())
            .execute()
            .await?;
        Ok(resumed == 1)
    }

    #[tracing::instrument(level = "debug", name = "db.webhook_replays.stop", skip_all)]
    async fn stop(&mut self, webhook: WebhookId) -> Result<(), StoreError> {
        self.connection
            .sql(STOP)
            .bind(self.tenant_id())
            .bind(webhook.as_uuid())
            .bind(self.now)
            .enqueue()
            .await
    }
}

fn replay(row: &Row) -> Result<Replay, StoreError> {
    let cursor = |first| -> Result<EventCursor, Error> {
        let Xid(xid) = row.try_get(first)?;
        Ok(EventCursor {
            xid,
            position: row.try_get(first + 1)?,
        })
    };
    let read = || -> Result<(Uuid, Option<ReplayState>, Replay), Error> {
        let id = row.try_get(0)?;
        let state = ReplayState::of(row.try_get(6)?, row.try_get(7)?, row.try_get(11)?);
        let replay = Replay {
            id: Id::from_uuid(id),
            webhook: Id::from_uuid(row.try_get(1)?),
            place: cursor(2)?,
            until: Some(cursor(4)?),
            is_settled: row.try_get(10)?,
            state: ReplayState::Running,
            deliveries: row.try_get::<i64>(8)?.unsigned_abs(),
            created_at: row.try_get(9)?,
        };
        Ok((id, state, replay))
    };
    let (id, state, replay) = read().map_err(SqlError::from)?;
    let state = state.ok_or_else(|| corrupt("webhook_replays", id, "unknown state"))?;
    Ok(Replay { state, ..replay })
}
