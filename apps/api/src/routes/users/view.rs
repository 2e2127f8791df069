use fairlead_domain::Revision;
use fairlead_domain::identity::User;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::agent::AgentView;
use super::role::RoleName;
use crate::conditional::EntityTag;
use crate::fields::Projected;

/// A person in the tenant.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = User, example = json!({
    "id": "01934f6e-7b1a-7cc3-98a4-0242ac120002", "email": "ann@example.com", "name": "Ann Lee", "role": "AGENT",
    "active": true, "agent": {
        "state": "TX", "city": "Austin", "specializations": ["auto", "home"], "rating": 90, "maxOpenLeads": 40,
        "openLeads": 12,
    }, "version": 3, "createdAt": "2026-11-20T09:30:00Z", "updatedAt": "2026-11-20T09:30:00Z",
}))]
pub(crate) struct UserView {
    id: Uuid,
    /// Lower case; unique in the tenant.
    #[schema(format = Email)]
    email: String,
    name: String,
    role: RoleName,
    /// Whether the user may log in.
    active: bool,
    /// Set when the user takes leads.
    #[schema(required = true)]
    agent: Option<AgentView>,
    /// One more with each change.
    #[schema(minimum = 1)]
    version: i64,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

impl UserView {
    /// How many leads an agent holds changes without a new version, so it is part of the tag.
    pub(super) fn tag(&self) -> EntityTag {
        let tag = EntityTag::of(Revision::made_at(self.version, self.updated_at));
        match &self.agent {
            Some(agent) => tag.variant(&agent.open_leads.to_string()),
            None => tag,
        }
    }
}

impl Projected for UserView {
    const FIELDS: &'static [&'static str] = &[
        "id",
        "email",
        "name",
        "role",
        "active",
        "agent",
        "version",
        "createdAt",
        "updatedAt",
    ];
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id.as_uuid(),
            email: user.email,
            name: user.name,
            role: user.role.into(),
            active: user.active,
            agent: user.agent.map(AgentView::from),
            version: user.version,
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}
