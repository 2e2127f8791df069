//! What operations still have to work off, part by part.

use fairlead_domain::operations::OperationId;
use fairlead_domain::store::StoreError;
use uuid::Uuid;

use crate::connection::Connection;
use crate::error::{SqlError, unexpected};

/// Parts that are dropped by one statement: of a megabyte each.
pub(crate) const DROP_BATCH: i64 = 20;

const ADD: &str = "
    INSERT INTO operation_inputs (tenant_id, id, operation_id, number, size_bytes, content)
    VALUES ($1, $2, $3, $4, $5, $6)";

// Of two that want the same part the second waits, and finds it gone: it deletes none.
const TAKE: &str = "
    DELETE FROM operation_inputs
    WHERE tenant_id = $1 AND operation_id = $2 AND number = (
        SELECT MIN(number) FROM operation_inputs WHERE tenant_id = $1 AND operation_id = $2)
    RETURNING content";

const ARE_LEFT: &str =
    "SELECT EXISTS (SELECT FROM operation_inputs WHERE tenant_id = $1 AND operation_id = $2)";

// Whoever has refused an upload may not have let go of its parts yet, so they are waited for.
const DROP_SOME: &str = "
    DELETE FROM operation_inputs
    WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM operation_inputs WHERE tenant_id = $1 AND operation_id = $2
        ORDER BY number LIMIT $3 FOR UPDATE))";

pub(super) async fn add(
    connection: &Connection,
    tenant: Uuid,
    id: Uuid,
    operation: OperationId,
    number: u32,
    content: &[u8],
) -> Result<(), StoreError> {
    let number = i32::try_from(number).map_err(|_| unexpected("too many parts of input"))?;
    let size = i32::try_from(content.len()).map_err(|_| unexpected("a part of input is too large"))?;
    connection
        .sql(ADD)
        .bind(tenant)
        .bind(id)
        .bind(operation.as_uuid())
        .bind(number)
        .bind(size)
        .bind(content)
        .enqueue()
        .await
}

pub(super) async fn take(
    connection: &Connection,
    tenant: Uuid,
    operation: OperationId,
) -> Result<Option<Vec<u8>>, StoreError> {
    let sql = connection.sql(TAKE).bind(tenant).bind(operation.as_uuid());
    let row = sql.fetch_optional().await?;
    let content = row.map(|row| row.try_get(0)).transpose();
    Ok(content.map_err(SqlError::from)?)
}

pub(super) async fn are_left(
    connection: &Connection,
    tenant: Uuid,
    operation: OperationId,
) -> Result<bool, StoreError> {
    let sql = connection.sql(ARE_LEFT).bind(tenant).bind(operation.as_uuid());
    let row = sql.fetch_one().await?;
    Ok(row.try_get(0).map_err(SqlError::from)?)
}

pub(super) async fn drop_some(
    connection: &Connection,
    tenant: Uuid,
    operation: OperationId,
) -> Result<bool, StoreError> {
    let sql = connection.sql(DROP_SOME).bind(tenant).bind(operation.as_uuid());
    let dropped = sql.bind(DROP_BATCH).execute().await?;
    Ok(dropped == DROP_BATCH.unsigned_abs())
}
