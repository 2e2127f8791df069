use time::OffsetDateTime;

use crate::access::{ApiScope, Role};
use crate::invalid::{Faults, Invalid};
use crate::text;
use crate::{Id, Revision};

/// A company that uses the platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tenant {
    pub id: TenantId,
    /// Names the tenant at login; unique over the platform.
    pub slug: String,
    pub name: String,
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

pub type TenantId = Id<Tenant>;

impl Tenant {
    pub fn revision(&self) -> Revision {
        Revision::made_at(self.version, self.updated_at)
    }
}

/// A person in a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    /// Lower case; unique in its tenant.
    pub email: String,
    pub name: String,
    pub role: Role,
    pub active: bool,
    /// Set when the user takes leads.
    pub agent: Option<AgentProfile>,
    pub version: i64,
    pub created_at: OffsetDateTime,
    pub updated_at: OffsetDateTime,
}

pub type UserId = Id<User>;

impl User {
    pub fn revision(&self) -> Revision {
        Revision::made_at(self.version, self.updated_at)
    }
}

/// What makes a user fit for a lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentProfile {
    /// Two-letter or full name, upper case; as in the leads' data.
    pub state: Option<String>,
    pub city: Option<String>,
    /// Lower case, sorted, without repeats; compared with a lead's insurance type.
    pub specializations: Vec<String>,
    /// 0 to 100.
    pub rating: i32,
    /// How many open leads the agent takes at the most.
    pub max_open_leads: i32,
    /// How many leads that are not closed are assigned to the agent now.
    pub open_leads: i32,
}

/// The part of an agent's profile that people set, as it came in.
#[derive(Clone, Debug, Default)]
pub struct RawAgentProfile {
    pub state: Option<String>,
    pub city: Option<String>,
    pub specializations: Vec<String>,
    pub rating: Option<i64>,
    pub max_open_leads: Option<i64>,
}

/// How many open leads an agent takes when nobody says.
pub const DEFAULT_MAX_OPEN_LEADS: i32 = 50;

impl AgentProfile {
    /// Parses a profile; `open_leads` is what the agent holds already.
    pub fn parse(raw: RawAgentProfile, open_leads: i32) -> Result<Self, Invalid> {
        let mut faults = Faults::default();
        let state = faults.keep_optional("agent.state", raw.state.map(|state| text::line(&state, 50)));
        let city = faults.keep_optional("agent.city", raw.city.map(|city| text::line(&city, 100)));
        if raw.specializations.len() > 50 {
            faults.add("agent.specializations", "must have at most 50 items");
        }
        let mut specializations: Vec<String> = raw
            .specializations
            .iter()
            .take(50)
            .filter_map(|word| faults.keep("agent.specializations", text::line(word, 100)))
            .map(|word| word.to_lowercase())
            .collect();
        specializations.sort_unstable();
        specializations.dedup();
        let rating = number(&mut faults, "agent.rating", raw.rating.unwrap_or(0), 100);
        let max_open_leads = number(
            &mut faults,
            "agent.maxOpenLeads",
            raw.max_open_leads.unwrap_or(DEFAULT_MAX_OPEN_LEADS.into()),
            100_000,
        );
        faults.finish()?;
        Ok(Self {
            state: state.map(|state| state.to_uppercase()),
            city,
            specializations,
            rating,
            max_open_leads,
            open_leads,
        })
    }
}

fn number(faults: &mut Faults, field: &'static str, value: i64, max: i32) -> i32 {
    match i32::try_from(value) {
        Ok(value) if (0..=max).contains(&value) => value,
        _ => {
            faults.add(field, format!("must be a whole number from 0 to {max}"));
            0
        }
    }
}

/// One login and all that followed from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub user: UserId,
    pub created_at: OffsetDateTime,
    pub expires_at: OffsetDateTime,
    pub revoked_at: Option<OffsetDateTime>,
}

pub type SessionId = Id<Session>;

/// Why a session ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    Logout,
    /// A refresh token came back after its use.
    Reuse,
    Deactivated,
    RoleChanged,
    PasswordChanged,
}

impl Revocation {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "LOGOUT",
            Self::Reuse => "REUSE",
            Self::Deactivated => "DEACTIVATED",
            Self::RoleChanged => "ROLE_CHANGED",
            Self::PasswordChanged => "PASSWORD_CHANGED",
        }
    }
}

/// A credential for machines. The secret itself is nowhere stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub name: String,
    /// The first characters of the key, to recognise it by.
    pub prefix: String,
    pub scopes: Vec<ApiScope>,
    pub created_by: UserId,
    pub created_at: OffsetDateTime,
    pub expires_at: Option<OffsetDateTime>,
    /// To the minute.
    pub last_used_at: Option<OffsetDateTime>,
    pub revoked_at: Option<OffsetDateTime>,
}

pub type ApiKeyId = Id<ApiKey>;

impl ApiKey {
    pub fn is_valid_at(&self, now: OffsetDateTime) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|expires_at| now < expires_at)
    }
}

/// A secret that was just made and is told once. It does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A password that a person chose: 10 to 128 characters.
#[derive(Clone, Debug)]
pub struct Password(Secret);

impl Password {
    pub const MIN: usize = 10;
    /// Longer ones are refused rather than cut, and cost no more to refuse than to count.
    pub const MAX: usize = 128;

    pub fn parse(password: String) -> Result<Self, InvalidPassword> {
        let characters = password.chars().take(Self::MAX + 1).count();
        if !(Self::MIN..=Self::MAX).contains(&characters) {
            return Err(InvalidPassword::Length);
        }
        let mut distinct: Vec<char> = password.chars().collect();
        distinct.sort_unstable();
        distinct.dedup();
        if distinct.len() < 4 {
            return Err(InvalidPassword::Monotonous);
        }
        Ok(Self(Secret::new(password)))
    }

    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPassword {
    #[error("must have {} to {} characters", Password::MIN, Password::MAX)]
    Length,
    #[error("must have at least 4 different characters")]
    Monotonous,
}

/// What a login, a refresh or a sign-up hands out.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access_token: Secret,
    pub refresh_token: Secret,
    pub expires_in: time::Duration,
}
