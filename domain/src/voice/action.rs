use super::{CommandType, VoiceError};
use crate::Expected;
use crate::access::{AssignLeads, Caller, ChangeLeads, ViewLeads, WriteActivities};
use crate::activities::{self, Activity, ActivityDraft, ActivityKind};
use crate::field::Change;
use crate::leads::{
    self, AssignError, AssignLead, Assignee, Lead, LeadDraft, LeadId, LeadPatch, SearchText, Statistics,
    Status, UpdateLeadError,
};
use crate::store::{StoreError, UnitOfWork};

/// How many leads a search by voice shows.
const FOUND: u32 = 10;

/// Something to be done, to things that are known.
#[derive(Clone, Debug, PartialEq)]
pub enum VoiceAction {
    CreateLead(Box<LeadDraft>),
    AddNote {
        lead: TheLead,
        text: String,
    },
    ChangeStatus {
        lead: TheLead,
        status: Status,
    },
    Assign {
        lead: TheLead,
        assignee: Assignee,
        /// Of the agent, if one was named.
        agent_name: Option<String>,
    },
    Search(SearchText),
    Statistics,
}

/// A lead as it was when it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TheLead {
    pub id: LeadId,
    pub name: String,
    pub version: i64,
}

impl From<Lead> for TheLead {
    fn from(lead: Lead) -> Self {
        Self {
            id: lead.id,
            name: lead.name,
            version: lead.version,
        }
    }
}

/// What was done, or found.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// As it is now.
    Lead(Box<Lead>),
    Activity(Activity),
    Leads(Vec<Lead>),
    Statistics(Statistics),
}

impl VoiceAction {
    pub fn kind(&self) -> CommandType {
        match self {
            Self::CreateLead(_) => CommandType::CreateLead,
            Self::AddNote { .. } => CommandType::AddNote,
            Self::ChangeStatus { .. } => CommandType::ChangeStatus,
            Self::Assign { .. } => CommandType::Assign,
            Self::Search(_) => CommandType::Search,
            Self::Statistics => CommandType::Statistics,
        }
    }
}

/// Does something, as far as the caller may. A lead that has changed since it was found is left as it is.
pub async fn execute(
    uow: &mut dyn UnitOfWork,
    caller: &Caller,
    action: VoiceAction,
) -> Result<Outcome, VoiceError> {
    Ok(match action {
        VoiceAction::CreateLead(draft) => {
            let permit = caller.permit::<ChangeLeads>()?;
            Outcome::Lead(Box::new(leads::create(uow, &permit, *draft).await?))
        }
        VoiceAction::AddNote { lead, text } => {
            let permit = caller.permit::<WriteActivities>()?;
            let draft = ActivityDraft {
                kind: ActivityKind::Note,
                subject: None,
                body: Some(text),
                occurred_at: None,
            };
            Outcome::Activity(activities::log(uow, &permit, lead.id, draft).await?)
        }
        VoiceAction::ChangeStatus { lead, status } => {
            let permit = caller.permit::<ChangeLeads>()?;
            let patch = LeadPatch {
                status: Change::Set(status),
                ..LeadPatch::default()
            };
            let expected = Expected::Version(lead.version);
            let lead = leads::update(uow, &permit, lead.id, expected, patch).await?;
            Outcome::Lead(Box::new(lead))
        }
        VoiceAction::Assign { lead, assignee, .. } => {
            let permit = caller.permit::<AssignLeads>()?;
            let cmd = AssignLead {
                lead: lead.id,
                assignee,
                expected: Expected::Version(lead.version),
            };
            Outcome::Lead(Box::new(leads::assign(uow, &permit, cmd).await?))
        }
        VoiceAction::Search(text) => {
            caller.permit::<ViewLeads>()?;
            let found = uow.leads().search(&text, FOUND).await?;
            Outcome::Leads(found.into_iter().map(|(lead, _rank)| lead).collect())
        }
        VoiceAction::Statistics => {
            caller.permit::<ViewLeads>()?;
            let now = uow.now();
            Outcome::Statistics(uow.leads().statistics(now).await?)
        }
    })
}

impl VoiceError {
    /// The same, of what was found a moment ago: whoever changed it meanwhile was faster, and the caller may try again.
    #[must_use]
    pub fn of_now(self) -> Self {
        match self {
            Self::Update(UpdateLeadError::Stale { .. })
            | Self::Assign(AssignError::Update(UpdateLeadError::Stale { .. })) => {
                Self::Store(StoreError::Contended)
            }
            other => other,
        }
    }
}
