use std::fmt;

use super::policy::Action;
use super::{Denied, Permit, TenantScope};
use crate::identity::{ApiKeyId, SessionId, TenantId, UserId};

/// What a user is in its tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    Owner,
    Admin,
    Agent,
    Viewer,
}

impl Role {
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Agent, Self::Viewer];

    /// Whether the role manages users and keys: what a machine may neither become nor make.
    pub fn is_privileged(self) -> bool {
        matches!(self, Self::Owner | Self::Admin)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "OWNER",
            Self::Admin => "ADMIN",
            Self::Agent => "AGENT",
            Self::Viewer => "VIEWER",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    User(UserId),
    ApiKey(ApiKeyId),
    /// The platform itself, on a tenant's behalf.
    System,
}

impl Actor {
    /// The user who acts, if it is one.
    pub fn user(self) -> Option<UserId> {
        match self {
            Self::User(user) => Some(user),
            Self::ApiKey(_) | Self::System => None,
        }
    }

    /// Reads what `Display` writes.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':') {
            Some(("user", id)) => id.parse().ok().map(Self::User),
            Some(("api-key", id)) => id.parse().ok().map(Self::ApiKey),
            _ => (text == "system").then_some(Self::System),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::ApiKey(id) => write!(f, "api-key:{id}"),
            Self::System => f.write_str("system"),
        }
    }
}

/// What authentication established.
#[derive(Clone, Debug)]
pub enum VerifiedIdentity {
    User {
        tenant: TenantId,
        user: UserId,
        session: SessionId,
        role: Role,
    },
    ApiKey {
        tenant: TenantId,
        key: ApiKeyId,
        scopes: Vec<ApiScope>,
    },
}

/// Someone who has proved who it is, in one tenant.
#[derive(Clone, Debug)]
pub struct Caller {
    scope: TenantScope,
    identity: VerifiedIdentity,
}

impl Caller {
    /// Made from verified input in two places alone: HTTP authentication and message envelopes.
    pub fn from_verified(identity: VerifiedIdentity) -> Self {
        let (VerifiedIdentity::User { tenant, .. } | VerifiedIdentity::ApiKey { tenant, .. }) = identity;
        Self {
            scope: TenantScope::new(tenant),
            identity,
        }
    }

    pub fn scope(&self) -> &TenantScope {
        &self.scope
    }

    pub fn actor(&self) -> Actor {
        match self.identity {
            VerifiedIdentity::User { user, .. } => Actor::User(user),
            VerifiedIdentity::ApiKey { key, .. } => Actor::ApiKey(key),
        }
    }

    /// The login session behind the request; an API key has none.
    pub fn session(&self) -> Option<SessionId> {
        match self.identity {
            VerifiedIdentity::User { session, .. } => Some(session),
            VerifiedIdentity::ApiKey { .. } => None,
        }
    }

    pub fn identity(&self) -> &VerifiedIdentity {
        &self.identity
    }

    /// Looks `A` up in the one policy table.
    pub fn permit<A: Action>(&self) -> Result<Permit<A>, Denied> {
        let rule = A::RULE;
        let (allowed, agent) = match &self.identity {
            VerifiedIdentity::User { role, .. } => (rule.roles.contains(role), *role == Role::Agent),
            VerifiedIdentity::ApiKey { scopes, .. } => {
                (rule.scope.is_some_and(|scope| scopes.contains(&scope)), false)
            }
        };
        if allowed {
            Ok(Permit::new(self.scope.clone(), self.actor(), agent))
        } else {
            Err(Denied { action: rule.name })
        }
    }
}

/// What an API key may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ApiScope {
    TenantRead,
    UsersRead,
    UsersWrite,
    LeadsRead,
    LeadsWrite,
    ActivitiesRead,
    ActivitiesWrite,
    CarriersRead,
    CarriersWrite,
    EventsRead,
    WebhooksManage,
}

impl ApiScope {
    pub const ALL: [Self; 11] = [
        Self::TenantRead,
        Self::UsersRead,
        Self::UsersWrite,
        Self::LeadsRead,
        Self::LeadsWrite,
        Self::ActivitiesRead,
        Self::ActivitiesWrite,
        Self::CarriersRead,
        Self::CarriersWrite,
        Self::EventsRead,
        Self::WebhooksManage,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::TenantRead => "tenant:read",
            Self::UsersRead => "users:read",
            Self::UsersWrite => "users:write",
            Self::LeadsRead => "leads:read",
            Self::LeadsWrite => "leads:write",
            Self::ActivitiesRead => "activities:read",
            Self::ActivitiesWrite => "activities:write",
            Self::CarriersRead => "carriers:read",
            Self::CarriersWrite => "carriers:write",
            Self::EventsRead => "events:read",
            Self::WebhooksManage => "webhooks:manage",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}
