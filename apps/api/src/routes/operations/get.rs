use actix_web::{HttpRequest, HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::cache::{CacheKey, Tag};
use fairlead_domain::operations::{Operation, OperationId, OperationKind, OperationsPermit};

use super::view::OperationStoryView;
use crate::authentication::Authenticated;
use crate::path::PathId;
use crate::problem::Problem;
use crate::read::{self, Question, Reading};
use crate::representation::Representation;
use crate::spec::IfNoneMatch;

struct GetOperation {
    id: OperationId,
    /// Those that the caller may follow.
    kinds: Vec<OperationKind>,
}

#[async_trait]
impl Question for GetOperation {
    fn key(&self) -> Option<CacheKey> {
        // Whoever asks again asks for what is new.
        None
    }

    fn tags(&self) -> Vec<Tag> {
        Vec::new()
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let found = from.uow.operations().find(self.id, &self.kinds).await?;
        let story = found.ok_or_else(Problem::not_found)?;
        Ok(Representation::by_digest(&OperationStoryView::from(story)))
    }
}

/// Get an operation: how far it has come, and what has come of it.
#[utoipa::path(
    tag = "operations",
    operation_id = "getOperation",
    params(("id" = uuid::Uuid, Path, description = "The operation's id."), IfNoneMatch),
    responses((status = 200, description = "The operation.", body = OperationStoryView)),
    extensions(("x-permit" = json!(["ImportLeads", "ExportLeads", "ScoreLeads"]))),
)]
#[get("/operations/{id}")]
pub(super) async fn get(
    request: HttpRequest,
    caller: Authenticated,
    id: PathId<Operation>,
) -> Result<HttpResponse, Problem> {
    let permit = OperationsPermit::of(&caller.0)?;
    let question = GetOperation {
        id: id.0,
        kinds: permit.kinds().to_vec(),
    };
    read::answer_in(&request, permit.scope(), question).await
}
