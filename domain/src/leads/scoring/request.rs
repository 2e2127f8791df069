use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Id;
use crate::leads::LeadId;

/// Which leads are to be scored, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScoringRequest {
    pub leads: Vec<LeadId>,
}

/// What is kept of a request is not what was kept.
#[derive(Debug, thiserror::Error)]
pub enum BadScoringRequest {
    #[error("what was asked for is not known")]
    Missing,
    #[error("what was asked for cannot be read")]
    Json(#[from] serde_json::Error),
}

/// A request as it is kept with its operation. Fields are only ever added.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kept {
    leads: Vec<Uuid>,
}

impl ScoringRequest {
    pub fn to_json(&self) -> String {
        let leads = self.leads.iter().map(|id| id.as_uuid()).collect();
        serde_json::to_string(&Kept { leads }).expect("a request is plain data with string keys")
    }

    pub fn parse(json: &str) -> Result<Self, BadScoringRequest> {
        let kept: Kept = serde_json::from_str(json)?;
        Ok(Self {
            leads: kept.leads.into_iter().map(Id::from_uuid).collect(),
        })
    }
}
