use std::collections::HashMap;

use fairlead_domain::Id;
use fairlead_domain::leads::{Lead, LeadId, SearchText};
use fairlead_domain::store::StoreError;
use uuid::Uuid;

use crate::store::PgUnitOfWork;

/// How many matches are ranked, and the most that a search finds.
pub(super) const MOST_FOUND: u32 = 1_000;

// The function runs as fairlead_system, because a policy would keep `@@` out of the index; what it finds is read under
// the policies of the application role.
const SEARCH: &str = "SELECT id, rank FROM search_leads(to_tsquery('fairlead_names', $1), $2, $3)";

impl PgUnitOfWork {
    pub(super) async fn search_leads(
        &self,
        text: &SearchText,
        limit: u32,
    ) -> Result<Vec<(Lead, f32)>, StoreError> {
        let found = self.matching_ids(text, limit).await?;
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<LeadId> = found.iter().map(|(id, _)| *id).collect();
        let leads: Vec<Lead> = self.connection.select(&self.scoped_leads_with(&ids)).await?;
        let mut leads: HashMap<LeadId, Lead> = leads.into_iter().map(|lead| (lead.id, lead)).collect();
        // A lead that was deleted in between is left out.
        Ok(found
            .into_iter()
            .filter_map(|(id, rank)| Some((leads.remove(&id)?, rank)))
            .collect())
    }

    /// Finds the ids of the best matches and how well each does, the best first.
    pub(super) async fn matching_ids(
        &self,
        text: &SearchText,
        limit: u32,
    ) -> Result<Vec<(LeadId, f32)>, StoreError> {
        let bound = |number: u32| i32::try_from(number.min(MOST_FOUND)).unwrap_or(i32::MAX);
        let values = [
            tsquery(text).into(),
            bound(MOST_FOUND).into(),
            bound(limit).into(),
        ];
        let rows: Vec<(Uuid, f32)> = self.connection.rows(SEARCH, values).await?;
        Ok(rows
            .into_iter()
            .map(|(id, rank)| (Id::from_uuid(id), rank))
            .collect())
    }
}

/// All words, the last as a prefix. They are letters and digits alone, so none is an operator.
fn tsquery(text: &SearchText) -> String {
    format!("{}:*", text.words().join(" & "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_words_are_wanted_and_the_last_is_a_prefix() {
        let query = |text| tsquery(&SearchText::parse(text).unwrap());

        assert_eq!(query("Smith"), "smith:*");
        assert_eq!(query("O'Brien & Sons | (foo:*) !"), "o & brien & sons & foo:*");
    }
}
