use std::hash::{Hash, Hasher};
use std::net::{IpAddr, Ipv6Addr};

use uuid::Uuid;

use super::{Limit, LimitedOperation};
use crate::Id;
use crate::access::TenantScope;
use crate::billing::Plan;
use crate::identity::{ApiKeyId, TenantId};
use crate::network::client_network;

/// Whose requests are counted, and for which limit.
#[derive(Clone, Copy, Debug)]
pub struct LimitKey {
    limit: Limit,
    whose: u128,
    /// How much there is; what is counted stays the same when it changes.
    plan: Plan,
}

impl LimitKey {
    pub fn address(address: IpAddr) -> Self {
        Self::new(Limit::Address, network(address))
    }

    pub fn operator_attempts(address: IpAddr) -> Self {
        Self::new(Limit::OperatorAttempts, network(address))
    }

    pub fn tenant(scope: &TenantScope) -> Self {
        Self::new(Limit::Tenant, scope.tenant().as_uuid().as_u128())
    }

    pub fn api_key(key: ApiKeyId) -> Self {
        Self::new(Limit::ApiKey, key.as_uuid().as_u128())
    }

    /// An operation, as a tenant asks for it.
    pub fn operation(operation: LimitedOperation, scope: &TenantScope) -> Self {
        Self::new(Limit::Operation(operation), scope.tenant().as_uuid().as_u128())
    }

    /// An operation, as strangers ask for it.
    pub fn operation_of_strangers(operation: LimitedOperation, address: IpAddr) -> Self {
        Self::new(Limit::Operation(operation), network(address))
    }

    const fn new(limit: Limit, whose: u128) -> Self {
        Self {
            limit,
            whose,
            plan: Plan::Free,
        }
    }

    /// The same of a tenant that has this plan.
    #[must_use]
    pub const fn under(self, plan: Plan) -> Self {
        Self { plan, ..self }
    }

    pub const fn plan(&self) -> Plan {
        self.plan
    }

    pub const fn limit(&self) -> Limit {
        self.limit
    }

    pub const fn whose(&self) -> Whose {
        match self.limit {
            Limit::Address | Limit::OperatorAttempts => Whose::Network(Ipv6Addr::from_bits(self.whose)),
            Limit::Operation(operation) if operation.is_for_strangers() => {
                Whose::Network(Ipv6Addr::from_bits(self.whose))
            }
            Limit::Tenant | Limit::Operation(_) => Whose::Tenant(Id::from_uuid(Uuid::from_u128(self.whose))),
            Limit::ApiKey => Whose::ApiKey(Id::from_uuid(Uuid::from_u128(self.whose))),
        }
    }
}

/// Who is counted as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// An address, or the network of one of IPv6.
    Network(Ipv6Addr),
    Tenant(TenantId),
    ApiKey(ApiKeyId),
}

impl PartialEq for LimitKey {
    fn eq(&self, other: &Self) -> bool {
        (self.limit, self.whose) == (other.limit, other.whose)
    }
}

impl Eq for LimitKey {}

/// Asked for with each request, so no more is hashed than tells keys apart.
impl Hash for LimitKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_usize(self.limit.index());
        state.write_u128(self.whose);
    }
}

fn network(address: IpAddr) -> u128 {
    match client_network(address) {
        // As IPv6 writes it, where it is no network of IPv6.
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}
