use actix_web::{HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::access::{Role, ViewUsers};
use fairlead_domain::cache::{Namespace, Tag};
use fairlead_domain::identity::{User, UserFilter};
use fairlead_domain::paging::{Page, Paging};
use fairlead_domain::store::{StoreError, UnitOfWork};
use utoipa::IntoParams;

use super::role::RoleName;
use super::view::UserView;
use crate::fields::FieldsQuery;
use crate::paging::{ListName, Listing, PagingQuery};
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::read::{ListFilter, ListOf, Read};
use crate::spec::IfNoneMatch;

/// What a [`UserFilter`] is read from, for the specification.
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

impl FromQuery for UserFilter {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            role: query.choice("role", Role::parse, Role::ALL.map(Role::as_str)),
            active: query.boolean("active"),
        }
    }
}

#[async_trait]
impl ListFilter for UserFilter {
    const LIST: ListName = ListName {
        operation: "listUsers",
        order: "createdAt:desc",
    };
    const NAMESPACE: Namespace = Namespace::UserList;
    type Item = User;
    type View = UserView;

    fn tags(&self) -> Vec<Tag> {
        vec![Tag::Users]
    }

    async fn page(&self, uow: &mut dyn UnitOfWork, paging: &Paging) -> Result<Page<User>, StoreError> {
        uow.users().list(self, paging).await
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
    read: Read<ViewUsers>,
    query: QueryOf<ListOf<UserFilter>>,
) -> Result<HttpResponse, Problem> {
    read.answer(query.0).await
}
