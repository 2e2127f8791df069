use crate::identity::TenantId;

/// The rows a unit of work may see and change: those of one tenant, never more.
///
/// It cannot be made from a tenant's id, only taken from a verified caller or granted by the system:
///
/// ```compile_fail
/// use fairlead_domain::access::TenantScope;
/// use fairlead_domain::identity::TenantId;
///
/// fn forge(tenant: TenantId) -> TenantScope {
///     TenantScope { tenant }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantScope {
    tenant: TenantId,
}

impl TenantScope {
    pub(super) fn new(tenant: TenantId) -> Self {
        Self { tenant }
    }

    pub fn tenant(&self) -> TenantId {
        self.tenant
    }
}

/// Leave to do what is rightly cross-tenant: signing up and in, relaying, operator views.
///
/// It opens another kind of unit of work, with platform ports alone and a database role of its own.
#[derive(Clone, Debug)]
pub struct SystemScope {
    reason: &'static str,
}

impl SystemScope {
    /// States why the work is cross-tenant; the reason is part of the logs.
    pub fn new(reason: &'static str) -> Self {
        Self { reason }
    }

    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// Grants the rows of one tenant to work that the platform itself does there.
    pub fn tenant(&self, tenant: TenantId) -> TenantScope {
        TenantScope::new(tenant)
    }
}

/// Proof that the caller holds an operator's credential. Operators see the platform, not the tenants' rows.
#[derive(Clone, Debug)]
pub struct OperatorPermit {
    operator: String,
}

impl OperatorPermit {
    /// Made by HTTP authentication from a verified operator credential.
    pub fn from_verified(operator: String) -> Self {
        Self { operator }
    }

    pub fn operator(&self) -> &str {
        &self.operator
    }
}
