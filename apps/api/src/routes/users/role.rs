use fairlead_domain::access::Role;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What a user is in its tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = Role)]
pub(in crate::routes) enum RoleName {
    Owner,
    Admin,
    Agent,
    Viewer,
}

impl From<Role> for RoleName {
    fn from(role: Role) -> Self {
        match role {
            Role::Owner => Self::Owner,
            Role::Admin => Self::Admin,
            Role::Agent => Self::Agent,
            Role::Viewer => Self::Viewer,
        }
    }
}

impl RoleName {
    /// As the domain parses it.
    pub(super) fn as_str(self) -> &'static str {
        let role = match self {
            Self::Owner => Role::Owner,
            Self::Admin => Role::Admin,
            Self::Agent => Role::Agent,
            Self::Viewer => Role::Viewer,
        };
        role.as_str()
    }
}
