use actix_web::{HttpResponse, get, web};
use fairlead_domain::jobs::{DeadGroup, JobState, Which};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::list::{JobsView, PageOfJobs, which};
use super::{NoSuchQueue, PathQueue, QueueName};
use crate::Services;
use crate::authentication::Operator;
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::spec::Problems;

/// What a [`DeadQuery`] is read from, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
struct DeadParameters {
    /// Items of this kind.
    #[param(min_length = 1, max_length = 100, nullable = false)]
    kind: Option<String>,
    /// Items of this tenant; `00000000-0000-0000-0000-000000000000` for the platform's own.
    #[param(nullable = false)]
    tenant_id: Option<Uuid>,
    /// How many items are answered at the most.
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[param(nullable = false)]
    cursor: Option<Uuid>,
}

#[derive(Debug)]
struct DeadQuery {
    which: Which,
    page: PageOfJobs,
}

impl FromQuery for DeadQuery {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            which: which(query),
            page: PageOfJobs::read(query),
        }
    }
}

/// Jobs of a queue that were given up.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetters, example = json!({
    "groups": [{
        "kind": "score-leads", "fault": "the job could not be done now: # leads of # are locked", "jobs": 17,
        "tenants": 2, "firstAt": "2026-11-21T09:00:00Z", "lastAt": "2026-11-21T10:00:00Z",
        "exampleId": "01934f6e-7b1a-7cc3-98a4-0242ac120009",
    }],
    "groupsTruncated": false,
    "items": [], "nextCursor": null, "hasMore": false,
}))]
struct DeadLettersView {
    /// By what they failed of, the most first; at most a hundred. `null` on all pages but the first.
    #[schema(required = true)]
    groups: Option<Vec<GroupView>>,
    /// Whether others died before the last 10,000, which are grouped.
    groups_truncated: bool,
    #[serde(flatten)]
    page: JobsView,
}

/// Jobs that failed alike.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeadLetterGroup)]
struct GroupView {
    kind: String,
    /// With `#` for each id and number.
    fault: String,
    jobs: u64,
    tenants: u64,
    #[serde(with = "time::serde::rfc3339")]
    first_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    last_at: OffsetDateTime,
    /// The last one.
    example_id: Uuid,
}

impl From<DeadGroup> for GroupView {
    fn from(group: DeadGroup) -> Self {
        Self {
            kind: group.kind,
            fault: group.fault,
            jobs: group.jobs,
            tenants: group.tenants,
            first_at: group.first_at,
            last_at: group.last_at,
            example_id: group.example.as_uuid(),
        }
    }
}

/// List the jobs of a queue that were given up, grouped by what they failed of.
#[utoipa::path(
    tag = "platform",
    operation_id = "listDeadJobs",
    params(("queue" = inline(QueueName), Path, description = "The queue."), DeadParameters),
    responses(
        (status = 200, description = "Groups of all, and the newest.", body = DeadLettersView),
        Problems<NoSuchQueue>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/jobs/{queue}/dead-letter")]
pub(super) async fn dead_letter(
    services: web::Data<Services>,
    _operator: Operator,
    queue: PathQueue,
    query: QueryOf<DeadQuery>,
) -> Result<HttpResponse, Problem> {
    let operations = &services.jobs.operations;
    let DeadQuery { which, page } = query.0;
    let groups = if page.is_first() {
        Some(operations.dead_groups(queue.0).await?)
    } else {
        None
    };
    let page = page
        .of(&**operations, queue.0, Some(JobState::Dead), &which)
        .await?;
    Ok(HttpResponse::Ok().json(DeadLettersView {
        groups_truncated: groups.as_ref().is_some_and(|groups| groups.are_truncated),
        groups: groups.map(|found| found.groups.into_iter().map(GroupView::from).collect()),
        page,
    }))
}
