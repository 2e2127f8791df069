//! What goes on without a request: learning of revocations, clearing away what has expired, making partitions.

use std::time::Duration;

use fairlead_domain::Id;
use fairlead_domain::identity::SessionId;
use fairlead_domain::store::StoreError;
use time::OffsetDateTime;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, timeout};
use uuid::Uuid;

use super::PgSystemStore;
use super::platform::MAKE_PARTITIONS;
use crate::error::SqlError;
use crate::wire::Conversation;

const REFRESH_EVERY: Duration = Duration::from_secs(1);
/// A revocation may be committed so much later than it was dated: longer than any unit of work that revokes.
const OVERLAP: Duration = Duration::from_mins(1);
/// A database that takes longer is asked again by a new connection.
const REFRESH_WITHIN: Duration = Duration::from_secs(5);
/// How PostgreSQL lists the connection.
const REVOCATIONS: &str = "fairlead-revocations";
/// Revocations per statement.
const REVOCATIONS_AT_ONCE: usize = 10_000;
/// Rows per statement.
const BATCH: i64 = 10_000;

/// The revocations behind a moment and an id.
fn revoked_since((moment, id): (OffsetDateTime, Uuid)) -> String {
    // To the microsecond, as the database keeps it.
    let micros = moment.unix_timestamp_nanos() / 1_000;
    format!(
        "SELECT expires_at, id, session_id FROM revocations
         WHERE (expires_at, id) > ('epoch'::timestamptz + {micros} * interval '1 microsecond', '{id}'::uuid)
         ORDER BY expires_at, id
         LIMIT {REVOCATIONS_AT_ONCE}"
    )
}

// Kept a little longer than they matter, so that a process whose clock is behind still sees them.
const CLEAR_REVOCATIONS: &str = "DELETE FROM revocations WHERE expires_at < $1 - interval '1 hour'";

const CLEAR_LOGIN_FAILURES: &str = "
    DELETE FROM login_failures WHERE window_ends_at < $1 AND (locked_until IS NULL OR locked_until < $1)";

const CLEAR_IDEMPOTENCY_KEYS: &str = "
    DELETE FROM idempotency_keys
    WHERE (tenant_id, id) IN (SELECT tenant_id, id FROM idempotency_keys WHERE expires_at < $1 LIMIT $2)";

/// With their refresh tokens and revocations. A day is longer than any access token lives.
const CLEAR_SESSIONS: &str = "
    DELETE FROM sessions
    WHERE (tenant_id, id) IN (
        SELECT tenant_id, id FROM sessions WHERE expires_at < $1 - interval '1 day' LIMIT $2)";

// What is before the place of its consumer is known to be done by that alone.
const CLEAR_INBOX: &str = "
    DELETE FROM inbox
    WHERE (tenant_id, id, consumer) IN (
        SELECT i.tenant_id, i.id, i.consumer
        FROM inbox AS i JOIN event_readers AS r ON r.reader = i.consumer
        WHERE i.handled_at < $1 - interval '1 hour' AND i.fault IS NULL
          AND (i.xid, i.position) <= (r.xid, r.position)
        LIMIT $2)";

// What is signed by nobody any more is not kept until the next rotation.
const FORGET_OLD_SECRETS: &str = "
    UPDATE webhooks SET old_secret = NULL WHERE keeps_old_secret AND old_secret_until < $1";

// The provider tells again for three days.
const CLEAR_BILLING_EVENTS: &str = "
    DELETE FROM billing_events
    WHERE (tenant_id, id) IN (
        SELECT tenant_id, id FROM billing_events WHERE received_at < $1 - interval '30 days' LIMIT $2)";

impl PgSystemStore {
    /// Learns which sessions are revoked now; done once before the first request is served.
    pub async fn learn_revocations(&self) -> Result<(), StoreError> {
        let mut seen = self.clock.now();
        self.refresh_revocations(&mut None, &mut seen).await
    }

