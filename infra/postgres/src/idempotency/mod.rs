mod turns;

use crate::wire::Row;
use async_trait::async_trait;
use fairlead_domain::access::Actor;
use fairlead_domain::idempotency::{Answer, IdempotencyKeys, KeptAnswer};
use fairlead_domain::store::StoreError;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::error::{SqlError, corrupt, unexpected};
use crate::store::PgUnitOfWork;
pub(crate) use turns::{Turn, Turns};

// Waits for a transaction that holds the same key; then the row it left, if it did, is judged as it is now.
const CLAIM: &str = "
    INSERT INTO idempotency_keys AS kept (tenant_id, id, key, actor, request_hash, created_at, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT ON CONSTRAINT idempotency_keys_key DO UPDATE
        SET id = EXCLUDED.id, request_hash = EXCLUDED.request_hash, status = NULL, body = NULL,
            etag = NULL, location = NULL, is_sealed = FALSE, created_at = EXCLUDED.created_at,
            expires_at = EXCLUDED.expires_at
        WHERE kept.expires_at <= EXCLUDED.created_at";

const FIND: &str = "
    SELECT id, request_hash, status, body, etag, location, is_sealed FROM idempotency_keys
    WHERE tenant_id = $1 AND key = $2 AND actor = $3";

const FIND_VALID: &str = "
    SELECT id, request_hash, status, body, etag, location, is_sealed FROM idempotency_keys
    WHERE tenant_id = $1 AND key = $2 AND actor = $3 AND expires_at > $4";

const KEEP: &str = "
    UPDATE idempotency_keys SET status = $4, body = $5, etag = $6, location = $7, is_sealed = $8
    WHERE tenant_id = $1 AND key = $2 AND actor = $3 AND status IS NULL";

#[async_trait]
impl IdempotencyKeys for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.idempotency_keys.claim", skip_all)]
    async fn claim(
        &mut self,
        actor: Actor,
        key: &str,
        request_hash: &[u8],
        expires_at: OffsetDateTime,
    ) -> Result<Option<KeptAnswer>, StoreError> {
        let actor = actor.to_string();
        // Whoever holds a connection already waits in the database, which notices when two wait for each other.
        if !self.connection.is_open().await {
            let turn = self.turns.take(self.tenant, &actor, key).await;
            self.deeds.turn = Some(turn);
        }
        let claimed = self
            .connection
            .sql(CLAIM)
            .bind(self.tenant_id())
            .bind(self.ids.next())
            .bind(key)
            .bind(&actor)
            .bind(request_hash)
            .bind(self.now)
            .bind(expires_at)
            .execute()
            .await?;
        if claimed == 1 {
            self.claimed_key = Some(key.to_owned());
            return Ok(None);
        }
        let connection = &self.connection;
        let row = connection
            .sql(FIND)
            .bind(self.tenant_id())
            .bind(key)
            .bind(&actor)
            .fetch_optional()
            .await?;
        // Gone in between: it had expired and was cleared away.
        let row = row.ok_or(StoreError::Contended)?;
        kept(&row).map(Some)
    }

    #[tracing::instrument(level = "debug", name = "db.idempotency_keys.find", skip_all)]
    async fn find(&mut self, actor: Actor, key: &str) -> Result<Option<KeptAnswer>, StoreError> {
        let found = self
            .connection
            .sql(FIND_VALID)
            .bind(self.tenant_id())
            .bind(key)
            .bind(actor.to_string())
            .bind(self.now)
            .fetch_optional()
            .await?;
        found.as_ref().map(kept).transpose()
    }

    #[tracing::instrument(level = "debug", name = "db.idempotency_keys.keep", skip_all)]
    async fn keep(&mut self, actor: Actor, key: &str, answer: &Answer) -> Result<(), StoreError> {
        if self.claimed_key.as_deref() != Some(key) {
            return Err(unexpected("an answer to keep under a key that was not claimed"));
        }
        self.connection
            .sql(KEEP)
            .bind(self.tenant_id())
            .bind(key)
            .bind(actor.to_string())
            .bind(i32::from(answer.status))
            .bind(answer.body.as_slice())
            .bind(answer.etag.as_deref())
            .bind(answer.location.as_deref())
            .bind(answer.is_sealed)
            .enqueue()
            .await
    }
}

fn kept(row: &Row) -> Result<KeptAnswer, StoreError> {
    let get = |error| StoreError::from(SqlError::from(error));
    let id: Uuid = row.try_get(0).map_err(get)?;
    let status: Option<i32> = row.try_get(2).map_err(get)?;
    let body: Option<Vec<u8>> = row.try_get(3).map_err(get)?;
    let status = status.and_then(|status| u16::try_from(status).ok());
    let (Some(status), Some(body)) = (status, body) else {
        return Err(corrupt(
            "idempotency_keys",
            id,
            "claimed and committed without an answer",
        ));
    };
    Ok(KeptAnswer {
        request_hash: row.try_get(1).map_err(get)?,
        answer: Answer {
            status,
            etag: row.try_get(4).map_err(get)?,
            location: row.try_get(5).map_err(get)?,
            body,
            is_sealed: row.try_get(6).map_err(get)?,
        },
    })
}
