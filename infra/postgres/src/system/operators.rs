use crate::wire::Row;
use async_trait::async_trait;
use fairlead_domain::identity::{OperatorAct, Operators};
use fairlead_domain::store::StoreError;
use fairlead_telemetry::request;
use time::OffsetDateTime;
use uuid::Uuid;

use super::PgSystemUnitOfWork;
use crate::error::SqlError;

const UPSERT: &str = "
    INSERT INTO operators (id, name, secret_hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT ON CONSTRAINT operators_name DO UPDATE
    SET secret_hash = EXCLUDED.secret_hash, created_at = EXCLUDED.created_at, expires_at = EXCLUDED.expires_at,
        revoked_at = NULL";

const FIND_BY_SECRET: &str = "
    SELECT name, expires_at FROM operators
    WHERE secret_hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)";

const LIST: &str =
    "SELECT name, created_at, expires_at FROM operators WHERE revoked_at IS NULL ORDER BY name";

const REVOKE: &str = "UPDATE operators SET revoked_at = $2 WHERE name = $1 AND revoked_at IS NULL";

// Under the id that the platform's own jobs have.
const AUDIT: &str = "
    INSERT INTO audit_log (tenant_id, id, action, actor, entity_type, entity_id, after, request_id, occurred_at)
    VALUES ($1, $2, $3, $4, $5, $1, $6::text::jsonb, $7, $8)";

#[async_trait]
impl Operators for PgSystemUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.operators.upsert", skip_all)]
    async fn upsert(
        &mut self,
        id: Uuid,
        name: &str,
        secret_hash: &[u8],
        expires_at: Option<OffsetDateTime>,
    ) -> Result<(), StoreError> {
        let sql = self.connection.sql(UPSERT);
        sql.bind(id)
            .bind(name)
            .bind(secret_hash)
            .bind(self.now)
            .bind(expires_at)
            .execute()
            .await?;
        Ok(())
    }

    #[tracing::instrument(level = "debug", name = "db.operators.find_by_secret", skip_all)]
    async fn find_by_secret(
        &mut self,
        secret_hash: &[u8],
    ) -> Result<Option<(String, Option<OffsetDateTime>)>, StoreError> {
        let sql = self.connection.sql(FIND_BY_SECRET);
        let row = sql.bind(secret_hash).bind(self.now).fetch_optional().await?;
        let operator = |row: Row| Ok((row.try_get(0)?, row.try_get(1)?));
        Ok(row
            .map(operator)
            .transpose()
            .map_err(|error: crate::wire::Error| SqlError::from(error))?)
    }

    #[tracing::instrument(level = "debug", name = "db.operators.list", skip_all)]
    async fn list(&mut self) -> Result<Vec<(String, OffsetDateTime, Option<OffsetDateTime>)>, StoreError> {
        let rows = self.connection.sql(LIST).fetch_all().await?;
        let operator = |row: &Row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
        Ok(rows
            .iter()
            .map(operator)
            .collect::<Result<_, crate::wire::Error>>()
            .map_err(SqlError::from)?)
    }

    #[tracing::instrument(level = "debug", name = "db.operators.revoke", skip_all)]
    async fn revoke(&mut self, name: &str) -> Result<bool, StoreError> {
        let revoked = self
            .connection
            .sql(REVOKE)
            .bind(name)
            .bind(self.now)
            .execute()
            .await?;
        Ok(revoked == 1)
    }

    #[tracing::instrument(level = "debug", name = "db.operators.audit", skip_all)]
    async fn audit(&mut self, act: &OperatorAct<'_>) -> Result<(), StoreError> {
        let request = request::current();
        self.connection
            .sql(AUDIT)
            .bind(Uuid::nil())
            .bind(self.ids.next())
            .bind(act.action)
            .bind(format!("operator:{}", act.operator))
            .bind(act.entity)
            .bind(act.after.to_string())
            .bind(request.as_ref().map(|request| request.request_id().as_str()))
            .bind(self.now)
            .enqueue()
            .await
    }
}
