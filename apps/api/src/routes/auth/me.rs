use actix_web::{HttpResponse, get, web};
use fairlead_domain::access::{POLICY, VerifiedIdentity};
use fairlead_domain::consistency::ReadIntent;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Services;
use crate::authentication::Authenticated;
use crate::problem::{Kind, Problem};
use crate::routes::tenant::{ScopeName, TenantView};
use crate::routes::users::UserView;

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
    /// The names of the actions that the caller may do; `x-permit` of an operation names the one it needs.
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

/// Tell who the caller is and what it may do.
#[utoipa::path(
    tag = "auth",
    operation_id = "getMe",
    responses((status = 200, description = "The caller.", body = MeView)),
)]
#[get("/auth/me")]
pub(super) async fn me(
    services: web::Data<Services>,
    caller: Authenticated,
) -> Result<HttpResponse, Problem> {
    let caller = caller.0;
    let mut uow = services
        .store
        .read(caller.scope(), ReadIntent::INTERACTIVE)
        .await?;
    let tenant = uow.tenants().get().await?.into();
    let (user, api_key) = match caller.identity() {
        VerifiedIdentity::User { user, .. } => {
            let gone = || Problem::client(Kind::NotAuthenticated, "the user of this token is no more");
            (
                Some(uow.users().find(*user).await?.ok_or_else(gone)?.into()),
                None,
            )
        }
        VerifiedIdentity::ApiKey { key, scopes, .. } => {
            let scopes = scopes.iter().copied().map(ScopeName::from).collect();
            (
                None,
                Some(KeyView {
                    id: key.as_uuid(),
                    scopes,
                }),
            )
        }
    };
    let permissions = permissions(caller.identity());
    Ok(HttpResponse::Ok().json(MeView {
        tenant,
        user,
        api_key,
        permissions,
    }))
}

fn permissions(identity: &VerifiedIdentity) -> Vec<&'static str> {
    let rules = POLICY.iter().filter(|rule| match identity {
        VerifiedIdentity::User { role, .. } => rule.roles.contains(role),
        VerifiedIdentity::ApiKey { scopes, .. } => rule.scope.is_some_and(|scope| scopes.contains(&scope)),
    });
    rules.map(|rule| rule.name).collect()
}
