use std::marker::PhantomData;

use super::{Actor, ChangeLeads, ExportLeads, ImportLeads, ScoreLeads, SystemScope, TenantScope};
use crate::identity::{TenantId, UserId};

/// Proof that a caller may do `A` in one tenant.
#[derive(Debug)]
pub struct Permit<A> {
    scope: TenantScope,
    actor: Actor,
    reach: Reach,
    _action: PhantomData<fn() -> A>,
}

/// Which leads a permit reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every lead of the tenant.
    All,
    /// Those assigned to this agent, or to nobody.
    OwnOrNobodys(UserId),
}

/// The caller may not do this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not permitted: {action}")]
pub struct Denied {
    pub action: &'static str,
}

impl<A> Permit<A> {
    pub(super) fn new(scope: TenantScope, actor: Actor, is_agent: bool) -> Self {
        let reach = match actor {
            Actor::User(user) if is_agent => Reach::OwnOrNobodys(user),
            _ => Reach::All,
        };
        Self {
            scope,
            actor,
            reach,
            _action: PhantomData,
        }
    }

    /// Lets the platform itself act in a tenant: imports by the command line, demo data.
    pub fn system(scope: &SystemScope, tenant: TenantId) -> Self {
        Self::new(scope.tenant(tenant), Actor::System, false)
    }

    pub fn scope(&self) -> &TenantScope {
        &self.scope
    }

    pub fn actor(&self) -> Actor {
        self.actor
    }

    pub fn reach(&self) -> Reach {
        self.reach
    }
}

impl Permit<ImportLeads> {
    /// Lets the platform go on with an import that `actor` was permitted to begin, in its name. Who may import reaches
    /// every lead.
    pub fn resumed(scope: &SystemScope, tenant: TenantId, actor: Actor) -> Self {
        Self::new(scope.tenant(tenant), actor, false)
    }
}

impl Permit<ExportLeads> {
    /// Lets the platform go on with an export that `actor` was permitted to begin, in its name. Who may export reaches
    /// every lead.
    pub fn resumed(scope: &SystemScope, tenant: TenantId, actor: Actor) -> Self {
        Self::new(scope.tenant(tenant), actor, false)
    }
}

impl Permit<ScoreLeads> {
    /// Lets the platform go on with a run that `actor` was permitted to begin, in its name. Who may have many leads scored
    /// reaches every lead.
    pub fn resumed(scope: &SystemScope, tenant: TenantId, actor: Actor) -> Self {
        Self::new(scope.tenant(tenant), actor, false)
    }

    /// Leave to change each of them.
    pub fn of_each(&self) -> Permit<ChangeLeads> {
        Permit::new(self.scope.clone(), self.actor, false)
    }
}

impl Reach {
    /// Whether a lead that is assigned to `assignee` is within reach.
    pub fn covers(self, assignee: Option<UserId>) -> bool {
        match self {
            Self::All => true,
            Self::OwnOrNobodys(user) => assignee.is_none_or(|assignee| assignee == user),
        }
    }
}
