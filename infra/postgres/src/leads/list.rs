use fairlead_domain::leads::{AssignedTo, Lead, LeadFilter, LeadQuery, LeadSort};
use fairlead_domain::paging::{Page, Position, SortKey, Start};
use fairlead_domain::store::StoreError;
use sea_orm::{ColumnTrait as _, QueryFilter as _, Select};

use super::search::MOST_FOUND;
use crate::entity::lead;
use crate::paging::{Keyset, count, equals, page_of};
use crate::store::PgUnitOfWork;

impl PgUnitOfWork {
    pub(super) async fn list_leads(&self, query: &LeadQuery) -> Result<Page<Lead>, StoreError> {
        let select = match &query.filter.text {
            Some(text) => {
                let found = self.matching_ids(text, MOST_FOUND).await?;
                let ids: Vec<_> = found.into_iter().map(|(id, _)| id).collect();
                self.scoped_leads_with(&ids)
            }
            None => self.scoped_leads(),
        };
        let select = filtered(select, &query.filter);
        let key = match query.sort {
            LeadSort::CreatedAt => lead::Column::CreatedAt,
            LeadSort::UpdatedAt => lead::Column::UpdatedAt,
            LeadSort::QualityScore => lead::Column::QualityScore,
        };
        let order = Keyset {
            key,
            id: lead::Column::Id,
            direction: query.direction,
            is_indexed: is_of_status_at_most(&query.filter)
                && (query.sort == LeadSort::CreatedAt || query.filter.status.is_none()),
        };
        let total = match query.paging.start {
            Start::After(_) => None,
            Start::Page(_) if is_of_status_at_most(&query.filter) => {
                Some(self.counted_leads(query.filter.status).await?)
            }
            Start::Page(_) => Some(count(&self.connection, select.clone()).await?),
        };
        let position = |lead: &Lead| Position {
            key: match query.sort {
                LeadSort::CreatedAt => SortKey::Time(lead.created_at),
                LeadSort::UpdatedAt => SortKey::Time(lead.updated_at),
                LeadSort::QualityScore => SortKey::Number(lead.quality_score.into()),
            },
            id: lead.id.as_uuid(),
        };
        page_of(&self.connection, select, &order, &query.paging, total, position).await
    }
}

/// Whether nothing is asked for but a status: the counters of leads know how many of those there are, and an index has
/// them from the newest to the oldest.
fn is_of_status_at_most(filter: &LeadFilter) -> bool {
    matches!(
        filter,
        LeadFilter {
            status: _,
            source: None,
            assigned_to: None,
            insurance_type: None,
            zip_code: None,
            min_score: None,
            created_after: None,
            created_before: None,
            text: None,
        }
    )
}

fn filtered(mut select: Select<lead::Entity>, filter: &LeadFilter) -> Select<lead::Entity> {
    if let Some(status) = filter.status {
        select = select.filter(lead::Column::Status.eq(status.as_str()));
    }
    if let Some(source) = &filter.source {
        select = select.filter(equals(lead::Column::Source, source));
    }
    match filter.assigned_to {
        Some(AssignedTo::Agent(agent)) => {
            select = select.filter(lead::Column::AssignedTo.eq(agent.as_uuid()));
        }
        Some(AssignedTo::Nobody) => select = select.filter(lead::Column::AssignedTo.is_null()),
        None => {}
    }
    if let Some(insurance_type) = &filter.insurance_type {
        select = select.filter(equals(lead::Column::InsuranceType, insurance_type));
    }
    if let Some(zip_code) = &filter.zip_code {
        select = select.filter(equals(lead::Column::ZipCode, zip_code));
    }
    if let Some(score) = filter.min_score {
        select = select.filter(lead::Column::QualityScore.gte(score));
    }
    if let Some(after) = filter.created_after {
        select = select.filter(lead::Column::CreatedAt.gt(after));
    }
    if let Some(before) = filter.created_before {
        select = select.filter(lead::Column::CreatedAt.lt(before));
    }
    select
}
