//! The files that operations write, part by part.

use async_trait::async_trait;
use fairlead_domain::operations::{OperationId, OperationOutputs, OutputEnd, OutputPart, OutputSize};
use fairlead_domain::paging::{Position, SortKey};
use fairlead_domain::store::StoreError;
use time::OffsetDateTime;
use uuid::Uuid;

use super::DROP_BATCH;
use crate::error::{SqlError, corrupt, unexpected};
use crate::rows::FromRow as _;
use crate::store::PgUnitOfWork;

// Of two that add the same number the second waits, and adds none.
const ADD: &str = "
    INSERT INTO operation_outputs (tenant_id, id, operation_id, number, size_bytes, next_time, next_id, content)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    ON CONFLICT ON CONSTRAINT operation_outputs_number DO NOTHING";

const END: &str = "
    SELECT number, next_time, next_id FROM operation_outputs
    WHERE tenant_id = $1 AND operation_id = $2 ORDER BY number DESC LIMIT 1";

const FIND: &str =
    "SELECT content FROM operation_outputs WHERE tenant_id = $1 AND operation_id = $2 AND number = $3";

const SIZE: &str = "
    SELECT COUNT(*), COALESCE(SUM(size_bytes), 0)::bigint FROM operation_outputs
    WHERE tenant_id = $1 AND operation_id = $2";

// From the end, so that what is left is never taken for a whole: its last part names another one.
const DROP_SOME: &str = "
    DELETE FROM operation_outputs
    WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM operation_outputs WHERE tenant_id = $1 AND operation_id = $2
        ORDER BY number DESC LIMIT $3 FOR UPDATE))";

#[async_trait]
impl OperationOutputs for PgUnitOfWork {
    #[tracing::instrument(level = "debug", name = "db.operation_outputs.add", skip_all)]
    async fn add(&mut self, id: OperationId, part: &OutputPart<'_>) -> Result<bool, StoreError> {
        let size = i32::try_from(part.content.len()).map_err(|_| unexpected("a part is too large"))?;
        let (next_time, next_id) = part.next.map(place).transpose()?.unzip();
        let added = self
            .connection
            .sql(ADD)
            .bind(self.tenant_id())
            .bind(self.ids.next())
            .bind(id.as_uuid())
            .bind(stored(part.number)?)
            .bind(size)
            .bind(next_time)
            .bind(next_id)
            .bind(part.content)
            .execute()
            .await?;
        Ok(added == 1)
    }

    #[tracing::instrument(level = "debug", name = "db.operation_outputs.end", skip_all)]
    async fn end(&mut self, id: OperationId) -> Result<Option<OutputEnd>, StoreError> {
        let found = self
            .connection
            .sql(END)
            .bind(self.tenant_id())
            .bind(id.as_uuid())
            .fetch_optional()
            .await?;
        let Some(row) = found else { return Ok(None) };
        let (number, time, next): (i32, Option<OffsetDateTime>, Option<Uuid>) = <_>::from_row(&row)?;
        let number = u32::try_from(number)
            .map_err(|_| corrupt("operation_outputs", id.as_uuid(), "a part has a negative number"))?;
        let next = time.zip(next).map(|(time, id)| Position {
            key: SortKey::Time(time),
            id,
        });
        Ok(Some(OutputEnd { number, next }))
    }

    #[tracing::instrument(level = "debug", name = "db.operation_outputs.find", skip_all)]
    async fn find(&mut self, id: OperationId, number: u32) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self
            .connection
            .sql(FIND)
            .bind(self.tenant_id())
            .bind(id.as_uuid())
            .bind(stored(number)?)
            .fetch_optional()
            .await?;
        let content = found.map(|row| row.try_get(0)).transpose();
        Ok(content.map_err(SqlError::from)?)
    }

    #[tracing::instrument(level = "debug", name = "db.operation_outputs.size", skip_all)]
    async fn size(&mut self, id: OperationId) -> Result<OutputSize, StoreError> {
        let row = self
            .connection
            .sql(SIZE)
            .bind(self.tenant_id())
            .bind(id.as_uuid())
            .fetch_one()
            .await?;
        let (parts, bytes): (i64, i64) = <_>::from_row(&row)?;
        Ok(OutputSize {
            parts: u32::try_from(parts).map_err(|_| unexpected("more parts than there are numbers"))?,
            bytes: bytes.unsigned_abs(),
        })
    }

    #[tracing::instrument(level = "debug", name = "db.operation_outputs.drop_some", skip_all)]
    async fn drop_some(&mut self, id: OperationId) -> Result<bool, StoreError> {
        let sql = self
            .connection
            .sql(DROP_SOME)
            .bind(self.tenant_id())
            .bind(id.as_uuid());
        let dropped = sql.bind(DROP_BATCH).execute().await?;
        Ok(dropped == DROP_BATCH.unsigned_abs())
    }
}

fn place(position: Position) -> Result<(OffsetDateTime, Uuid), StoreError> {
    match position.key {
        SortKey::Time(time) => Ok((time, position.id)),
        SortKey::Number(_) => Err(unexpected("files are written in the order of time")),
    }
}

fn stored(number: u32) -> Result<i32, StoreError> {
    i32::try_from(number).map_err(|_| unexpected("too many parts of output"))
}
