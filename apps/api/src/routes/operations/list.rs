use actix_web::{HttpRequest, HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::cache::{CacheKey, Tag};
use fairlead_domain::operations::{Operation, OperationKind, OperationsPermit};

use super::view::OperationView;
use crate::authentication::Authenticated;
use crate::paging::{ListName, Listing, PagingQuery};
use crate::problem::Problem;
use crate::query::QueryOf;
use crate::read::{self, Question, Reading};
use crate::representation::Representation;
use crate::spec::IfNoneMatch;

const LIST: ListName = ListName {
    operation: "listOperations",
    order: "createdAt:desc",
};

struct ListOperations {
    query: PagingQuery,
    /// Those that the caller may follow.
    kinds: Vec<OperationKind>,
}

#[async_trait]
impl Question for ListOperations {
    fn key(&self) -> Option<CacheKey> {
        // Whoever asks again asks for what is new.
        None
    }

    fn tags(&self) -> Vec<Tag> {
        Vec::new()
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let wanted = self.query.paging(&from.cursors, LIST)?;
        let page = from.uow.operations().list(&self.kinds, &wanted).await?;
        let listing = Listing::new(page, &self.query, &from.cursors, LIST);
        let views = listing.map(|operation: Operation| OperationView::from(&operation));
        Ok(Representation::by_digest(&views))
    }
}

/// List operations, the newest first.
///
/// Those of the kinds that the caller may begin. Their logs and errors are told by each of them.
#[utoipa::path(
    tag = "operations",
    operation_id = "listOperations",
    params(PagingQuery, IfNoneMatch),
    responses((status = 200, description = "A page of operations.", body = Listing<OperationView>)),
    extensions(("x-permit" = json!(["ImportLeads", "ExportLeads", "ScoreLeads"]))),
)]
#[get("/operations")]
pub(super) async fn list(
    request: HttpRequest,
    caller: Authenticated,
    query: QueryOf<PagingQuery>,
) -> Result<HttpResponse, Problem> {
    let permit = OperationsPermit::of(&caller.0)?;
    let question = ListOperations {
        query: query.0,
        kinds: permit.kinds().to_vec(),
    };
    read::answer_in(&request, permit.scope(), question).await
}
