use actix_web::{HttpResponse, patch, web};
use fairlead_domain::access::ManageUsers;
use fairlead_domain::field::Change;
use fairlead_domain::identity::{self, RawAgentProfile, UpdateUser, UpdateUserError, User};
use serde::Deserialize;
use utoipa::ToSchema;

use super::agent::AgentBody;
use super::role::RoleName;
use super::view::UserView;
use crate::Services;
use crate::authentication::Permitted;
use crate::conditional::IfMatch;
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::json::JsonBody;
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;
use crate::{patch as partial, text};

/// What is to change about a user; what is absent stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = UserPatch, example = json!({"role": "ADMIN"}))]
struct UserPatchBody {
    #[serde(default, deserialize_with = "partial::given")]
    #[schema(schema_with = text::line::<200>, required = false)]
    name: Change<String>,
    #[serde(default, deserialize_with = "partial::given")]
    #[schema(value_type = RoleName, required = false)]
    role: Change<RoleName>,
    #[serde(default, deserialize_with = "partial::given")]
    #[schema(value_type = bool, required = false)]
    active: Change<bool>,
    /// `null` takes the profile away: the user takes no more leads.
    #[serde(default, deserialize_with = "partial::given")]
    #[schema(value_type = Option<AgentBody>, required = false)]
    agent: Change<Option<AgentBody>>,
}

impl UserPatchBody {
    fn parse(self) -> Result<UpdateUser, Problem> {
        let role = self.role.map(|role| role.as_str().to_owned());
        let agent = self.agent.map(|agent| agent.map(RawAgentProfile::from));
        Ok(UpdateUser::parse(self.name, role, self.active, agent)?)
    }
}

/// Change a user.
///
/// A change of role and a deactivation end the user's sessions at once.
#[utoipa::path(
    tag = "users",
    operation_id = "updateUser",
    params(("id" = uuid::Uuid, Path, description = "The user's id."), IfMatch, IdempotencyKey),
    request_body = UserPatchBody,
    responses(
        (status = 200, description = "The user as it is now.", body = UserView),
        Problems<UpdateUserError>,
    ),
    extensions(("x-permit" = json!("ManageUsers"))),
)]
#[patch("/users/{id}")]
pub(super) async fn update(
    services: web::Data<Services>,
    permit: Permitted<ManageUsers>,
    id: PathId<User>,
    expected: IfMatch,
    key: IdempotencyKey,
    body: JsonBody<UserPatchBody>,
) -> Result<HttpResponse, Problem> {
    let patch = body.value.parse()?;

    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), &body.request_hash)
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    let user = identity::update_user(&mut *uow, &permit, id.0, expected.0, patch).await?;

    let view = UserView::from(user);
    uow.answer(WriteAnswer::changed(&view.tag(), &view)).await
}
