use fairlead_domain::identity::Tenant;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// A company that uses the platform.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Tenant, example = json!({
    "id": "01934f6e-7b1a-7cc3-98a4-0242ac120001", "slug": "acme-insurance-k3v9x2ma", "name": "Acme Insurance",
    "version": 1, "createdAt": "2026-11-20T09:30:00Z", "updatedAt": "2026-11-20T09:30:00Z",
}))]
pub(in crate::routes) struct TenantView {
    id: Uuid,
    /// Names the tenant at login; never changes.
    slug: String,
    name: String,
    /// One more with each change.
    #[schema(minimum = 1)]
    pub(super) version: i64,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

impl From<Tenant> for TenantView {
    fn from(tenant: Tenant) -> Self {
        Self {
            id: tenant.id.as_uuid(),
            slug: tenant.slug,
            name: tenant.name,
            version: tenant.version,
            created_at: tenant.created_at,
            updated_at: tenant.updated_at,
        }
    }
}
