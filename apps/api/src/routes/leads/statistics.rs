use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, get, web};
use fairlead_domain::access::ViewLeads;
use fairlead_domain::consistency::ReadIntent;
use fairlead_domain::leads::Statistics;
use serde::Serialize;
use utoipa::ToSchema;

use crate::Services;
use crate::authentication::Permitted;
use crate::conditional;
use crate::problem::Problem;
use crate::query::{NoQuery, QueryOf};
use crate::spec::IfNoneMatch;

/// How many leads there are by status, and how old they are.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LeadStatistics, example = json!({
    "total": 3, "byStatus": {"NEW": {"count": 2, "avgAgeDays": 3}, "CLOSED": {"count": 1, "avgAgeDays": 41}},
}))]
struct StatisticsView {
    #[schema(minimum = 0)]
    total: u64,
    /// A status that no lead has is absent.
    by_status: BTreeMap<&'static str, StatusCountView>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LeadStatusCount)]
struct StatusCountView {
    #[schema(minimum = 1)]
    count: u64,
    /// Whole days from creation to now, on average.
    #[schema(minimum = 0)]
    avg_age_days: u64,
}

impl From<Statistics> for StatisticsView {
    fn from(counted: Statistics) -> Self {
        let view = |status: fairlead_domain::leads::StatusCount| StatusCountView {
            count: status.count,
            avg_age_days: status.avg_age_days,
        };
        Self {
            total: counted.total(),
            by_status: counted
                .by_status
                .into_iter()
                .map(|(name, count)| (name.as_str(), view(count)))
                .collect(),
        }
    }
}

/// Count leads by status.
#[utoipa::path(
    tag = "leads",
    operation_id = "leadStatistics",
    params(IfNoneMatch),
    responses((status = 200, description = "The counts.", body = StatisticsView)),
    extensions(("x-permit" = json!("ViewLeads"))),
)]
#[get("/leads/statistics")]
pub(super) async fn statistics(
    request: HttpRequest,
    services: web::Data<Services>,
    permit: Permitted<ViewLeads>,
    _query: QueryOf<NoQuery>,
) -> Result<HttpResponse, Problem> {
    let mut uow = services.store.read(permit.scope(), ReadIntent::ANALYTICS).await?;
    let now = uow.now();
    let counted = uow.leads().statistics(now).await?;
    Ok(conditional::answer_by_digest(
        &request,
        &StatisticsView::from(counted),
    ))
}
