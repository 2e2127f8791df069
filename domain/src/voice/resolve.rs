use super::{VoiceAction, VoiceCommand, VoiceError, Whom};
use crate::access::{AssignLeads, Caller, ChangeLeads, Reach, ViewLeads, WriteActivities};
use crate::activities::LogActivityError;
use crate::identity::User;
use crate::leads::{Assignee, Lead, SearchText, UpdateLeadError};
use crate::store::UnitOfWork;

/// How many things a caller is asked to choose from.
pub const MAX_CHOICES: usize = 5;

/// What words mean.
#[derive(Clone, Debug)]
pub enum Resolved {
    /// To be done.
    Clear(VoiceAction),
    /// To be done when the caller says so once more: one of these.
    Doubtful {
        why: Vec<Doubt>,
        choices: Vec<VoiceAction>,
    },
}

/// Why something is not done at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    ClosesLead,
    TakesLeadFromAgent,
    SeveralLeadsMatch,
    SeveralAgentsMatch,
}

impl Doubt {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClosesLead => "closes-lead",
            Self::TakesLeadFromAgent => "takes-lead-from-agent",
            Self::SeveralLeadsMatch => "several-leads-match",
            Self::SeveralAgentsMatch => "several-agents-match",
        }
    }
}

/// Finds out what is meant, in the caller's tenant. Who may not do it is told so before anything is looked up.
pub async fn resolve(
    uow: &mut dyn UnitOfWork,
    caller: &Caller,
    command: VoiceCommand,
) -> Result<Resolved, VoiceError> {
    match command {
        VoiceCommand::CreateLead(draft) => {
            caller.permit::<ChangeLeads>()?;
            Ok(Resolved::Clear(VoiceAction::CreateLead(draft)))
        }
        VoiceCommand::AddNote { lead, text } => {
            let reach = caller.permit::<WriteActivities>()?.reach();
            let leads = leads_named(uow, &lead, reach, LogActivityError::OutOfReach.into()).await?;
            let notes = leads.into_iter().map(|lead| VoiceAction::AddNote {
                lead: lead.into(),
                text: text.clone(),
            });
            Ok(judged(notes.collect(), Vec::new()))
        }
        VoiceCommand::ChangeStatus { lead, status } => {
            let reach = caller.permit::<ChangeLeads>()?.reach();
            let leads = leads_named(uow, &lead, reach, UpdateLeadError::OutOfReach.into()).await?;
            // What cannot be done is not asked about.
            if let [only] = leads.as_slice() {
                only.status.transition(status).map_err(UpdateLeadError::from)?;
            }
            let closes = !status.is_open() && leads.iter().any(|lead| lead.status != status);
            let changes = leads.into_iter().map(|lead| VoiceAction::ChangeStatus {
                lead: lead.into(),
                status,
            });
            let doubts = closes.then_some(Doubt::ClosesLead);
            Ok(judged(changes.collect(), doubts.into_iter().collect()))
        }
        VoiceCommand::Assign { lead, to } => {
            let reach = caller.permit::<AssignLeads>()?.reach();
            let leads = leads_named(uow, &lead, reach, UpdateLeadError::OutOfReach.into()).await?;
            let agents = assignees(uow, caller, to).await?;
            Ok(assignments(caller, &leads, &agents))
        }
        VoiceCommand::Search(text) => {
            caller.permit::<ViewLeads>()?;
            Ok(Resolved::Clear(VoiceAction::Search(text)))
        }
        VoiceCommand::Statistics => {
            caller.permit::<ViewLeads>()?;
            Ok(Resolved::Clear(VoiceAction::Statistics))
        }
    }
}

fn judged(mut choices: Vec<VoiceAction>, mut why: Vec<Doubt>) -> Resolved {
    if choices.len() > 1 {
        why.insert(0, Doubt::SeveralLeadsMatch);
    }
    match choices.pop() {
        Some(only) if why.is_empty() => Resolved::Clear(only),
        last => {
            choices.extend(last);
            choices.truncate(MAX_CHOICES);
            Resolved::Doubtful { why, choices }
        }
    }
}

