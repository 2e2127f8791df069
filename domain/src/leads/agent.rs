use super::LoadConflict;
use crate::identity::UserId;
use crate::store::UnitOfWork;

/// Refuses whoever is not an active agent of the tenant: another tenant's user, somebody deactivated, nobody at all.
///
/// Asked before a lead is written that names the agent. Whether there is room is decided later, under the agent's lock.
pub(super) async fn require_agent(uow: &mut dyn UnitOfWork, agent: UserId) -> Result<(), LoadConflict> {
    let user = uow.users().find(agent).await?;
    match user {
        Some(user) if user.active && user.agent.is_some() => Ok(()),
        _ => Err(LoadConflict::NotAnAgent(agent)),
    }
}
