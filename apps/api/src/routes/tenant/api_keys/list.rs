use actix_web::{HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::access::ManageApiKeys;
use fairlead_domain::cache::{CacheKey, Tag};

use super::view::ApiKeyView;
use crate::paging::{ListName, Listing, PagingQuery};
use crate::problem::Problem;
use crate::query::QueryOf;
use crate::read::{Question, Read, Reading};
use crate::representation::Representation;
use crate::spec::IfNoneMatch;

const LIST: ListName = ListName {
    operation: "listApiKeys",
    order: "createdAt:desc",
};

struct ListApiKeys(PagingQuery);

#[async_trait]
impl Question for ListApiKeys {
    fn key(&self) -> Option<CacheKey> {
        // Each key tells when it was last used, which nothing announces.
        None
    }

    fn tags(&self) -> Vec<Tag> {
        Vec::new()
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let wanted = self.0.paging(&from.cursors, LIST)?;
        let page = from.uow.api_keys().list(&wanted).await?;
        let listing = Listing::new(page, &self.0, &from.cursors, LIST);
        Ok(Representation::by_digest(&listing.map(ApiKeyView::from)))
    }
}

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
    read: Read<ManageApiKeys>,
    query: QueryOf<PagingQuery>,
) -> Result<HttpResponse, Problem> {
    read.answer(ListApiKeys(query.0)).await
}