fn assignments(caller: &Caller, leads: &[Lead], agents: &[(Assignee, Option<String>)]) -> Resolved {
    let mut why = Vec::new();
    if leads.len() > 1 {
        why.push(Doubt::SeveralLeadsMatch);
    }
    if agents.len() > 1 {
        why.push(Doubt::SeveralAgentsMatch);
    }
    let is_anothers = |lead: &Lead| {
        let holder = lead
            .assigned_to
            .filter(|holder| Some(*holder) != caller.actor().user());
        holder.is_some_and(|holder| {
            agents
                .iter()
                .any(|(assignee, _)| *assignee != Assignee::Agent(holder))
        })
    };
    if leads.iter().any(is_anothers) {
        why.push(Doubt::TakesLeadFromAgent);
    }
    let mut choices: Vec<VoiceAction> = leads
        .iter()
        .flat_map(|lead| {
            agents.iter().map(|(assignee, name)| VoiceAction::Assign {
                lead: lead.clone().into(),
                assignee: *assignee,
                agent_name: name.clone(),
            })
        })
        .collect();
    if why.is_empty() && choices.len() == 1 {
        return Resolved::Clear(choices.remove(0));
    }
    choices.truncate(MAX_CHOICES);
    Resolved::Doubtful { why, choices }
}

/// The leads that a name may mean: of those within reach, all that are called exactly so, or else all that match.
async fn leads_named(
    uow: &mut dyn UnitOfWork,
    name: &str,
    reach: Reach,
    out_of_reach: VoiceError,
) -> Result<Vec<Lead>, VoiceError> {
    let text = SearchText::parse(name).map_err(|_| VoiceError::NoSuchLead)?;
    // More than are shown, because some may be out of reach.
    let found = uow.leads().search(&text, 50).await?;
    if found.is_empty() {
        return Err(VoiceError::NoSuchLead);
    }
    let mut leads: Vec<Lead> = found
        .into_iter()
        .map(|(lead, _rank)| lead)
        .filter(|lead| reach.covers(lead.assigned_to))
        .collect();
    if leads.is_empty() {
        return Err(out_of_reach);
    }
    keep_exact(&mut leads, name, |lead| &lead.name);
    Ok(leads)
}

/// Whom a lead may be meant to go to, with their names.
async fn assignees(
    uow: &mut dyn UnitOfWork,
    caller: &Caller,
    to: Whom,
) -> Result<Vec<(Assignee, Option<String>)>, VoiceError> {
    let name = match to {
        Whom::Nobody => return Ok(vec![(Assignee::Nobody, None)]),
        Whom::Best => return Ok(vec![(Assignee::Automatic, None)]),
        Whom::Me => {
            let me = caller.actor().user().ok_or(VoiceError::NobodyIsMe)?;
            return Ok(vec![(Assignee::Agent(me), None)]);
        }
        Whom::Named(name) => name,
    };
    let text = SearchText::parse(&name).map_err(|_| VoiceError::NoSuchAgent)?;
    let limit = u32::try_from(MAX_CHOICES).unwrap_or(u32::MAX) + 1;
    let mut agents: Vec<User> = uow.users().find_agents_named(text.words(), limit).await?;
    keep_exact(&mut agents, &name, |agent| &agent.name);
    if agents.is_empty() {
        return Err(VoiceError::NoSuchAgent);
    }
    let named = |agent: User| (Assignee::Agent(agent.id), Some(agent.name));
    Ok(agents.into_iter().map(named).collect())
}

/// Whoever is called exactly so is meant, if anybody is.
fn keep_exact<T>(all: &mut Vec<T>, said: &str, name: impl Fn(&T) -> &str) {
    let said = said.to_lowercase();
    let is_exact = |one: &T| name(one).to_lowercase() == said;
    if all.iter().any(is_exact) {
        all.retain(is_exact);
    }
}
