use actix_web::{HttpRequest, HttpResponse, get, web};
use fairlead_domain::access::ViewUsers;
use fairlead_domain::consistency::ReadIntent;
use fairlead_domain::identity::AgentFilter;
use utoipa::IntoParams;

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
    operation: "listAgents",
    order: "rating:desc",
};

/// What [`AgentsQuery`] reads, for the specification.
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

#[derive(Debug)]
struct AgentsQuery {
    filter: AgentFilter,
    fields: Fields<UserView>,
    paging: PagingQuery,
}

impl FromQuery for AgentsQuery {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            filter: AgentFilter {
                available: query.boolean("available"),
                state: query.text("state", 50).map(|state| state.to_uppercase()),
                city: query.text("city", 100),
                specialization: query.text("specialization", 100).map(|word| word.to_lowercase()),
                min_rating: query.integer("minRating", 0..=100),
            },
            fields: Fields::read(query),
            paging: PagingQuery::read(query),
        }
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
    request: HttpRequest,
    services: web::Data<Services>,
    permit: Permitted<ViewUsers>,
    query: QueryOf<AgentsQuery>,
) -> Result<HttpResponse, Problem> {
    let AgentsQuery {
        filter,
        fields,
        paging,
    } = query.0;
    let wanted = paging.paging(&services.cursors, permit.scope(), LIST)?;

    let mut uow = services
        .store
        .read(permit.scope(), ReadIntent::INTERACTIVE)
        .await?;
    let page = uow.users().list_agents(&filter, &wanted).await?;

    let listing = Listing::new(page, &paging, &services.cursors, permit.scope(), LIST);
    Ok(conditional::answer_by_digest(
        &request,
        &listing.map(|user| fields.of(UserView::from(user))),
    ))
}
