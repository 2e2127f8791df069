use actix_web::http::StatusCode;
use actix_web::{HttpResponse, post, web};
use fairlead_domain::access::ManageUsers;
use fairlead_domain::identity::{self, Invitation, InviteError, InviteUser};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::agent::AgentBody;
use super::role::RoleName;
use super::view::UserView;
use crate::Services;
use crate::authentication::Permitted;
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::json::JsonBody;
use crate::problem::Problem;
use crate::spec::Problems;
use crate::text;

/// Somebody who is to join the tenant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = NewUser, example = json!({
    "email": "ann@example.com", "name": "Ann Lee", "role": "AGENT",
    "agent": {"state": "TX", "city": "Austin", "specializations": ["auto", "home"], "rating": 90},
}))]
struct InviteBody {
    /// Kept in lower case; unique in the tenant.
    #[schema(schema_with = text::email)]
    email: String,
    #[schema(schema_with = text::line::<200>)]
    name: String,
    role: RoleName,
    /// What makes the user fit for a lead. An agent without one gets the defaults.
    agent: Option<AgentBody>,
}

/// A user who can log in once the invitation is accepted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = InvitedUser, example = json!({
    "user": {
        "id": "01934f6e-7b1a-7cc3-98a4-0242ac120002", "email": "ann@example.com", "name": "Ann Lee", "role": "AGENT",
        "active": true, "agent": {
            "state": "TX", "city": "Austin", "specializations": ["auto", "home"], "rating": 90, "maxOpenLeads": 50,
            "openLeads": 0,
        }, "version": 1, "createdAt": "2026-11-20T09:30:00Z", "updatedAt": "2026-11-20T09:30:00Z",
    },
    "invitation": {"token": "inv_…", "expiresAt": "2026-11-27T09:30:00Z"},
}))]
struct InvitedUserView {
    user: UserView,
    invitation: InvitationView,
}

/// What the invited person needs to choose a password.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Invitation)]
struct InvitationView {
    /// Told this once; pass it on to the person, who accepts the invitation with it.
    token: String,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        Self {
            token: invitation.token.expose().to_owned(),
            expires_at: invitation.expires_at,
        }
    }
}

/// Invite a user.
///
/// A repeated invitation is refused for its e-mail address, unless it has the same idempotency key.
#[utoipa::path(
    tag = "users",
    operation_id = "inviteUser",
    params(IdempotencyKey),
    request_body = InviteBody,
    responses(
        (status = 201, description = "The user, and the invitation to pass on.", body = InvitedUserView),
        Problems<InviteError>,
    ),
    extensions(("x-permit" = json!("ManageUsers"))),
)]
#[post("/users")]
pub(super) async fn invite(
    services: web::Data<Services>,
    permit: Permitted<ManageUsers>,
    key: IdempotencyKey,
    body: JsonBody<InviteBody>,
) -> Result<HttpResponse, Problem> {
    let InviteBody {
        email,
        name,
        role,
        agent,
    } = body.value;
    let cmd = InviteUser::parse(&email, &name, role.as_str(), agent.map(Into::into))?;

    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), &body.request_hash)
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    let lifetime = services.settings.invitation_lifetime;
    let (user, invitation) = identity::invite(&mut *uow, &permit, &*services.secrets, lifetime, cmd).await?;

    let location = format!("/api/v1/users/{}", user.id);
    let view = InvitedUserView {
        user: user.into(),
        invitation: invitation.into(),
    };
    let answer = WriteAnswer::new(StatusCode::CREATED, &view).at(location);
    uow.answer(answer.telling_secret()).await
}
