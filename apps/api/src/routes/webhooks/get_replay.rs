use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::Id;
use fairlead_domain::access::ManageWebhooks;
use fairlead_domain::cache::{CacheKey, Tag};
use fairlead_domain::webhooks::{ReplayId, Webhook, WebhookId};

use super::replay_view::ReplayView;
use crate::path::PathId;
use crate::problem::{Kind, Problem};
use crate::query::hyphenated;
use crate::read::{Question, Read, Reading};
use crate::representation::Representation;
use crate::spec::IfNoneMatch;

/// The `{replayId}` of the path.
#[derive(Debug)]
pub(super) struct PathReplay(ReplayId);

impl FromRequest for PathReplay {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let id = request.match_info().get("replayId").and_then(hyphenated);
        ready(id.map(|id| Self(Id::from_uuid(id))).ok_or_else(|| {
            Problem::client(
                Kind::MalformedRequest,
                "the replay's id in the path must be a UUID such as 01934f6e-7b1a-7cc3-98a4-0242ac120002",
            )
        }))
    }
}

struct GetReplay {
    of: WebhookId,
    id: ReplayId,
}

#[async_trait]
impl Question for GetReplay {
    fn key(&self) -> Option<CacheKey> {
        // It changes without an event.
        None
    }

    fn tags(&self) -> Vec<Tag> {
        Vec::new()
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let replay = from.uow.webhook_replays().find(self.of, self.id).await?;
        let replay = replay.ok_or_else(Problem::not_found)?;
        let progress = from.uow.webhook_replays().progress(self.id).await?;
        Ok(Representation::by_digest(&ReplayView::new(&replay, progress)))
    }
}

/// Look how far a replay has come.
///
/// What it was is forgotten as deliveries are, some weeks after its end.
#[utoipa::path(
    tag = "webhooks",
    operation_id = "getReplay",
    params(
        ("id" = uuid::Uuid, Path, description = "The webhook's id."),
        ("replayId" = uuid::Uuid, Path, description = "The replay's id."),
        IfNoneMatch,
    ),
    responses((status = 200, description = "The replay.", body = ReplayView)),
    extensions(("x-permit" = json!("ManageWebhooks"))),
)]
#[get("/webhooks/{id}/replays/{replayId}")]
pub(super) async fn get_replay(
    read: Read<ManageWebhooks>,
    webhook: PathId<Webhook>,
    replay: PathReplay,
) -> Result<HttpResponse, Problem> {
    read.answer(GetReplay {
        of: webhook.0,
        id: replay.0,
    })
    .await
}
