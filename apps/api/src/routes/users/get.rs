use actix_web::{HttpRequest, HttpResponse, get, web};
use fairlead_domain::access::ViewUsers;
use fairlead_domain::consistency::ReadIntent;
use fairlead_domain::identity::User;

use super::view::UserView;
use crate::Services;
use crate::authentication::Permitted;
use crate::conditional;
use crate::path::PathId;
use crate::problem::Problem;
use crate::spec::IfNoneMatch;

/// Get a user.
#[utoipa::path(
    tag = "users",
    operation_id = "getUser",
    params(("id" = uuid::Uuid, Path, description = "The user's id."), IfNoneMatch),
    responses((status = 200, description = "The user.", body = UserView)),
    extensions(("x-permit" = json!("ViewUsers"))),
)]
#[get("/users/{id}")]
pub(super) async fn get(
    request: HttpRequest,
    services: web::Data<Services>,
    permit: Permitted<ViewUsers>,
    id: PathId<User>,
) -> Result<HttpResponse, Problem> {
    let mut uow = services
        .store
        .read(permit.scope(), ReadIntent::INTERACTIVE)
        .await?;
    let user = uow.users().find(id.0).await?.ok_or_else(Problem::not_found)?;

    let view = UserView::from(user);
    Ok(conditional::answer(&request, &view.tag(), &view))
}
