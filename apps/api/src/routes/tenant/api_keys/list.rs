use actix_web::{HttpRequest, HttpResponse, get, web};
use fairlead_domain::access::ManageApiKeys;
use fairlead_domain::consistency::ReadIntent;

use super::view::ApiKeyView;
use crate::Services;
use crate::authentication::Permitted;
use crate::conditional;
use crate::paging::{ListName, Listing, PagingQuery};
use crate::problem::Problem;
use crate::query::QueryOf;
use crate::spec::IfNoneMatch;

const LIST: ListName = ListName {
    operation: "listApiKeys",
    order: "createdAt:desc",
};

/// List API keys, the newest first.
#[utoipa::path(
    tag = "tenant",
    operation_id = "listApiKeys",
    params(PagingQuery, IfNoneMatch),
    responses((status = 200, description = "A page of API keys, revoked ones included.", body = Listing<ApiKeyView>)),
    extensions(("x-permit" = json!("ManageApiKeys"))),
)]
#[get("/tenant/api-keys")]
pub(super) async fn list(
    request: HttpRequest,
    services: web::Data<Services>,
    permit: Permitted<ManageApiKeys>,
    query: QueryOf<PagingQuery>,
) -> Result<HttpResponse, Problem> {
    let paging = query.0;
    let wanted = paging.paging(&services.cursors, permit.scope(), LIST)?;

    let mut uow = services
        .store
        .read(permit.scope(), ReadIntent::INTERACTIVE)
        .await?;
    let page = uow.api_keys().list(&wanted).await?;

    let listing = Listing::new(page, &paging, &services.cursors, permit.scope(), LIST);
    Ok(conditional::answer_by_digest(
        &request,
        &listing.map(ApiKeyView::from),
    ))
}
