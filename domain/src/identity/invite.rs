use time::{Duration, OffsetDateTime};

use super::snapshot::UserSnapshot;
use super::{AgentProfile, RawAgentProfile, Secret, SecretKind, Secrets, User, UserConflict};
use crate::Id;
use crate::access::{Actor, ManageUsers, Permit, Role};
use crate::events::{Aggregate, Recorded};
use crate::invalid::{Faults, Invalid};
use crate::store::{StoreError, UnitOfWork};
use crate::text::{self, Email};

/// How many users a tenant may have.
pub const MAX_USERS: u64 = 10_000;

/// Somebody who is to join the tenant.
#[derive(Clone, Debug)]
pub struct InviteUser {
    /// Lower case.
    pub email: String,
    pub name: String,
    pub role: Role,
    pub agent: Option<AgentProfile>,
}

impl InviteUser {
    /// An agent without a profile gets one with the defaults.
    pub fn parse(
        email: &str,
        name: &str,
        role: &str,
        agent: Option<RawAgentProfile>,
    ) -> Result<Self, Invalid> {
        let mut faults = Faults::default();
        let email = faults.keep("email", Email::parse(email));
        let name = faults.keep("name", text::line(name, 200));
        let role = Role::parse(role);
        if role.is_none() {
            faults.add("role", "must be one of OWNER, ADMIN, AGENT, VIEWER");
        }
        if agent.is_some() && role == Some(Role::Viewer) {
            faults.add("agent", "a viewer changes no lead and takes none");
        }
        let agent = match (agent, role) {
            (None, Some(Role::Agent)) => Some(RawAgentProfile::default()),
            (agent, _) => agent,
        };
        let agent = agent.map(|agent| AgentProfile::parse(agent, 0)).transpose();
        if let Err(Invalid(of_agent)) = &agent {
            faults.add_all(of_agent.iter().cloned());
        }
        faults.finish()?;
        match (email, name, role, agent) {
            (Some(email), Some(name), Some(role), Ok(agent)) => Ok(Self {
                email: email.normalized(),
                name,
                role,
                agent,
            }),
            _ => unreachable!("a field that is missing is a fault"),
        }
    }
}

/// What the invited person needs to choose a password; told once.
#[derive(Clone, Debug)]
pub struct Invitation {
    pub token: Secret,
    pub expires_at: OffsetDateTime,
}

#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    #[error("the tenant already has a user with this e-mail address")]
    EmailTaken,
    #[error("a tenant has at most {MAX_USERS} users")]
    TooManyUsers,
    #[error("only an owner makes another one")]
    OwnersAlone,
    #[error("an API key invites agents and viewers alone")]
    PeopleAlone,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Adds a user who can log in once the invitation is accepted.
pub async fn invite(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ManageUsers>,
    secrets: &dyn Secrets,
    lifetime: Duration,
    cmd: InviteUser,
) -> Result<(User, Invitation), InviteError> {
    if cmd.role == Role::Owner && !is_owner(uow, permit).await? {
        return Err(InviteError::OwnersAlone);
    }
    if cmd.role.is_privileged() && matches!(permit.actor(), Actor::ApiKey(_)) {
        return Err(InviteError::PeopleAlone);
    }
    // The tenant's row is locked while its users are counted, or two invitations would both see the last free place.
    uow.tenants().get_for_update().await?;
    if uow.users().count().await? >= MAX_USERS {
        return Err(InviteError::TooManyUsers);
    }
    let user = User {
        id: Id::from_uuid(uow.next_id()),
        email: cmd.email,
        name: cmd.name,
        role: cmd.role,
        active: true,
        agent: cmd.agent,
        version: 1,
        created_at: uow.now(),
        updated_at: uow.now(),
    };
    match uow.users().insert(&user).await {
        Ok(()) => {}
        Err(UserConflict::EmailTaken) => return Err(InviteError::EmailTaken),
        Err(UserConflict::Store(error)) => return Err(error.into()),
    }
    let token = secrets.make(SecretKind::Invitation, Some(uow.tenant()), None);
    let expires_at = uow.now() + lifetime;
    uow.users()
        .insert_invitation(&user, &secrets.hash(token.expose()), expires_at)
        .await?;
    uow.record(
        Recorded::new("user_invited", Aggregate::User, user.id.as_uuid(), permit.actor())
            .after(&UserSnapshot::from(&user)),
    );
    Ok((user, Invitation { token, expires_at }))
}

/// Whether the caller is an owner now; the token may be older than its last change of role.
pub(super) async fn is_owner(
    uow: &mut dyn UnitOfWork,
    permit: &Permit<ManageUsers>,
) -> Result<bool, StoreError> {
    let Some(user) = permit.actor().user() else {
        return Ok(false);
    };
    Ok(uow
        .users()
        .find(user)
        .await?
        .is_some_and(|user| user.role == Role::Owner))
}
