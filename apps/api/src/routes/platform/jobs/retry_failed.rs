use actix_web::{HttpResponse, post, web};
use fairlead_domain::Id;
use fairlead_domain::jobs::{LeftDead, Which, WhyLeft};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::kind::fault_of_kind;
use super::list::which;
use super::{NoSuchQueue, PathQueue, QueueName};
use crate::Services;
use crate::authentication::Operator;
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::spec::Problems;

/// What a [`RetryQuery`] is read from, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
struct RetryParameters {
    /// Only jobs of this kind.
    #[param(min_length = 1, max_length = 100, nullable = false)]
    kind: Option<String>,
    /// Only jobs of this tenant; `00000000-0000-0000-0000-000000000000` for the platform's own.
    #[param(nullable = false)]
    tenant_id: Option<uuid::Uuid>,
    /// Only this job.
    #[param(nullable = false)]
    id: Option<uuid::Uuid>,
}

#[derive(Debug)]
struct RetryQuery(Which);

impl FromQuery for RetryQuery {
    fn read(query: &mut QueryReader) -> Self {
        Self(Which {
            id: query.uuid("id").map(Id::from_uuid),
            ..which(query)
        })
    }
}

/// What comes of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RetriedJobs, example = json!({"retried": 17, "hasMore": false, "left": [{
    "id": "01934f6e-7b1a-7cc3-98a4-0242ac120009", "tenantId": "01934f6e-7b1a-7cc3-98a4-0242ac120002",
    "kind": "score-leads", "uniqueKey": "score:7", "reason": "like-it",
    "likeId": "01934f6e-7b1a-7cc3-98a4-0242ac12000a",
}], "hasMoreLeft": false}))]
struct RetriedView {
    /// Jobs that wait again.
    retried: u64,
    /// Whether there are likely to be more than one request retries: ask again.
    has_more: bool,
    /// Those that stay dead, who died last first; empty while there are more to be retried.
    #[schema(max_items = 100)]
    left: Vec<LeftView>,
    /// Whether others stay dead, too.
    has_more_left: bool,
}

/// A job that stays dead.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LeftJob)]
struct LeftView {
    id: Uuid,
    /// `null`: the platform's own.
    #[schema(required = true)]
    tenant_id: Option<Uuid>,
    kind: String,
    #[schema(required = true)]
    unique_key: Option<String>,
    /// `like-it`: one with the same unique key is not finished, and does the same. `held`: somebody else is changing it,
    /// or enqueuing one like it, at this very moment: ask again.
    reason: &'static str,
    /// The job that is like it.
    #[schema(required = true)]
    like_id: Option<Uuid>,
}

impl From<LeftDead> for LeftView {
    fn from(left: LeftDead) -> Self {
        let (reason, like_id) = match left.why {
            WhyLeft::LikeIt(id) => ("like-it", Some(id.as_uuid())),
            WhyLeft::Held => ("held", None),
        };
        Self {
            id: left.id.as_uuid(),
            tenant_id: left.owner.tenant().map(Id::as_uuid),
            kind: left.kind,
            unique_key: left.unique_key,
            reason,
            like_id,
        }
    }
}

/// Retry jobs that were given up.
///
/// They wait again, with all their attempts. Of several with one unique key the last one does, and none while one like it
/// is not finished: those are told, and keep no others back.
#[utoipa::path(
    tag = "platform",
    operation_id = "retryFailedJobs",
    params(("queue" = inline(QueueName), Path, description = "The queue."), RetryParameters),
    responses(
        (status = 200, description = "How many, and which were left.", body = RetriedView),
        Problems<NoSuchQueue>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[post("/performance/jobs/{queue}/retry-failed")]
pub(super) async fn retry_failed(
    services: web::Data<Services>,
    operator: Operator,
    queue: PathQueue,
    query: QueryOf<RetryQuery>,
) -> Result<HttpResponse, Problem> {
    let RetryQuery(which) = query.0;
    if let Some(detail) = fault_of_kind(&services.jobs, queue.0, which.kind.as_deref()).await? {
        return Err(Problem::invalid_parameter("kind", detail));
    }
    let retried = services.jobs.operations.retry_dead(queue.0, &which).await?;
    tracing::info!(
        operator = operator.0.operator(),
        queue = %queue.0,
        retried = retried.jobs,
        left = retried.left.len(),
        "dead jobs were retried"
    );
    Ok(HttpResponse::Ok().json(RetriedView {
        retried: retried.jobs,
        has_more: retried.has_more,
        left: retried.left.into_iter().map(LeftView::from).collect(),
        has_more_left: retried.has_more_left,
    }))
}