    /// Starts the task that learns, once a second, which sessions other processes have revoked. It ends when it is
    /// aborted.
    pub fn spawn_refresh(&self) -> JoinHandle<()> {
        let store = self.clone();
        fairlead_telemetry::spawn_supervised("learn-revocations", move || store.clone().refresh_again())
    }

    async fn refresh_again(self) {
        let mut every = tokio::time::interval(REFRESH_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = self.clock.now();
        let mut conversation = None;
        let mut reachable = true;
        loop {
            every.tick().await;
            let learning = self.refresh_revocations(&mut conversation, &mut seen);
            match timeout(REFRESH_WITHIN, learning).await {
                Ok(Ok(())) => {
                    reachable = true;
                    continue;
                }
                // Once, not every second.
                Ok(Err(error)) if reachable => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "cannot read revocations"
                    );
                }
                Err(_) if reachable => {
                    tracing::warn!("cannot read revocations: the database does not answer");
                }
                Ok(Err(_)) | Err(_) => {}
            }
            (reachable, conversation) = (false, None);
        }
    }

    /// Reads the revocations that expire after `seen`, less an overlap for those that were committed late, and moves
    /// `seen` to the last of them.
    ///
    /// By a connection of its own, which a pool without a free one does not keep waiting.
    async fn refresh_revocations(
        &self,
        conversation: &mut Option<Conversation>,
        seen: &mut OffsetDateTime,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.audience.revoked().forget_expired(now);
        let conversation = match conversation {
            Some(conversation) => conversation,
            None => conversation.insert(self.open_for_revocations().await?),
        };
        let mut from = (now.max(*seen - OVERLAP), Uuid::nil());
        loop {
            let rows = conversation
                .ask(&revoked_since(from))
                .await
                .map_err(SqlError::from)?;
            let mut revoked: Vec<(SessionId, OffsetDateTime)> = Vec::with_capacity(rows.len());
            for row in &rows {
                let get = |error| StoreError::from(SqlError::from(error));
                from = (row.try_get(0).map_err(get)?, row.try_get(1).map_err(get)?);
                revoked.push((Id::from_uuid(row.try_get(2).map_err(get)?), from.0));
            }
            self.audience.revoked().add(&revoked);
            *seen = (*seen).max(from.0);
            if rows.len() < REVOCATIONS_AT_ONCE {
                return Ok(());
            }
        }
    }

    async fn open_for_revocations(&self) -> Result<Conversation, StoreError> {
        let target = self.cluster.system_target().named(REVOCATIONS);
        Ok(target.open().await.map_err(SqlError::from)?)
    }

    pub(super) async fn clear_expired(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        for text in [CLEAR_REVOCATIONS, CLEAR_LOGIN_FAILURES, FORGET_OLD_SECRETS] {
            let connection = self.cluster.system();
            connection.sql(text).bind(now).execute().await?;
            connection.commit().await?;
        }
        for text in [
            CLEAR_IDEMPOTENCY_KEYS,
            CLEAR_SESSIONS,
            CLEAR_INBOX,
            CLEAR_BILLING_EVENTS,
        ] {
            self.clear_in_batches(text, now).await?;
        }
        Ok(())
    }

    /// Clears away what a statement finds by a moment.
    pub(super) async fn clear_in_batches(
        &self,
        text: &'static str,
        moment: OffsetDateTime,
    ) -> Result<(), StoreError> {
        loop {
            let connection = self.cluster.system();
            let cleared = connection.sql(text).bind(moment).bind(BATCH).execute().await?;
            connection.commit().await?;
            if i64::try_from(cleared).is_ok_and(|cleared| cleared < BATCH) {
                return Ok(());
            }
        }
    }

    pub(super) async fn make_partitions(&self) -> Result<(), StoreError> {
        let connection = self.cluster.system();
        connection.sql(MAKE_PARTITIONS).execute().await?;
        connection.commit().await?;
        Ok(())
    }
}
