use fairlead_domain::Id;
use fairlead_domain::leads::{Assignee, Status};
use fairlead_domain::text::{Email, Phone};
use fairlead_domain::voice::{TheLead, VoiceAction};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::routes::leads::{CloseReasonView, StatusView};

/// What is done, or is to be.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
#[schema(as = VoiceAction)]
pub(super) enum ActionView {
    CreateLead {
        name: String,
        #[schema(required = true)]
        email: Option<String>,
        #[schema(required = true)]
        phone: Option<String>,
        #[schema(required = true)]
        company: Option<String>,
        #[schema(required = true)]
        insurance_type: Option<String>,
        #[schema(required = true)]
        zip_code: Option<String>,
    },
    AddNote {
        lead: ActionLeadView,
        text: String,
    },
    ChangeStatus {
        lead: ActionLeadView,
        status: StatusView,
        #[schema(required = true)]
        close_reason: Option<CloseReasonView>,
    },
    Assign {
        lead: ActionLeadView,
        to: AssigneeView,
        /// Of the agent who is named, or of the caller; `null`: nobody, or the best agent with room.
        #[schema(required = true)]
        agent_id: Option<Uuid>,
        /// If one was named.
        #[schema(required = true)]
        agent_name: Option<String>,
    },
    Search {
        words: Vec<String>,
    },
    Statistics,
}

/// A lead as it was when it was found.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = VoiceActionLead)]
pub(super) struct ActionLeadView {
    id: Uuid,
    name: String,
    /// Status and agent are changed in this version alone.
    version: i64,
}

/// Who is to have a lead.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = VoiceAssignee)]
pub(super) enum AssigneeView {
    Agent,
    Best,
    Nobody,
}

impl From<&VoiceAction> for ActionView {
    fn from(action: &VoiceAction) -> Self {
        match action.clone() {
            VoiceAction::CreateLead(draft) => Self::CreateLead {
                name: draft.name,
                email: draft.email.map(Email::into_string),
                phone: draft.phone.map(Phone::into_string),
                company: draft.company,
                insurance_type: draft.insurance_type,
                zip_code: draft.zip_code,
            },
            VoiceAction::AddNote { lead, text } => Self::AddNote {
                lead: lead.into(),
                text,
            },
            VoiceAction::ChangeStatus { lead, status } => Self::ChangeStatus {
                lead: lead.into(),
                status: status.name().into(),
                close_reason: status.close_reason().map(CloseReasonView::from),
            },
            VoiceAction::Assign {
                lead,
                assignee,
                agent_name,
            } => {
                let (to, agent_id) = match assignee {
                    Assignee::Agent(agent) => (AssigneeView::Agent, Some(agent.as_uuid())),
                    Assignee::Automatic => (AssigneeView::Best, None),
                    Assignee::Nobody => (AssigneeView::Nobody, None),
                };
                Self::Assign {
                    lead: lead.into(),
                    to,
                    agent_id,
                    agent_name,
                }
            }
            VoiceAction::Search(text) => Self::Search {
                words: text.words().to_vec(),
            },
            VoiceAction::Statistics => Self::Statistics,
        }
    }
}

impl ActionView {
    /// What a caller says once more is to be done; `None`: nobody is ever asked that.
    pub(super) fn to_confirmed(&self) -> Option<VoiceAction> {
        Some(match self.clone() {
            Self::AddNote { lead, text } => VoiceAction::AddNote {
                lead: lead.into(),
                text,
            },
            Self::ChangeStatus {
                lead,
                status,
                close_reason,
            } => VoiceAction::ChangeStatus {
                lead: lead.into(),
                status: Status::from_parts(status.into(), close_reason.map(Into::into))?,
            },
            Self::Assign {
                lead,
                to,
                agent_id,
                agent_name,
            } => VoiceAction::Assign {
                lead: lead.into(),
                assignee: match to {
                    AssigneeView::Agent => Assignee::Agent(Id::from_uuid(agent_id?)),
                    AssigneeView::Best => Assignee::Automatic,
                    AssigneeView::Nobody => Assignee::Nobody,
                },
                agent_name,
            },
            Self::CreateLead { .. } | Self::Search { .. } | Self::Statistics => return None,
        })
    }
}

impl From<TheLead> for ActionLeadView {
    fn from(lead: TheLead) -> Self {
        Self {
            id: lead.id.as_uuid(),
            name: lead.name,
            version: lead.version,
        }
    }
}

impl From<ActionLeadView> for TheLead {
    fn from(lead: ActionLeadView) -> Self {
        Self {
            id: Id::from_uuid(lead.id),
            name: lead.name,
            version: lead.version,
        }
    }
}
