use std::collections::BTreeMap;

use actix_web::{HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::access::ViewLeads;
use fairlead_domain::cache::{CacheKey, Namespace, Tag};
use fairlead_domain::consistency::Workload;
use fairlead_domain::leads::Statistics;
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;
use crate::read::{Question, Read, Reading};
use crate::representation::Representation;
use crate::spec::IfNoneMatch;

/// How many leads there are by status, and how old they are.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LeadStatistics, example = json!({
    "total": 3, "byStatus": {"NEW": {"count": 2, "avgAgeDays": 3}, "CLOSED": {"count": 1, "avgAgeDays": 41}},
}))]
pub(crate) struct StatisticsView {
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

pub(crate) struct CountLeads;

#[async_trait]
impl Question for CountLeads {
    fn workload(&self) -> Workload {
        Workload::Analytics
    }

    fn key(&self) -> Option<CacheKey> {
        Some(CacheKey::new(Namespace::LeadStatistics, ""))
    }

    fn tags(&self) -> Vec<Tag> {
        vec![Tag::Statistics]
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let now = from.uow.now();
        let counted = from.uow.leads().statistics(now).await?;
        Ok(Representation::by_digest(&StatisticsView::from(counted)))
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
pub(super) async fn statistics(read: Read<ViewLeads>) -> Result<HttpResponse, Problem> {
    read.answer(CountLeads).await
}
