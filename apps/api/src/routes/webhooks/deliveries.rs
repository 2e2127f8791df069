use actix_web::{HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::access::ManageWebhooks;
use fairlead_domain::cache::{CacheKey, Tag};
use fairlead_domain::webhooks::{DeliveryFilter, DeliveryState, Webhook, WebhookId};
use utoipa::IntoParams;

use super::delivery_view::{DeliveryView, StateName};
use crate::paging::{ListName, Listing, PagingQuery};
use crate::path::PathId;
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::read::{Question, Read, Reading};
use crate::representation::Representation;
use crate::spec::IfNoneMatch;

const LIST: ListName = ListName {
    operation: "listDeliveries",
    order: "createdAt:desc",
};

/// What a [`DeliveriesQuery`] is read from beside the paging, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
struct DeliveriesParameters {
    /// Those in this state.
    #[param(nullable = false, inline)]
    state: Option<StateName>,
}

#[derive(Debug)]
pub(super) struct DeliveriesQuery {
    filter: DeliveryFilter,
    paging: PagingQuery,
}

impl FromQuery for DeliveriesQuery {
    fn read(query: &mut QueryReader) -> Self {
        let named = |text: &str| DeliveryState::NAMES.into_iter().find(|name| *name == text);
        Self {
            filter: DeliveryFilter {
                state: query.choice("state", named, DeliveryState::NAMES),
            },
            paging: PagingQuery::read(query),
        }
    }
}

struct ListDeliveries {
    of: WebhookId,
    query: DeliveriesQuery,
}

#[async_trait]
impl Question for ListDeliveries {
    fn key(&self) -> Option<CacheKey> {
        // They change without an event.
        None
    }

    fn tags(&self) -> Vec<Tag> {
        Vec::new()
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let DeliveriesQuery { filter, paging } = &self.query;
        let wanted = paging.paging(&from.cursors, LIST)?;
        let webhook = from.uow.webhooks().find(self.of).await?;
        webhook.ok_or_else(Problem::not_found)?;
        let page = from
            .uow
            .webhook_deliveries()
            .list(self.of, *filter, &wanted)
            .await?;
        let listing = Listing::new(page, paging, &from.cursors, LIST);
        Ok(Representation::by_digest(&listing.map(DeliveryView::from)))
    }
}

/// List what was sent to a webhook, and what is to be, the newest first.
#[utoipa::path(
    tag = "webhooks",
    operation_id = "listDeliveries",
    params(
        ("id" = uuid::Uuid, Path, description = "The webhook's id."),
        DeliveriesParameters, PagingQuery, IfNoneMatch,
    ),
    responses((status = 200, description = "A page of deliveries.", body = Listing<DeliveryView>)),
    extensions(("x-permit" = json!("ManageWebhooks"))),
)]
#[get("/webhooks/{id}/deliveries")]
pub(super) async fn deliveries(
    read: Read<ManageWebhooks>,
    id: PathId<Webhook>,
    query: QueryOf<DeliveriesQuery>,
) -> Result<HttpResponse, Problem> {
    read.answer(ListDeliveries {
        of: id.0,
        query: query.0,
    })
    .await
}
