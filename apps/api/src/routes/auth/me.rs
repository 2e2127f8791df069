use actix_web::{HttpRequest, HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::access::{POLICY, VerifiedIdentity};
use fairlead_domain::cache::{CacheKey, Namespace, Tag};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::authentication::Authenticated;
use crate::problem::{Kind, Problem};
use crate::read::{self, Question, Reading};
use crate::representation::Representation;
use crate::routes::tenant::{ScopeName, TenantView};
use crate::routes::users::UserView;
use crate::spec::IfNoneMatch;

/// Who the caller is, and what it may do.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Me, example = json!({
    "tenant": {
        "id": "01934f6e-7b1a-7cc3-98a4-0242ac120001", "slug": "acme-insurance-k3v9x2ma", "name": "Acme Insurance",
        "version": 1, "createdAt": "2026-11-20T09:30:00Z", "updatedAt": "2026-11-20T09:30:00Z",
    },
    "apiKey": {"id": "01934f6e-7b1a-7cc3-98a4-0242ac120003", "scopes": ["leads:write"]},
    "permissions": ["ChangeLeads", "AssignLeads", "DeleteLeads", "ImportLeads"],
}))]
struct MeView {
    tenant: TenantView,
    /// The user; absent when the caller is an API key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    user: Option<UserView>,
    /// The API key; absent when the caller is a user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    api_key: Option<KeyView>,
    /// The names of the actions that the caller may do; `x-permit` of an operation names the one it needs, or those of which
    /// it needs one.
    permissions: Vec<&'static str>,
}

/// The API key that a caller is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PresentedApiKey)]
struct KeyView {
    id: Uuid,
    scopes: Vec<ScopeName>,
}

struct WhoAmI(VerifiedIdentity);

impl WhoAmI {
    /// All of the identity that the answer tells of.
    fn variant(&self) -> String {
        match &self.0 {
            VerifiedIdentity::User { user, role, .. } => format!("user={user}&role={}", role.as_str()),
            VerifiedIdentity::ApiKey { key, scopes, .. } => {
                let scopes: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
                format!("key={key}&scopes={}", scopes.join(","))
            }
        }
    }
}

#[async_trait]
impl Question for WhoAmI {
    fn key(&self) -> Option<CacheKey> {
        Some(CacheKey::new(Namespace::Me, self.variant()))
    }

    fn tags(&self) -> Vec<Tag> {
        match &self.0 {
            VerifiedIdentity::User { user, .. } => vec![Tag::Tenant, Tag::User(*user)],
            VerifiedIdentity::ApiKey { .. } => vec![Tag::Tenant, Tag::ApiKeys],
        }
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let tenant = from.uow.tenants().get().await?.into();
        let (user, api_key) = match &self.0 {
            VerifiedIdentity::User { user, .. } => {
                let gone = || Problem::client(Kind::NotAuthenticated, "the user of this token is no more");
                let user = from.uow.users().find(*user).await?.ok_or_else(gone)?;
                (Some(user.into()), None)
            }
            VerifiedIdentity::ApiKey { key, scopes, .. } => {
                let id = key.as_uuid();
                let scopes = scopes.iter().copied().map(ScopeName::from).collect();
                (None, Some(KeyView { id, scopes }))
            }
        };
        Ok(Representation::by_digest(&MeView {
            tenant,
            user,
            api_key,
            permissions: permissions(&self.0),
        }))
    }
}

/// Tell who the caller is and what it may do.
#[utoipa::path(
    tag = "auth",
    operation_id = "getMe",
    params(IfNoneMatch),
    responses((status = 200, description = "The caller.", body = MeView)),
)]
#[get("/auth/me")]
pub(super) async fn me(request: HttpRequest, caller: Authenticated) -> Result<HttpResponse, Problem> {
    let question = WhoAmI(caller.0.identity().clone());
    read::answer_about(&request, &caller.0, question).await
}

fn permissions(identity: &VerifiedIdentity) -> Vec<&'static str> {
    let rules = POLICY.iter().filter(|rule| match identity {
        VerifiedIdentity::User { role, .. } => rule.roles.contains(role),
        VerifiedIdentity::ApiKey { scopes, .. } => rule.scope.is_some_and(|scope| scopes.contains(&scope)),
    });
    rules.map(|rule| rule.name).collect()
}
