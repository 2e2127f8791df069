use fairlead_domain::Id;
use fairlead_domain::billing::{
    PaymentOrder, PaymentRequest, PaymentRequestId, PaymentResult, PaymentState, RequestConflict,
};
use fairlead_domain::store::StoreError;
use uuid::Uuid;

use crate::error::{SqlError, corrupt};
use crate::store::PgUnitOfWork;
use crate::wire::{Error, Row};

const INSERT: &str = "
    INSERT INTO payment_requests (tenant_id, id, kind, reference, requested, state, created_at)
    VALUES ($1, $2, $3, $4, $5::text::jsonb, $6, $7)";

const FIND: &str = "
    SELECT id, requested::text, state, provider_id, url, valid_until, attempts, fault, created_at
    FROM payment_requests WHERE tenant_id = $1 AND id = $2";

const FIND_FOR_UPDATE: &str = "
    SELECT id, requested::text, state, provider_id, url, valid_until, attempts, fault, created_at
    FROM payment_requests WHERE tenant_id = $1 AND id = $2 FOR NO KEY UPDATE";

const OPEN_CHECKOUT_FOR_UPDATE: &str = "
    SELECT id, requested::text, state, provider_id, url, valid_until, attempts, fault, created_at
    FROM payment_requests WHERE tenant_id = $1 AND kind = 'CHECKOUT' AND state IN ('PENDING', 'DONE')
    FOR NO KEY UPDATE";

const FIND_REFUND: &str = "
    SELECT id, requested::text, state, provider_id, url, valid_until, attempts, fault, created_at
    FROM payment_requests WHERE tenant_id = $1 AND kind = 'REFUND' AND reference = $2";

const UPDATE: &str = "
    UPDATE payment_requests
    SET state = $3, provider_id = $4, url = $5, valid_until = $6, attempts = $7, fault = $8
    WHERE tenant_id = $1 AND id = $2";

pub(super) async fn insert(uow: &PgUnitOfWork, request: &PaymentRequest) -> Result<(), RequestConflict> {
    let requested = serde_json::to_string(&request.order).expect("orders are plain structs with string keys");
    let inserted = uow
        .connection
        .sql(INSERT)
        .bind(uow.tenant_id())
        .bind(request.id.as_uuid())
        .bind(request.order.kind())
        .bind(request.order.reference())
        .bind(requested)
        .bind(request.state.as_str())
        .bind(request.created_at)
        .execute()
        .await;
    match inserted {
        Ok(_) => Ok(()),
        Err(error)
            if matches!(
                error.constraint(),
                Some("payment_requests_checkout" | "payment_requests_reference")
            ) =>
        {
            Err(RequestConflict::Exists)
        }
        Err(error) => Err(StoreError::from(error).into()),
    }
}

pub(super) async fn find(
    uow: &PgUnitOfWork,
    id: PaymentRequestId,
) -> Result<Option<PaymentRequest>, StoreError> {
    let row = uow
        .connection
        .sql(FIND)
        .bind(uow.tenant_id())
        .bind(id.as_uuid())
        .fetch_optional()
        .await?;
    row.as_ref().map(request).transpose()
}

pub(super) async fn find_for_update(
    uow: &PgUnitOfWork,
    id: PaymentRequestId,
) -> Result<Option<PaymentRequest>, StoreError> {
    let row = uow
        .connection
        .sql(FIND_FOR_UPDATE)
        .bind(uow.tenant_id())
        .bind(id.as_uuid())
        .fetch_optional()
        .await?;
    row.as_ref().map(request).transpose()
}

pub(super) async fn open_checkout_for_update(
    uow: &PgUnitOfWork,
) -> Result<Option<PaymentRequest>, StoreError> {
    let row = uow
        .connection
        .sql(OPEN_CHECKOUT_FOR_UPDATE)
        .bind(uow.tenant_id())
        .fetch_optional()
        .await?;
    row.as_ref().map(request).transpose()
}

pub(super) async fn find_refund(
    uow: &PgUnitOfWork,
    reference: &str,
) -> Result<Option<PaymentRequest>, StoreError> {
    let row = uow
        .connection
        .sql(FIND_REFUND)
        .bind(uow.tenant_id())
        .bind(reference)
        .fetch_optional()
        .await?;
    row.as_ref().map(request).transpose()
}

pub(super) async fn update(uow: &PgUnitOfWork, request: &PaymentRequest) -> Result<(), StoreError> {
    let result = request.state.result();
    uow.connection
        .sql(UPDATE)
        .bind(uow.tenant_id())
        .bind(request.id.as_uuid())
        .bind(request.state.as_str())
        .bind(result.map(|result| result.id.as_str()))
        .bind(result.and_then(|result| result.url.as_deref()))
        .bind(result.and_then(|result| result.until))
        .bind(i32::try_from(request.attempts).unwrap_or(i32::MAX))
        .bind(request.fault.as_deref())
        .enqueue()
        .await
}

fn request(row: &Row) -> Result<PaymentRequest, StoreError> {
    let id: Uuid = row.try_get(0).map_err(SqlError::from)?;
    let requested: String = row.try_get(1).map_err(SqlError::from)?;
    let order: PaymentOrder = serde_json::from_str(&requested)
        .map_err(|error| corrupt("payment_requests", id, error.to_string()))?;
    let state: String = row.try_get(2).map_err(SqlError::from)?;
    let result = || -> Result<Option<PaymentResult>, Error> {
        let provider_id: Option<String> = row.try_get(3)?;
        let Some(id) = provider_id else { return Ok(None) };
        Ok(Some(PaymentResult {
            id,
            url: row.try_get(4)?,
            until: row.try_get(5)?,
        }))
    };
    let result = result().map_err(SqlError::from)?;
    let state = match (state.as_str(), result) {
        ("PENDING", _) => PaymentState::Pending,
        ("DONE", Some(result)) => PaymentState::Done(result),
        ("REFUSED", _) => PaymentState::Refused,
        ("UNKNOWN", _) => PaymentState::Unknown,
        ("CLOSED", _) => PaymentState::Closed,
        _ => return Err(corrupt("payment_requests", id, "unknown state")),
    };
    let attempts: i32 = row.try_get(6).map_err(SqlError::from)?;
    Ok(PaymentRequest {
        id: Id::from_uuid(id),
        order,
        state,
        attempts: attempts.unsigned_abs(),
        fault: row.try_get(7).map_err(SqlError::from)?,
        created_at: row.try_get(8).map_err(SqlError::from)?,
    })
}
