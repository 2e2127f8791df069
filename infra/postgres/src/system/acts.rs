//! The ledger of what was done to have the database fast.

use async_trait::async_trait;
use fairlead_domain::Id;
use fairlead_domain::performance::acts::{Act, ActId, ActState, Acts, WhichActs};
use fairlead_domain::store::StoreError;
use time::Duration;
use uuid::Uuid;

use super::{PgSystemStore, PgSystemUnitOfWork};
use crate::connection::Sql;
use crate::error::{SqlError, corrupt};
use crate::wire::{Error, Row};

const KEPT_FOR: Duration = Duration::days(400);

// Who was first is answered with, also when it has come about since this statement began: then it is found by no row, and
// the one who asks tries again.
const INSERT: &str = "
    WITH made AS (
        INSERT INTO perf.acts (id, kind, subject, deed, why, asked_by, asked_at, state, before, after, begun_at, ended_at,
                               outcome)
        VALUES ($1, $2, $3, $4::text::jsonb, $5, $6, $7, $8, $9::text::jsonb, $10::text::jsonb, $11, $12, $13)
        ON CONFLICT (kind, subject) WHERE ended_at IS NULL DO NOTHING
        RETURNING id
    )
    SELECT id FROM made
    UNION ALL
    SELECT id FROM perf.acts
    WHERE kind = $2 AND subject = $3 AND ended_at IS NULL AND NOT EXISTS (SELECT FROM made)";

macro_rules! acts {
    ($rest:literal) => {
        concat!(
            "SELECT id, deed::text, why, asked_by, asked_at, state, begun_at, ended_at, progress::text, before::text,
                    after::text, outcome
             FROM perf.acts ",
            $rest
        )
    };
}

const FIND: &str = acts!("WHERE id = $1");

const HOLD: &str = acts!("WHERE id = $1 FOR UPDATE");

const LIST: &str = acts!(
    "WHERE ($1::uuid IS NULL OR id < $1) AND ($2::boolean IS NULL OR (ended_at IS NOT NULL) = $2)
       AND ($3::text IS NULL OR kind = $3)
     ORDER BY id DESC LIMIT $4"
);

const UPDATE: &str = "
    UPDATE perf.acts
    SET state = $2, begun_at = $3, ended_at = $4, progress = $5::text::jsonb, before = $6::text::jsonb,
        after = $7::text::jsonb, outcome = $8
    WHERE id = $1 AND ended_at IS NULL";

const CLEAR: &str = "
    DELETE FROM perf.acts
    WHERE id = ANY (ARRAY(SELECT id FROM perf.acts WHERE ended_at < $1 LIMIT $2))";

#[async_trait]
impl Acts for PgSystemUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.acts.insert", skip_all)]
    async fn insert(&mut self, act: &Act) -> Result<Option<ActId>, StoreError> {
        let insert = self
            .connection
            .sql(INSERT)
            .bind(act.id.as_uuid())
            .bind(act.deed.kind())
            .bind(act.deed.subject())
            .bind(json(&act.deed))
            .bind(act.why.as_str())
            .bind(act.asked_by.as_str())
            .bind(act.asked_at)
            .bind(act.state.as_str())
            .bind(json(&act.before))
            .bind(json(&act.after))
            .bind(act.begun_at)
            .bind(act.ended_at)
            .bind(act.outcome.as_deref());
        let row = insert.fetch_optional().await?.ok_or(StoreError::Contended)?;
        let id: Uuid = row.try_get(0).map_err(SqlError::from)?;
        Ok((id != act.id.as_uuid()).then(|| Id::from_uuid(id)))
    }

    #[tracing::instrument(level = "debug", name = "db.acts.find", skip_all)]
    async fn find(&mut self, id: ActId) -> Result<Option<Act>, StoreError> {
        let row = self
            .connection
            .sql(FIND)
            .bind(id.as_uuid())
            .fetch_optional()
            .await?;
        row.as_ref().map(act).transpose()
    }

    #[tracing::instrument(level = "debug", name = "db.acts.hold", skip_all)]
    async fn hold(&mut self, id: ActId) -> Result<Option<Act>, StoreError> {
        let row = self
            .connection
            .sql(HOLD)
            .bind(id.as_uuid())
            .fetch_optional()
            .await?;
        row.as_ref().map(act).transpose()
    }

    #[tracing::instrument(level = "debug", name = "db.acts.list", skip_all)]
    async fn list(
        &mut self,
        which: &WhichActs,
        before: Option<ActId>,
        limit: u32,
    ) -> Result<Vec<Act>, StoreError> {
        let list = self
            .connection
            .sql(LIST)
            .bind(before.map(ActId::as_uuid))
            .bind(which.is_over)
            .bind(which.kind.as_deref())
            .bind(i64::from(limit));
        list.fetch_all().await?.iter().map(act).collect()
    }

    #[tracing::instrument(level = "debug", name = "db.acts.update", skip_all)]
    async fn update(&mut self, act: &Act) -> Result<bool, StoreError> {
        let update: Sql<'_> = self
            .connection
            .sql(UPDATE)
            .bind(act.id.as_uuid())
            .bind(act.state.as_str())
            .bind(act.begun_at)
            .bind(act.ended_at)
            .bind(act.progress.as_ref().map(json))
            .bind(json(&act.before))
            .bind(json(&act.after))
            .bind(act.outcome.as_deref());
        Ok(update.execute().await? == 1)
    }
}

/// Of acts that were over long ago.
pub(super) async fn clear(store: &PgSystemStore) -> Result<(), StoreError> {
    store.clear_in_batches(CLEAR, store.now() - KEPT_FOR).await
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("plain data with string keys")
}

fn act(row: &Row) -> Result<Act, StoreError> {
    let get = |error: Error| StoreError::from(SqlError::from(error));
    let id: Uuid = row.try_get(0).map_err(get)?;
    let broken = |fault: String| corrupt("perf.acts", id, fault);
    let unread = |error: serde_json::Error| broken(error.to_string());
    let deed: &str = row.try_get(1).map_err(get)?;
    let state: &str = row.try_get(5).map_err(get)?;
    let progress: Option<&str> = row.try_get(8).map_err(get)?;
    let (before, after): (&str, &str) = (row.try_get(9).map_err(get)?, row.try_get(10).map_err(get)?);
    Ok(Act {
        id: Id::from_uuid(id),
        deed: serde_json::from_str(deed).map_err(unread)?,
        why: row.try_get(2).map_err(get)?,
        asked_by: row.try_get(3).map_err(get)?,
        asked_at: row.try_get(4).map_err(get)?,
        state: ActState::parse(state).ok_or_else(|| broken(format!("no state is called {state}")))?,
        begun_at: row.try_get(6).map_err(get)?,
        ended_at: row.try_get(7).map_err(get)?,
        progress: progress.map(serde_json::from_str).transpose().map_err(unread)?,
        before: serde_json::from_str(before).map_err(unread)?,
        after: serde_json::from_str(after).map_err(unread)?,
        outcome: row.try_get(11).map_err(get)?,
    })
}
