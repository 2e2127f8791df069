use super::{ApiScope, Role};

/// Something that needs permission.
pub trait Action {
    const RULE: Rule;
}

/// One row of the policy table.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub name: &'static str,
    /// The roles that may.
    pub roles: &'static [Role],
    /// What an API key needs; `None`: no key may, people only.
    pub scope: Option<ApiScope>,
}

const EVERYONE: &[Role] = &[Role::Owner, Role::Admin, Role::Agent, Role::Viewer];
const WORKERS: &[Role] = &[Role::Owner, Role::Admin, Role::Agent];
const OWNERS: &[Role] = &[Role::Owner];
const ADMINS: &[Role] = &[Role::Owner, Role::Admin];

macro_rules! policy {
    ($($(#[$doc:meta])* $action:ident: $roles:ident, $scope:expr;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub struct $action;

            impl Action for $action {
                const RULE: Rule = Rule { name: stringify!($action), roles: $roles, scope: $scope };
            }
        )*

        /// The whole table, for documents and tests.
        pub const POLICY: &[Rule] = &[$($action::RULE),*];
    };
}

policy! {
    /// Read the tenant, its limits and its usage.
    ViewTenant: EVERYONE, Some(ApiScope::TenantRead);
    /// Rename the tenant.
    ManageTenant: ADMINS, None;
    /// List, create and revoke API keys.
    ManageApiKeys: ADMINS, None;
    /// Read users and agents.
    ViewUsers: EVERYONE, Some(ApiScope::UsersRead);
    /// Invite users, change their role, deactivate them.
    ManageUsers: ADMINS, Some(ApiScope::UsersWrite);
    /// Read, search and count leads.
    ViewLeads: EVERYONE, Some(ApiScope::LeadsRead);
    /// Create and change leads; an agent only its own and nobody's.
    ChangeLeads: WORKERS, Some(ApiScope::LeadsWrite);
    /// Assign leads to agents; an agent only its own and nobody's.
    AssignLeads: WORKERS, Some(ApiScope::LeadsWrite);
    /// Delete leads with their activities.
    DeleteLeads: ADMINS, Some(ApiScope::LeadsWrite);
    /// Import leads from a file.
    ImportLeads: ADMINS, Some(ApiScope::LeadsWrite);
    /// Export all leads.
    ExportLeads: ADMINS, Some(ApiScope::LeadsRead);
    /// Have many leads scored, which is paid for.
    ScoreLeads: ADMINS, Some(ApiScope::LeadsWrite);
    /// Read activities.
    ViewActivities: EVERYONE, Some(ApiScope::ActivitiesRead);
    /// Write activities; an agent on leads within its reach, and change only its own.
    WriteActivities: WORKERS, Some(ApiScope::ActivitiesWrite);
    /// Follow the log of events: all that happened in the tenant, with the data of those it happened to.
    ViewEvents: ADMINS, Some(ApiScope::EventsRead);
    /// Read carriers.
    ViewCarriers: EVERYONE, Some(ApiScope::CarriersRead);
    /// Create, change and delete carriers.
    ManageCarriers: ADMINS, Some(ApiScope::CarriersWrite);
    /// See, create, change and delete webhooks: whoever may can have all events of the tenant sent anywhere.
    ManageWebhooks: ADMINS, Some(ApiScope::WebhooksManage);
    /// Subscribe to a plan, and so have the tenant charged.
    ManageBilling: OWNERS, None;
}
