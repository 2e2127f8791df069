use actix_web::{HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::access::ViewUsers;
use fairlead_domain::cache::{Namespace, Tag};
use fairlead_domain::identity::{AgentFilter, User};
use fairlead_domain::paging::{Page, Paging};
use fairlead_domain::store::{StoreError, UnitOfWork};
use utoipa::IntoParams;

use super::view::UserView;
use crate::fields::FieldsQuery;
use crate::paging::{ListName, Listing, PagingQuery};
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::read::{ListFilter, ListOf, Read};
use crate::spec::IfNoneMatch;

/// What an [`AgentFilter`] is read from, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
struct AgentsParameters {
    /// Only those who have room for another lead, or only those who have not.
    #[param(nullable = false)]
    available: Option<bool>,
    /// Without regard to case.
    #[param(
        nullable = false,
        min_length = 1,
        max_length = 50,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$",
        example = "TX"
    )]
    state: Option<String>,
    /// Without regard to case.
    #[param(
        nullable = false,
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$",
        example = "Austin"
    )]
    city: Option<String>,
    /// Without regard to case.
    #[param(
        nullable = false,
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\u0000-\u001f\u007f-\u009f]+$",
        example = "auto"
    )]
    specialization: Option<String>,
    /// Those with at least this rating.
    #[param(nullable = false, minimum = 0, maximum = 100)]
    min_rating: Option<i32>,
}

impl FromQuery for AgentFilter {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            available: query.boolean("available"),
            state: query.text("state", 50).map(|state| state.to_uppercase()),
            city: query.text("city", 100),
            specialization: query.text("specialization", 100).map(|word| word.to_lowercase()),
            min_rating: query.integer("minRating", 0..=100),
        }
    }
}

#[async_trait]
impl ListFilter for AgentFilter {
    const LIST: ListName = ListName {
        operation: "listAgents",
        order: "rating:desc",
    };
    const NAMESPACE: Namespace = Namespace::AgentList;
    type Item = User;
    type View = UserView;

    fn tags(&self) -> Vec<Tag> {
        vec![Tag::Agents]
    }

    async fn page(&self, uow: &mut dyn UnitOfWork, paging: &Paging) -> Result<Page<User>, StoreError> {
        uow.users().list_agents(self, paging).await
    }
}

/// List active agents, the best rated first.
#[utoipa::path(
    tag = "users",
    operation_id = "listAgents",
    params(AgentsParameters, FieldsQuery<UserView>, PagingQuery, IfNoneMatch),
    responses((status = 200, description = "A page of users who take leads.", body = Listing<UserView>)),
    extensions(("x-permit" = json!("ViewUsers"))),
)]
#[get("/agents")]
pub(super) async fn agents(
    read: Read<ViewUsers>,
    query: QueryOf<ListOf<AgentFilter>>,
) -> Result<HttpResponse, Problem> {
    read.answer(query.0).await
}
