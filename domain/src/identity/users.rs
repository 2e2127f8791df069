use super::invite::is_owner;
use super::snapshot::UserSnapshot;
use super::{AgentProfile, RawAgentProfile, Revocation, User, UserId};
use crate::Expected;
use crate::access::{Actor, ManageUsers, Permit, Role};
use crate::events::{Aggregate, Recorded};
use crate::field::Change;
use crate::invalid::{Faults, Invalid};
use crate::store::{StoreError, UnitOfWork};
use crate::text;

/// A partial update of a user.
#[derive(Clone, Debug, Default)]
pub struct UpdateUser {
    pub name: Change<String>,
    pub role: Change<Role>,
    pub active: Change<bool>,
    /// `Set(None)` takes the profile away: the user takes no more leads.
    pub agent: Change<Option<AgentProfile>>,
}

impl UpdateUser {
    pub fn parse(
        name: Change<String>,
        role: Change<String>,
        active: Change<bool>,
        agent: Change<Option<RawAgentProfile>>,
    ) -> Result<Self, Invalid> {
        let mut faults = Faults::default();
        let name = faults
            .keep("name", name.try_map(|name| text::line(&name, 200)))
            .unwrap_or_default();
        let role =
            role.try_map(|role| Role::parse(&role).ok_or("must be one of OWNER, ADMIN, AGENT, VIEWER"));
        let role = faults.keep("role", role).unwrap_or_default();
        // How many leads the agent holds is filled in from the row, under its lock.
        let agent = agent.try_map(|agent| agent.map(|agent| AgentProfile::parse(agent, 0)).transpose());
        let agent = match agent {
            Ok(agent) => agent,
            Err(Invalid(of_agent)) => {
                faults.add_all(of_agent);
                Change::Keep
            }
        };
        faults.finish()?;
        Ok(Self {
            name,
            role,
            active,
            agent,
        })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum UpdateUserError {
    #[error("there is no such user")]
    NotFound,
    #[error("the user has changed since: its version is {current}")]
    Stale { current: i64 },
    #[error("only an owner changes an owner, or makes another one")]
    OwnersAlone,
    #[error("an API key changes agents and viewers alone, and makes nobody more")]
    PeopleAlone,
    #[error("a viewer changes no lead and takes none")]
    ViewerTakesNone,
    #[error("the tenant must keep an active owner who can log in")]
    LastOwner,
    #[error("the user still holds {open_leads} open leads; assign them to somebody else first")]
    HoldsLeads { open_leads: i32 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes a user. A change of role and a deactivation end the user's sessions at once.
pub async fn update_user(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ManageUsers>,
    id: UserId,
    expected: Expected,
    patch: UpdateUser,
) -> Result<User, UpdateUserError> {
    // The tenant's row first: it decides who is the last owner when two owners leave at once.
    uow.tenants().get_for_update().await?;
    let before = uow
        .users()
        .find_for_update(id)
        .await?
        .ok_or(UpdateUserError::NotFound)?;
    if !expected.matches(before.revision()) {
        return Err(UpdateUserError::Stale {
            current: before.version,
        });
    }
    let after = plan(&before, patch)?;
    if after == before {
        return Ok(before);
    }
    if (before.role == Role::Owner || after.role == Role::Owner) && !is_owner(uow, permit).await? {
        return Err(UpdateUserError::OwnersAlone);
    }
    if (before.role.is_privileged() || after.role.is_privileged())
        && matches!(permit.actor(), Actor::ApiKey(_))
    {
        return Err(UpdateUserError::PeopleAlone);
    }
    write(uow, permit, before, after).await
}

/// Deactivates a user: it cannot log in, its sessions are over, its name stays where it worked.
pub async fn deactivate_user(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ManageUsers>,
    id: UserId,
    expected: Expected,
) -> Result<(), UpdateUserError> {
    let patch = UpdateUser {
        active: Change::Set(false),
        ..UpdateUser::default()
    };
    update_user(uow, permit, id, expected, patch).await.map(drop)
}

fn plan(before: &User, patch: UpdateUser) -> Result<User, UpdateUserError> {
    let mut after = before.clone();
    patch.name.apply(&mut after.name);
    patch.role.apply(&mut after.role);
    patch.active.apply(&mut after.active);
    let open_leads = before.agent.as_ref().map_or(0, |agent| agent.open_leads);
    let asks_for_profile = matches!(patch.agent, Change::Set(Some(_)));
    if let Change::Set(agent) = patch.agent {
        if agent.is_none() && open_leads > 0 {
            return Err(UpdateUserError::HoldsLeads { open_leads });
        }
        after.agent = agent.map(|agent| AgentProfile { open_leads, ..agent });
    }
    // Who may change no lead takes none.
    if after.role == Role::Viewer && after.agent.is_some() {
        if asks_for_profile {
            return Err(UpdateUserError::ViewerTakesNone);
        }
        if open_leads > 0 {
            return Err(UpdateUserError::HoldsLeads { open_leads });
        }
        after.agent = None;
    }
    Ok(after)
}

async fn write(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ManageUsers>,
    before: User,
    mut after: User,
) -> Result<User, UpdateUserError> {
    let leaves_owners =
        before.role == Role::Owner && before.active && (after.role != Role::Owner || !after.active);
    if leaves_owners && uow.users().count_other_owners(after.id).await? == 0 {
        return Err(UpdateUserError::LastOwner);
    }
    after.updated_at = uow.now();
    uow.users().update(&after).await?;
    after.version += 1;

    let reason = match (before.active && !after.active, before.role != after.role) {
        (true, _) => Some(Revocation::Deactivated),
        (false, true) => Some(Revocation::RoleChanged),
        (false, false) => None,
    };
    if let Some(reason) = reason {
        uow.sessions().revoke_all(after.id, reason).await?;
    }
    uow.record(
        Recorded::new(
            "user_updated",
            Aggregate::User,
            after.id.as_uuid(),
            permit.actor(),
        )
        .before(&UserSnapshot::from(&before))
        .after(&UserSnapshot::from(&after)),
    );
    Ok(after)
}
