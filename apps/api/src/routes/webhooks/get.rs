use actix_web::{HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::access::ManageWebhooks;
use fairlead_domain::cache::{CacheKey, Tag};
use fairlead_domain::webhooks::{Webhook, WebhookId};

use super::view::WebhookView;
use crate::conditional::EntityTag;
use crate::path::PathId;
use crate::problem::Problem;
use crate::read::{Question, Read, Reading};
use crate::representation::Representation;
use crate::spec::IfNoneMatch;

struct GetWebhook(WebhookId);

#[async_trait]
impl Question for GetWebhook {
    fn key(&self) -> Option<CacheKey> {
        // Few ask, and seldom.
        None
    }

    fn tags(&self) -> Vec<Tag> {
        Vec::new()
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let found = from.uow.webhooks().find(self.0).await?;
        let webhook = found.ok_or_else(Problem::not_found)?;
        let tag = EntityTag::of(webhook.revision());
        let updated_at = webhook.updated_at;
        Ok(Representation::of_version(tag, &WebhookView::from(webhook)).modified_at(updated_at))
    }
}

/// Get a webhook.
#[utoipa::path(
    tag = "webhooks",
    operation_id = "getWebhook",
    params(("id" = uuid::Uuid, Path, description = "The webhook's id."), IfNoneMatch),
    responses((status = 200, description = "The webhook.", body = WebhookView)),
    extensions(("x-permit" = json!("ManageWebhooks"))),
)]
#[get("/webhooks/{id}")]
pub(super) async fn get(read: Read<ManageWebhooks>, id: PathId<Webhook>) -> Result<HttpResponse, Problem> {
    read.answer(GetWebhook(id.0)).await
}
