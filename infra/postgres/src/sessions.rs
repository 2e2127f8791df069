use crate::wire::Row;
use async_trait::async_trait;
use fairlead_domain::Id;
use fairlead_domain::clock::Ids;
use fairlead_domain::identity::{LONGEST_ACCESS_TOKEN, Revocation, SessionId, Sessions, UserId};
use fairlead_domain::store::StoreError;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::connection::Connection;
use crate::error::SqlError;
use crate::store::PgUnitOfWork;

// Expired ones too: the last access token of a session outlives it by some minutes.
const REVOKE_ALL: &str = "
    UPDATE sessions SET revoked_at = $3, revoked_reason = $4
    WHERE tenant_id = $1 AND user_id = $2 AND revoked_at IS NULL
    RETURNING id";

const INSERT_REVOCATIONS: &str = "
    INSERT INTO revocations (tenant_id, id, session_id, expires_at)
    SELECT $1, r.id, r.session_id, $2 FROM unnest($3::uuid[], $4::uuid[]) AS r (id, session_id)";

#[async_trait]
impl Sessions for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.sessions.revoke_all", skip_all)]
    async fn revoke_all(&mut self, user: UserId, reason: Revocation) -> Result<u64, StoreError> {
        let ended = self
            .connection
            .sql(REVOKE_ALL)
            .bind(self.tenant_id())
            .bind(user.as_uuid())
            .bind(self.now)
            .bind(reason.as_str())
            .fetch_all()
            .await?;
        let ended = session_ids(&ended)?;
        let until = self.now + LONGEST_ACCESS_TOKEN;
        insert_revocations(&self.connection, &*self.ids, self.tenant_id(), &ended, until).await?;
        self.revoke(ended.iter().map(|session| (*session, until)));
        Ok(ended.len() as u64)
    }
}

/// Reads the ids that an UPDATE of sessions returned.
pub(crate) fn session_ids(rows: &[Row]) -> Result<Vec<SessionId>, SqlError> {
    rows.iter()
        .map(|row| Ok(Id::from_uuid(row.try_get(0)?)))
        .collect()
}

/// Tells all processes to refuse the access tokens of these sessions `until` the last of them is over anyway.
pub(crate) async fn insert_revocations(
    connection: &Connection,
    ids: &dyn Ids,
    tenant: Uuid,
    sessions: &[SessionId],
    until: OffsetDateTime,
) -> Result<(), StoreError> {
    if sessions.is_empty() {
        return Ok(());
    }
    connection
        .sql(INSERT_REVOCATIONS)
        .bind(tenant)
        .bind(until)
        .bind(sessions.iter().map(|_| ids.next()).collect::<Vec<Uuid>>())
        .bind(
            sessions
                .iter()
                .map(|session| session.as_uuid())
                .collect::<Vec<Uuid>>(),
        )
        .enqueue()
        .await
}
