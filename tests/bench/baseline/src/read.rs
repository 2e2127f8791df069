use std::collections::{BTreeMap, HashMap};

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, RawQuery, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use redis::AsyncCommands as _;
use serde::{Deserialize, Serialize};
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use crate::auth::Claims;
use crate::error::AppError;
use crate::lead::{Activity, Lead, lead_columns};
use crate::state::AppState;

const NEWEST_ACTIVITIES: i64 = 5;

pub async fn one(
    State(state): State<AppState>,
    claims: Claims,
    Path(id): Path<Uuid>,
) -> Result<Json<Lead>, AppError> {
    let mut tx = state.begin(claims.tid).await?;
    let sql = concat!(
        "SELECT ",
        lead_columns!(),
        " FROM leads WHERE tenant_id = $1 AND id = $2"
    );
    let lead: Option<Lead> = sqlx::query_as(sql)
        .bind(claims.tid)
        .bind(id)
        .fetch_optional(&mut *tx)
        .await?;
    tx.commit().await?;
    lead.map(Json).ok_or(AppError::NotFound)
}

#[derive(Deserialize)]
pub struct ListQuery {
    status: Option<String>,
    limit: Option<i64>,
    include: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    items: Vec<Lead>,
    next_cursor: Option<String>,
    has_more: bool,
}

/// Lists leads, the newest first: from Redis where there is one, and it has the list.
pub async fn list(
    State(state): State<AppState>,
    claims: Claims,
    RawQuery(text): RawQuery,
    Query(query): Query<ListQuery>,
) -> Result<Response, AppError> {
    let Some(mut redis) = state.redis.clone() else {
        return Ok(Json(load_list(&state, &claims, &query).await?).into_response());
    };
    let (key, field) = (list_key(claims.tid), text.unwrap_or_default());
    let json = |body: Bytes| ([(CONTENT_TYPE, "application/json")], body).into_response();
    let cached: Option<Vec<u8>> = redis.hget(&key, &field).await?;
    if let Some(body) = cached {
        return Ok(json(body.into()));
    }
    let body = serde_json::to_vec(&load_list(&state, &claims, &query).await?)?;
    let _: () = redis.hset(&key, &field, &body).await?;
    Ok(json(body.into()))
}

/// All lists of a tenant are fields of one hash: a write deletes it.
pub fn list_key(tenant: Uuid) -> String {
    format!("leads:{tenant}")
}

async fn load_list(state: &AppState, claims: &Claims, query: &ListQuery) -> Result<Page, AppError> {
    let limit = query.limit.unwrap_or(50).clamp(1, 200);
    let mut tx = state.begin(claims.tid).await?;
    let sql = concat!(
        "SELECT ",
        lead_columns!(),
        " FROM leads WHERE tenant_id = $1 AND status = $2 ORDER BY created_at DESC, id DESC LIMIT $3"
    );
    let mut items: Vec<Lead> = sqlx::query_as(sql)
        .bind(claims.tid)
        .bind(query.status.as_deref().unwrap_or("NEW"))
        // One more than wanted tells whether there are more.
        .bind(limit + 1)
        .fetch_all(&mut *tx)
        .await?;
    let has_more = items.len() as i64 > limit;
    items.truncate(limit as usize);
    if query.include.as_deref() == Some("activities") {
        add_activities(&mut tx, claims.tid, &mut items).await?;
    }
    tx.commit().await?;
    let next_cursor = items
        .last()
        .filter(|_| has_more)
        .map(|lead| format!("{}_{}", lead.created_at.unix_timestamp_nanos(), lead.id));
    Ok(Page {
        items,
        next_cursor,
        has_more,
    })
}

async fn add_activities(
    tx: &mut Transaction<'static, Postgres>,
    tenant: Uuid,
    leads: &mut [Lead],
) -> Result<(), AppError> {
    let ids: Vec<Uuid> = leads.iter().map(|lead| lead.id).collect();
    let newest: Vec<Activity> = sqlx::query_as(
        "SELECT a.id, a.lead_id, a.type, a.subject, a.body, a.actor_id, a.occurred_at, a.version, a.created_at
         FROM unnest($2::uuid[]) AS wanted (lead_id)
         CROSS JOIN LATERAL (
             SELECT * FROM activities WHERE tenant_id = $1 AND lead_id = wanted.lead_id
             ORDER BY created_at DESC, id DESC LIMIT $3
         ) AS a",
    )
    .bind(tenant)
    .bind(ids)
    .bind(NEWEST_ACTIVITIES)
    .fetch_all(&mut **tx)
    .await?;
    let mut of_lead: HashMap<Uuid, Vec<Activity>> = HashMap::new();
    for activity in newest {
        of_lead.entry(activity.lead_id).or_default().push(activity);
    }
    for lead in leads {
        lead.activities = Some(of_lead.remove(&lead.id).unwrap_or_default());
    }
    Ok(())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    total: i64,
    by_status: BTreeMap<String, StatusCount>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatusCount {
    count: i64,
    avg_age_days: i64,
}

pub async fn statistics(State(state): State<AppState>, claims: Claims) -> Result<Json<Statistics>, AppError> {
    let mut tx = state.begin(claims.tid).await?;
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT status, COUNT(*), FLOOR(AVG(date_part('epoch', now() - created_at)) / 86400)::bigint
         FROM leads WHERE tenant_id = $1 GROUP BY status",
    )
    .bind(claims.tid)
    .fetch_all(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Json(Statistics {
        total: rows.iter().map(|(_, count, _)| count).sum(),
        by_status: rows
            .into_iter()
            .map(|(status, count, avg_age_days)| (status, StatusCount { count, avg_age_days }))
            .collect(),
    }))
}

#[derive(Deserialize)]
pub struct SearchQuery {
    q: String,
    limit: Option<i64>,
}

#[derive(Serialize)]
pub struct Found {
    items: Vec<Lead>,
}

/// Finds leads by a part of their name or company.
pub async fn search(
    State(state): State<AppState>,
    claims: Claims,
    Query(query): Query<SearchQuery>,
) -> Result<Json<Found>, AppError> {
    let mut tx = state.begin(claims.tid).await?;
    let sql = concat!(
        "SELECT ",
        lead_columns!(),
        " FROM leads WHERE tenant_id = $1 AND (name ILIKE $2 OR company ILIKE $2)
          ORDER BY created_at DESC, id DESC LIMIT $3"
    );
    let items: Vec<Lead> = sqlx::query_as(sql)
        .bind(claims.tid)
        .bind(format!("%{}%", query.q))
        .bind(query.limit.unwrap_or(50).clamp(1, 200))
        .fetch_all(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Json(Found { items }))
}
