use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use redis::AsyncCommands as _;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sqlx::types::Json as Jsonb;
use sqlx::{Postgres, Transaction};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::auth::Claims;
use crate::error::AppError;
use crate::lead::{Lead, NewLead};
use crate::read::list_key;
use crate::state::AppState;

const MAX_BULK: usize = 1_000;

/// Creates a lead; with an `Idempotency-Key`, once.
pub async fn one(
    State(state): State<AppState>,
    claims: Claims,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, AppError> {
    let new: NewLead = serde_json::from_slice(&body).map_err(|error| AppError::Invalid(error.to_string()))?;
    new.validate()?;
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let now = OffsetDateTime::now_utc();
    let lead = new.into_lead(now);

    let mut tx = state.begin(claims.tid).await?;
    if let Some(key) = key {
        claim(&mut tx, &claims, key, &Sha256::digest(&body), now).await?;
    }
    insert(&mut tx, &claims, std::slice::from_ref(&lead), now).await?;
    let answer = serde_json::to_vec(&lead)?;
    if let Some(key) = key {
        sqlx::query("UPDATE idempotency_keys SET status = 201, body = $4 WHERE tenant_id = $1 AND key = $2 AND actor = $3")
            .bind(claims.tid)
            .bind(key)
            .bind(actor(&claims))
            .bind(&answer)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    forget_lists(&state, &claims).await?;
    let location = format!("/api/v1/leads/{}", lead.id);
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("location", location),
    ];
    Ok((StatusCode::CREATED, headers, answer).into_response())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bulk {
    leads: Vec<Value>,
    /// All leads are written by one transaction.
    #[serde(rename = "batchSize")]
    _batch_size: Option<usize>,
}

/// Creates many leads; each row is judged by itself.
pub async fn many(
    State(state): State<AppState>,
    claims: Claims,
    Json(bulk): Json<Bulk>,
) -> Result<Json<Value>, AppError> {
    if bulk.leads.is_empty() || bulk.leads.len() > MAX_BULK {
        return Err(AppError::Invalid(format!("must have 1 to {MAX_BULK} items")));
    }
    let now = OffsetDateTime::now_utc();
    let (mut leads, mut errors) = (Vec::with_capacity(bulk.leads.len()), Vec::new());
    for (index, row) in bulk.leads.into_iter().enumerate() {
        let parsed =
            serde_json::from_value::<NewLead>(row).map_err(|error| AppError::Invalid(error.to_string()));
        match parsed.and_then(|new| new.validate().map(|()| new)) {
            Ok(new) => leads.push(new.into_lead(now)),
            Err(AppError::Invalid(detail)) => errors.push(json!({ "index": index, "detail": detail })),
            Err(error) => return Err(error),
        }
    }
    let mut tx = state.begin(claims.tid).await?;
    insert(&mut tx, &claims, &leads, now).await?;
    tx.commit().await?;
    forget_lists(&state, &claims).await?;
    let ids: Vec<Uuid> = leads.iter().map(|lead| lead.id).collect();
    Ok(Json(json!({
        "successful": ids.len(), "failed": errors.len(), "ids": ids, "errors": errors,
    })))
}

async fn claim(
    tx: &mut Transaction<'static, Postgres>,
    claims: &Claims,
    key: &str,
    request_hash: &[u8],
    now: OffsetDateTime,
) -> Result<(), AppError> {
    let claimed = sqlx::query(
        "INSERT INTO idempotency_keys (tenant_id, id, key, actor, request_hash, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
    )
    .bind(claims.tid)
    .bind(Uuid::now_v7())
    .bind(key)
    .bind(actor(claims))
    .bind(request_hash)
    .bind(now)
    .bind(now + Duration::DAY)
    .execute(&mut **tx)
    .await?;
    if claimed.rows_affected() == 1 {
        Ok(())
    } else {
        Err(AppError::Conflict)
    }
}

/// Writes leads, an event and an audit row for each: three statements, however many leads there are.
async fn insert(
    tx: &mut Transaction<'static, Postgres>,
    claims: &Claims,
    leads: &[Lead],
    now: OffsetDateTime,
) -> Result<(), AppError> {
    sqlx::query(
        "INSERT INTO leads (tenant_id, id, name, email, phone, company, status, source, insurance_type, zip_code,
                            custom_fields, created_at, updated_at)
         SELECT $1, n.id, n.name, n.email, n.phone, n.company, 'NEW', n.source, n.insurance_type, n.zip_code,
                n.custom_fields, $10, $10
         FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
                     $11::jsonb[])
              AS n (id, name, email, phone, company, source, insurance_type, zip_code, custom_fields)",
    )
    .bind(claims.tid)
    .bind(column(leads, |lead| lead.id))
    .bind(column(leads, |lead| lead.name.as_str()))
    .bind(column(leads, |lead| lead.email.as_deref()))
    .bind(column(leads, |lead| lead.phone.as_deref()))
    .bind(column(leads, |lead| lead.company.as_deref()))
    .bind(column(leads, |lead| lead.source.as_deref()))
    .bind(column(leads, |lead| lead.insurance_type.as_deref()))
    .bind(column(leads, |lead| lead.zip_code.as_deref()))
    .bind(now)
    .bind(column(leads, |lead| Jsonb(&lead.custom_fields.0)))
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "INSERT INTO events (tenant_id, id, type, version, aggregate_type, aggregate_id, source, actor, data, occurred_at)
         SELECT $1, e.id, 'lead_created', 1, 'lead', e.lead_id, 'api', $2, jsonb_build_object('after', e.data), $3
         FROM unnest($4::uuid[], $5::uuid[], $6::jsonb[]) AS e (id, lead_id, data)",
    )
    .bind(claims.tid)
    .bind(actor(claims))
    .bind(now)
    .bind(column(leads, |_| Uuid::now_v7()))
    .bind(column(leads, |lead| lead.id))
    .bind(column(leads, Jsonb))
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "INSERT INTO audit_log (tenant_id, id, action, actor, entity_type, entity_id, after, occurred_at)
         SELECT $1, a.id, 'lead_created', $2, 'lead', a.lead_id, a.data, $3
         FROM unnest($4::uuid[], $5::uuid[], $6::jsonb[]) AS a (id, lead_id, data)",
    )
    .bind(claims.tid)
    .bind(actor(claims))
    .bind(now)
    .bind(column(leads, |_| Uuid::now_v7()))
    .bind(column(leads, |lead| lead.id))
    .bind(column(leads, Jsonb))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

fn column<'l, T>(leads: &'l [Lead], value: impl Fn(&'l Lead) -> T) -> Vec<T> {
    leads.iter().map(value).collect()
}

fn actor(claims: &Claims) -> String {
    format!("user:{}", claims.sub)
}

async fn forget_lists(state: &AppState, claims: &Claims) -> Result<(), AppError> {
    if let Some(mut redis) = state.redis.clone() {
        let _: () = redis.del(list_key(claims.tid)).await?;
    }
    Ok(())
}
