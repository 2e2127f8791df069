use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::Id;
use crate::leads::{AssignedTo, InvalidSearch, LeadFilter, SearchText, StatusName};

const NOBODY: &str = "nobody";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExportFormat {
    Csv,
    Ndjson,
}

/// Which leads are to be exported, and as what.
#[derive(Clone, Debug, PartialEq)]
pub struct ExportRequest {
    pub format: ExportFormat,
    pub filter: LeadFilter,
}

/// What is kept of a request is not what was kept.
#[derive(Debug, thiserror::Error)]
pub enum BadExportRequest {
    #[error("what was asked for is not known")]
    Missing,
    #[error("what was asked for cannot be read")]
    Json(#[from] serde_json::Error),
    #[error("what was asked for names an unknown status")]
    Status,
    #[error("what was asked for names no agent")]
    Agent(#[from] uuid::Error),
    #[error("what was asked for has no search")]
    Search(#[from] InvalidSearch),
}

/// A request as it is kept with its operation. Fields are only ever added.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kept {
    format: ExportFormat,
    status: Option<String>,
    source: Option<String>,
    /// The id of an agent, or [`NOBODY`].
    assigned_to: Option<String>,
    insurance_type: Option<String>,
    zip_code: Option<String>,
    min_score: Option<i32>,
    #[serde(with = "time::serde::rfc3339::option")]
    created_after: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    created_before: Option<OffsetDateTime>,
    words: Option<Vec<String>>,
}

impl ExportRequest {
    pub fn to_json(&self) -> String {
        let Self { format, filter } = self;
        let kept = Kept {
            format: *format,
            status: filter.status.map(|status| status.as_str().to_owned()),
            source: filter.source.clone(),
            assigned_to: filter.assigned_to.map(|assigned| match assigned {
                AssignedTo::Agent(agent) => agent.to_string(),
                AssignedTo::Nobody => NOBODY.to_owned(),
            }),
            insurance_type: filter.insurance_type.clone(),
            zip_code: filter.zip_code.clone(),
            min_score: filter.min_score,
            created_after: filter.created_after,
            created_before: filter.created_before,
            words: filter.text.as_ref().map(|text| text.words().to_vec()),
        };
        serde_json::to_string(&kept).expect("a request is plain data with string keys")
    }

    pub fn parse(json: &str) -> Result<Self, BadExportRequest> {
        let kept: Kept = serde_json::from_str(json)?;
        let status = match kept.status {
            Some(status) => Some(StatusName::parse(&status).ok_or(BadExportRequest::Status)?),
            None => None,
        };
        Ok(Self {
            format: kept.format,
            filter: LeadFilter {
                status,
                source: kept.source,
                assigned_to: kept.assigned_to.as_deref().map(assigned_to).transpose()?,
                insurance_type: kept.insurance_type,
                zip_code: kept.zip_code,
                min_score: kept.min_score,
                created_after: kept.created_after,
                created_before: kept.created_before,
                text: kept.words.map(SearchText::restore).transpose()?,
            },
        })
    }
}

fn assigned_to(text: &str) -> Result<AssignedTo, uuid::Error> {
    if text == NOBODY {
        return Ok(AssignedTo::Nobody);
    }
    Ok(AssignedTo::Agent(Id::from_uuid(text.parse()?)))
}
