use actix_web::{HttpRequest, HttpResponse, get, web};
use fairlead_domain::access::{Role, ViewUsers};
use fairlead_domain::consistency::ReadIntent;
use fairlead_domain::identity::UserFilter;
use utoipa::IntoParams;

use super::role::RoleName;
use super::view::UserView;
use crate::Services;
use crate::authentication::Permitted;
use crate::conditional;
use crate::fields::{Fields, FieldsQuery};
use crate::paging::{ListName, Listing, PagingQuery};
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::spec::IfNoneMatch;

const LIST: ListName = ListName {
    operation: "listUsers",
    order: "createdAt:desc",
};

/// What [`UsersQuery`] reads, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
struct UsersParameters {
    #[param(nullable = false, inline)]
    role: Option<RoleName>,
    /// Only active ones, or only deactivated ones.
    #[param(nullable = false)]
    active: Option<bool>,
}

#[derive(Debug)]
struct UsersQuery {
    filter: UserFilter,
    fields: Fields<UserView>,
    paging: PagingQuery,
}

impl FromQuery for UsersQuery {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            filter: UserFilter {
                role: query.choice("role", Role::parse, Role::ALL.map(Role::as_str)),
                active: query.boolean("active"),
            },
            fields: Fields::read(query),
            paging: PagingQuery::read(query),
        }
    }
}

/// List users.
#[utoipa::path(
    tag = "users",
    operation_id = "listUsers",
    params(UsersParameters, FieldsQuery<UserView>, PagingQuery, IfNoneMatch),
    responses((status = 200, description = "A page of users.", body = Listing<UserView>)),
    extensions(("x-permit" = json!("ViewUsers"))),
)]
#[get("/users")]
pub(super) async fn list(
    request: HttpRequest,
    services: web::Data<Services>,
    permit: Permitted<ViewUsers>,
    query: QueryOf<UsersQuery>,
) -> Result<HttpResponse, Problem> {
    let UsersQuery {
        filter,
        fields,
        paging,
    } = query.0;
    let wanted = paging.paging(&services.cursors, permit.scope(), LIST)?;

    let mut uow = services
        .store
        .read(permit.scope(), ReadIntent::INTERACTIVE)
        .await?;
    let page = uow.users().list(&filter, &wanted).await?;

    let listing = Listing::new(page, &paging, &services.cursors, permit.scope(), LIST);
    Ok(conditional::answer_by_digest(
        &request,
        &listing.map(|user| fields.of(UserView::from(user))),
    ))
}
