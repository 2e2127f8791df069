use fairlead_domain::identity::{AgentProfile, RawAgentProfile};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::text;
use crate::whole::Whole;

/// What makes a user fit for a lead, as people set it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schema(as = AgentProfileInput, example = json!({
    "state": "TX", "city": "Austin", "specializations": ["auto", "home"], "rating": 90, "maxOpenLeads": 40,
}))]
pub(super) struct AgentBody {
    /// Compared with a lead's data without regard to case.
    #[schema(schema_with = text::line_or_null::<50>, required = false)]
    state: Option<String>,
    #[schema(schema_with = text::line_or_null::<100>, required = false)]
    city: Option<String>,
    /// Insurance types; compared without regard to case.
    #[serde(default)]
    #[schema(schema_with = text::lines::<50, 100>, required = false)]
    specializations: Vec<String>,
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 100, default = 0)]
    rating: Option<Whole>,
    /// How many open leads the agent takes at the most.
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 100_000, default = 50)]
    max_open_leads: Option<Whole>,
}

impl From<AgentBody> for RawAgentProfile {
    fn from(body: AgentBody) -> Self {
        Self {
            state: body.state,
            city: body.city,
            specializations: body.specializations,
            rating: body.rating.map(|Whole(rating)| rating),
            max_open_leads: body.max_open_leads.map(|Whole(leads)| leads),
        }
    }
}

/// What makes a user fit for a lead.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = AgentProfile)]
pub(in crate::routes) struct AgentView {
    #[schema(required = true)]
    state: Option<String>,
    #[schema(required = true)]
    city: Option<String>,
    specializations: Vec<String>,
    #[schema(minimum = 0, maximum = 100)]
    rating: i32,
    #[schema(minimum = 0)]
    max_open_leads: i32,
    /// How many open leads are assigned to the agent now.
    #[schema(minimum = 0)]
    pub(super) open_leads: i32,
}

impl From<AgentProfile> for AgentView {
    fn from(agent: AgentProfile) -> Self {
        Self {
            state: agent.state,
            city: agent.city,
            specializations: agent.specializations,
            rating: agent.rating,
            max_open_leads: agent.max_open_leads,
            open_leads: agent.open_leads,
        }
    }
}
