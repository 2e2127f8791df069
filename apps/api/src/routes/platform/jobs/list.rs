use actix_web::{HttpResponse, get, web};
use fairlead_domain::Id;
use fairlead_domain::jobs::{JobId, JobList, JobOperations, JobOwner, JobState, Queue, Which};
use fairlead_domain::paging::{DEFAULT_LIMIT, MAX_LIMIT};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::QueueName;
use super::view::JobView;
use crate::Services;
use crate::authentication::Operator;
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};

/// What a [`ListQuery`] is read from, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
struct ListParameters {
    /// Jobs of this queue.
    #[param(inline)]
    queue: QueueName,
    #[param(nullable = false, inline)]
    state: Option<StateName>,
    /// Jobs of this kind.
    #[param(min_length = 1, max_length = 100, nullable = false)]
    kind: Option<String>,
    /// Jobs of this tenant; `00000000-0000-0000-0000-000000000000` for the platform's own.
    #[param(nullable = false)]
    tenant_id: Option<uuid::Uuid>,
    /// How many are answered at the most.
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
    /// `nextCursor` of the page before.
    #[param(nullable = false)]
    cursor: Option<uuid::Uuid>,
}

#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "documents what `JobState` is read from")]
enum StateName {
    Delayed,
    Waiting,
    Active,
    Completed,
    Dead,
}

#[derive(Debug)]
struct ListQuery {
    queue: Option<Queue>,
    state: Option<JobState>,
    which: Which,
    page: PageOfJobs,
}

/// Which part of a list is meant.
#[derive(Debug)]
pub(super) struct PageOfJobs {
    before: Option<JobId>,
    limit: u32,
}

impl PageOfJobs {
    /// Reads `limit` and `cursor`.
    pub(super) fn read(query: &mut QueryReader) -> Self {
        Self {
            before: query.uuid("cursor").map(Id::from_uuid),
            limit: query.integer("limit", 1..=MAX_LIMIT).unwrap_or(DEFAULT_LIMIT),
        }
    }

    pub(super) fn is_first(&self) -> bool {
        self.before.is_none()
    }

    pub(super) async fn of(
        &self,
        jobs: &dyn JobOperations,
        queue: Queue,
        state: Option<JobState>,
        which: &Which,
    ) -> Result<JobsView, Problem> {
        let one_more = self.limit + 1;
        let JobList {
            jobs: mut found,
            looked_to,
        } = jobs.list(queue, state, which, self.before, one_more).await?;
        let next = if found.len() > self.limit as usize {
            found.truncate(self.limit as usize);
            found.last().map(|job| job.id)
        } else {
            looked_to
        };
        Ok(JobsView {
            items: found.into_iter().map(JobView::from).collect(),
            next_cursor: next.map(Id::as_uuid),
            has_more: next.is_some(),
        })
    }
}

impl FromQuery for ListQuery {
    fn read(query: &mut QueryReader) -> Self {
        let names = Queue::ALL.map(Queue::as_str).join(", ");
        Self {
            queue: query.required("queue", |text| {
                Queue::parse(text).ok_or_else(|| format!("must be one of {names}"))
            }),
            state: query.choice("state", JobState::parse, JobState::ALL.map(JobState::as_str)),
            which: which(query),
            page: PageOfJobs::read(query),
        }
    }
}

/// Reads `kind` and `tenantId`.
pub(super) fn which(query: &mut QueryReader) -> Which {
    Which {
        kind: query.text("kind", 100),
        owner: query.uuid("tenantId").map(JobOwner::from_uuid),
        id: None,
    }
}

/// Jobs, the newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Jobs)]
pub(super) struct JobsView {
    items: Vec<JobView>,
    /// Where the next page begins; `null` on the last one.
    #[schema(required = true)]
    next_cursor: Option<Uuid>,
    has_more: bool,
}

/// List the newest jobs of a queue.
///
/// The newest 20,000 are looked at for one page, so of a kind or a tenant that has few a page may be short, and even empty,
/// while `hasMore` says that there may be others. Of those that are put off a million are looked at, in the order in which
/// they become due.
#[utoipa::path(
    tag = "platform",
    operation_id = "listJobs",
    params(ListParameters),
    responses((status = 200, description = "The newest first.", body = JobsView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/jobs")]
pub(super) async fn list(
    services: web::Data<Services>,
    _operator: Operator,
    query: QueryOf<ListQuery>,
) -> Result<HttpResponse, Problem> {
    let ListQuery {
        queue,
        state,
        which,
        page,
    } = query.0;
    let queue = queue.expect("the query had no fault, and must have a queue");
    let jobs = page.of(&*services.jobs.operations, queue, state, &which).await?;
    Ok(HttpResponse::Ok().json(jobs))
}
