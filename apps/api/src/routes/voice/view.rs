use fairlead_domain::ai::Degraded;
use fairlead_domain::leads::Lead;
use fairlead_domain::voice::{CommandType, Doubt, Outcome};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::action::ActionView;
use crate::routes::activities::ActivityView;
use crate::routes::leads::{LeadView, StatisticsView};

/// What was understood, and what has come of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = VoiceAnswer)]
pub(super) struct AnswerView {
    /// What was said, as it was sent or written down from a recording; `null`: a question was answered.
    #[schema(required = true)]
    pub(super) transcript: Option<String>,
    /// `create-lead`, `add-note`, `change-status`, `assign`, `search` or `statistics`.
    pub(super) intent: &'static str,
    /// What is done, or is to be; `null`: one of the choices is.
    #[schema(required = true)]
    pub(super) action: Option<ActionView>,
    /// What came of it; `null`: nothing is done yet.
    #[schema(required = true)]
    pub(super) result: Option<ResultView>,
    /// What must be said once more; `null`: nothing.
    #[schema(required = true)]
    pub(super) confirmation: Option<ConfirmationView>,
    /// Whether rules have understood it in place of a model.
    pub(super) degraded: bool,
    /// Why: `not-configured`, `budget-spent` (the tenant's, of this month), `unavailable` (the provider fails, or is not
    /// called because it has), or `invalid-answer`; `null`: a model has, or nothing was to be understood.
    #[schema(required = true)]
    pub(super) degraded_because: Option<&'static str>,
}

/// What came of a command.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "kebab-case")]
#[schema(as = VoiceResult)]
pub(super) enum ResultView {
    /// As it is now.
    Lead {
        lead: Box<LeadView>,
    },
    Activity {
        activity: ActivityView,
    },
    /// The best matches first, ten at the most.
    Leads {
        items: Vec<LeadView>,
    },
    Statistics {
        statistics: StatisticsView,
    },
}

/// A question that must be answered before anything is done.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = VoiceQuestion)]
pub(super) struct ConfirmationView {
    /// Why it is asked: `closes-lead`, `takes-lead-from-agent`, `several-leads-match`, `several-agents-match`.
    pub(super) reasons: Vec<&'static str>,
    /// One of these is done, once, by sending its token; five at the most.
    pub(super) choices: Vec<ChoiceView>,
    /// Until when.
    #[serde(with = "time::serde::rfc3339")]
    pub(super) expires_at: OffsetDateTime,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = VoiceChoice)]
pub(super) struct ChoiceView {
    pub(super) action: ActionView,
    /// To be sent as `confirmation`.
    pub(super) token: String,
}

impl AnswerView {
    pub(super) fn new(transcript: Option<String>, intent: CommandType, degraded: Option<Degraded>) -> Self {
        Self {
            transcript,
            intent: intent.as_str(),
            action: None,
            result: None,
            confirmation: None,
            degraded: degraded.is_some(),
            degraded_because: degraded.map(Degraded::as_str),
        }
    }
}

impl From<Outcome> for ResultView {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Lead(lead) => Self::Lead {
                lead: Box::new(LeadView::from(*lead)),
            },
            Outcome::Activity(activity) => Self::Activity {
                activity: activity.into(),
            },
            Outcome::Leads(leads) => Self::Leads {
                items: leads.into_iter().map(|lead: Lead| LeadView::from(lead)).collect(),
            },
            Outcome::Statistics(statistics) => Self::Statistics {
                statistics: statistics.into(),
            },
        }
    }
}

/// Reasons as they are shown.
pub(super) fn reasons(why: &[Doubt]) -> Vec<&'static str> {
    why.iter().map(|doubt| doubt.as_str()).collect()
}
