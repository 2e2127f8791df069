use fairlead_domain::access::ApiScope;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an API key may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ApiScope)]
pub(in crate::routes) enum ScopeName {
    #[serde(rename = "tenant:read")]
    TenantRead,
    #[serde(rename = "users:read")]
    UsersRead,
    #[serde(rename = "users:write")]
    UsersWrite,
    #[serde(rename = "leads:read")]
    LeadsRead,
    #[serde(rename = "leads:write")]
    LeadsWrite,
    #[serde(rename = "activities:read")]
    ActivitiesRead,
    #[serde(rename = "activities:write")]
    ActivitiesWrite,
    #[serde(rename = "carriers:read")]
    CarriersRead,
    #[serde(rename = "carriers:write")]
    CarriersWrite,
    #[serde(rename = "events:read")]
    EventsRead,
    #[serde(rename = "webhooks:manage")]
    WebhooksManage,
}

impl From<ApiScope> for ScopeName {
    fn from(scope: ApiScope) -> Self {
        match scope {
            ApiScope::TenantRead => Self::TenantRead,
            ApiScope::UsersRead => Self::UsersRead,
            ApiScope::UsersWrite => Self::UsersWrite,
            ApiScope::LeadsRead => Self::LeadsRead,
            ApiScope::LeadsWrite => Self::LeadsWrite,
            ApiScope::ActivitiesRead => Self::ActivitiesRead,
            ApiScope::ActivitiesWrite => Self::ActivitiesWrite,
            ApiScope::CarriersRead => Self::CarriersRead,
            ApiScope::CarriersWrite => Self::CarriersWrite,
            ApiScope::EventsRead => Self::EventsRead,
            ApiScope::WebhooksManage => Self::WebhooksManage,
        }
    }
}

impl From<ScopeName> for ApiScope {
    fn from(scope: ScopeName) -> Self {
        match scope {
            ScopeName::TenantRead => Self::TenantRead,
            ScopeName::UsersRead => Self::UsersRead,
            ScopeName::UsersWrite => Self::UsersWrite,
            ScopeName::LeadsRead => Self::LeadsRead,
            ScopeName::LeadsWrite => Self::LeadsWrite,
            ScopeName::ActivitiesRead => Self::ActivitiesRead,
            ScopeName::ActivitiesWrite => Self::ActivitiesWrite,
            ScopeName::CarriersRead => Self::CarriersRead,
            ScopeName::CarriersWrite => Self::CarriersWrite,
            ScopeName::EventsRead => Self::EventsRead,
            ScopeName::WebhooksManage => Self::WebhooksManage,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_written_as_the_domain_writes_them() {
        for scope in ApiScope::ALL {
            assert_eq!(
                serde_json::to_value(ScopeName::from(scope)).unwrap(),
                scope.as_str()
            );
        }
    }
}
