use fairlead_domain::identity::ApiKey;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::scope::ScopeName;

/// A credential for machines, without its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApiKey, example = json!({
    "id": "01934f6e-7b1a-7cc3-98a4-0242ac120003", "name": "Website", "prefix": "tk_AZNPbnsa", "scopes": ["leads:write"],
    "createdBy": "01934f6e-7b1a-7cc3-98a4-0242ac120002", "createdAt": "2026-11-20T09:30:00Z",
    "expiresAt": "2027-11-20T09:30:00Z", "lastUsedAt": null, "revokedAt": null,
}))]
pub(super) struct ApiKeyView {
    id: Uuid,
    name: String,
    /// The first characters of the key, to recognise it by.
    prefix: String,
    scopes: Vec<ScopeName>,
    /// The user who made it.
    created_by: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    expires_at: Option<OffsetDateTime>,
    /// To the minute.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    last_used_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    revoked_at: Option<OffsetDateTime>,
}

impl From<ApiKey> for ApiKeyView {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id.as_uuid(),
            name: key.name,
            prefix: key.prefix,
            scopes: key.scopes.into_iter().map(ScopeName::from).collect(),
            created_by: key.created_by.as_uuid(),
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
        }
    }
}
