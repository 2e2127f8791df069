use actix_web::{HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::access::ManageWebhooks;
use fairlead_domain::cache::{CacheKey, Tag};

use super::view::WebhookView;
use crate::paging::{ListName, Listing, PagingQuery};
use crate::problem::Problem;
use crate::query::QueryOf;
use crate::read::{Question, Read, Reading};
use crate::representation::Representation;
use crate::spec::IfNoneMatch;

const LIST: ListName = ListName {
    operation: "listWebhooks",
    order: "createdAt:desc",
};

struct ListWebhooks(PagingQuery);

#[async_trait]
impl Question for ListWebhooks {
    fn key(&self) -> Option<CacheKey> {
        // Few ask, and seldom.
        None
    }

    fn tags(&self) -> Vec<Tag> {
        Vec::new()
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let wanted = self.0.paging(&from.cursors, LIST)?;
        let page = from.uow.webhooks().list(&wanted).await?;
        let listing = Listing::new(page, &self.0, &from.cursors, LIST);
        Ok(Representation::by_digest(&listing.map(WebhookView::from)))
    }
}

/// List webhooks, the newest first.
#[utoipa::path(
    tag = "webhooks",
    operation_id = "listWebhooks",
    params(PagingQuery, IfNoneMatch),
    responses((status = 200, description = "A page of webhooks.", body = Listing<WebhookView>)),
    extensions(("x-permit" = json!("ManageWebhooks"))),
)]
#[get("/webhooks")]
pub(super) async fn list(
    read: Read<ManageWebhooks>,
    query: QueryOf<PagingQuery>,
) -> Result<HttpResponse, Problem> {
    read.answer(ListWebhooks(query.0)).await
}
