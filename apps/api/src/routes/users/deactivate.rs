use actix_web::{HttpResponse, delete, web};
use fairlead_domain::access::ManageUsers;
use fairlead_domain::identity::{self, UpdateUserError, User};

use crate::Services;
use crate::authentication::Permitted;
use crate::conditional::IfMatch;
use crate::idempotency::{Begun, IdempotencyKey, WriteAnswer};
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::Problems;

/// Deactivate a user.
///
/// It cannot log in any more, its sessions end at once, and its name stays where it worked. `PATCH` with
/// `{"active": true}` takes it back.
#[utoipa::path(
    tag = "users",
    operation_id = "deactivateUser",
    params(("id" = uuid::Uuid, Path, description = "The user's id."), IfMatch, IdempotencyKey),
    responses((status = 204, description = "It is deactivated."), Problems<UpdateUserError>),
    extensions(("x-permit" = json!("ManageUsers"))),
)]
#[delete("/users/{id}")]
pub(super) async fn deactivate(
    services: web::Data<Services>,
    permit: Permitted<ManageUsers>,
    id: PathId<User>,
    expected: IfMatch,
    key: IdempotencyKey,
) -> Result<HttpResponse, Problem> {
    let mut uow = match key
        .begin(&services, permit.scope(), permit.actor(), key.without_body())
        .await?
    {
        Begun::Now(uow) => uow,
        Begun::Before(answer) => return Ok(answer.respond()),
    };
    identity::deactivate_user(&mut *uow, &permit, id.0, expected.0).await?;
    uow.answer(WriteAnswer::gone()).await
}
