use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post, web};
use fairlead_domain::access::{ApiScope, ManageApiKeys};
use fairlead_domain::identity::{self, CreateApiKey, CreateApiKeyError};
use fairlead_domain::invalid::Invalid;
use serde::{Deserialize, Serialize};
use time::Duration;
use utoipa::ToSchema;

use super::scope::ScopeName;
use super::view::ApiKeyView;
use crate::Services;
use crate::authentication::Permitted;
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::spec::Problems;
use crate::text;
use crate::whole::Whole;

/// An API key that is to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewApiKey, example = json!({"name": "Website", "scopes": ["leads:write"], "expiresInDays": 365}))]
struct ApiKeyBody {
    /// What the key is for.
    #[schema(schema_with = text::line::<100>)]
    name: String,
    #[schema(min_items = 1, max_items = 11)]
    scopes: Vec<ScopeName>,
    /// After how many days the key expires; never, when absent.
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 3650)]
    expires_in_days: Option<Whole>,
}

/// An API key with its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = CreatedApiKey, example = json!({
    "id": "01934f6e-7b1a-7cc3-98a4-0242ac120003", "name": "Website", "prefix": "tk_AZNPbnsa", "scopes": ["leads:write"],
    "createdBy": "01934f6e-7b1a-7cc3-98a4-0242ac120002", "createdAt": "2026-11-20T09:30:00Z",
    "expiresAt": "2027-11-20T09:30:00Z", "lastUsedAt": null, "revokedAt": null, "key": "tk_…",
}))]
struct CreatedApiKeyView {
    #[serde(flatten)]
    api_key: ApiKeyView,
    /// The key itself, told this once: send it as `x-tenant-key`.
    key: String,
}

/// Create an API key.
#[utoipa::path(
    tag = "tenant",
    operation_id = "createApiKey",
    params(IdempotencyKey),
    request_body = ApiKeyBody,
    responses(
        (status = 201, description = "The key, shown this once.", body = CreatedApiKeyView),
        Problems<CreateApiKeyError>,
    ),
    extensions(("x-permit" = json!("ManageApiKeys"))),
)]
#[post("/tenant/api-keys")]
pub(super) async fn create(
    services: web::Data<Services>,
    permit: Permitted<ManageApiKeys>,
    key: IdempotencyKey,
    body: JsonBody<ApiKeyBody>,
) -> Result<HttpResponse, Problem> {
    let ApiKeyBody {
        name,
        scopes,
        expires_in_days,
    } = body.value;
    let now = services.clock.now();
    let scopes: Vec<String> = scopes
        .into_iter()
        .map(|scope| ApiScope::from(scope).as_str().to_owned())
        .collect();
    let lifetime = expires_in_days.map(days).transpose()?;
    let cmd = CreateApiKey::parse(&name, &scopes, lifetime.map(|lifetime| now + lifetime), now)?;

    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), &body.request_hash)
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    let created = identity::create_api_key(&mut *uow, &permit, &*services.secrets, cmd).await?;

    let view = CreatedApiKeyView {
        key: created.secret.expose().to_owned(),
        api_key: created.key.into(),
    };
    uow.answer(WriteAnswer::new(StatusCode::CREATED, &view).telling_secret())
        .await
}

fn days(Whole(days): Whole) -> Result<Duration, Invalid> {
    match days {
        1..=3650 => Ok(Duration::days(days)),
        _ => Err(Invalid::field(
            "expiresInDays",
            "must be a whole number from 1 to 3650",
        )),
    }
}
