//! What events and the audit trail say of tenants, users and API keys. Never a secret, nor its hash.

use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{ApiKey, Tenant, User};

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TenantSnapshot<'a> {
    id: Uuid,
    slug: &'a str,
    name: &'a str,
    version: i64,
}

impl<'a> From<&'a Tenant> for TenantSnapshot<'a> {
    fn from(tenant: &'a Tenant) -> Self {
        Self {
            id: tenant.id.as_uuid(),
            slug: &tenant.slug,
            name: &tenant.name,
            version: tenant.version,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct UserSnapshot<'a> {
    id: Uuid,
    email: &'a str,
    name: &'a str,
    role: &'static str,
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<AgentSnapshot<'a>>,
    version: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AgentSnapshot<'a> {
    state: Option<&'a str>,
    city: Option<&'a str>,
    specializations: &'a [String],
    rating: i32,
    max_open_leads: i32,
}

impl<'a> From<&'a User> for UserSnapshot<'a> {
    fn from(user: &'a User) -> Self {
        Self {
            id: user.id.as_uuid(),
            email: &user.email,
            name: &user.name,
            role: user.role.as_str(),
            active: user.active,
            agent: user.agent.as_ref().map(|agent| AgentSnapshot {
                state: agent.state.as_deref(),
                city: agent.city.as_deref(),
                specializations: &agent.specializations,
                rating: agent.rating,
                max_open_leads: agent.max_open_leads,
            }),
            version: user.version,
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ApiKeySnapshot<'a> {
    id: Uuid,
    name: &'a str,
    prefix: &'a str,
    scopes: Vec<&'static str>,
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    revoked_at: Option<OffsetDateTime>,
}

impl<'a> From<&'a ApiKey> for ApiKeySnapshot<'a> {
    fn from(key: &'a ApiKey) -> Self {
        Self {
            id: key.id.as_uuid(),
            name: &key.name,
            prefix: &key.prefix,
            scopes: key.scopes.iter().map(|scope| scope.as_str()).collect(),
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
        }
    }
}
