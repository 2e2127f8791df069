use crate::identity::TenantId;

/// What tenants used and how they fared, in a period and in one of the same length before.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    pub tenants: Vec<TenantUse>,
    pub before: Vec<TenantUse>,
}

/// What one tenant used, by route.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantUse {
    pub tenant: TenantId,
    pub routes: Vec<RouteUse>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouteUse {
    pub route: String,
    pub requests: u64,
    /// What it took of the database, which all share.
    pub db_ms: f64,
    /// In how many milliseconds 95 of a hundred requests were answered.
    pub p95_ms: f64,
}

/// A tenant whose load slows others down.
#[derive(Clone, Debug, PartialEq)]
pub struct NoisyNeighbour {
    pub tenant: TenantId,
    /// Which share of the database's time is its, and how many times as much as before.
    pub share: f64,
    pub growth: Option<f64>,
    /// The route that takes most of it, and which share of the tenant's that is.
    pub route: String,
    pub route_share: f64,
    /// Who is slower for it; the one that suffers most first.
    pub victims: Vec<Victim>,
}

/// A tenant that is slower than it was, though it does not ask for more.
#[derive(Clone, Debug, PartialEq)]
pub struct Victim {
    pub tenant: TenantId,
    /// The route that became slower most, as time that its requests took in addition.
    pub route: String,
    pub requests: u64,
    pub p95_before_ms: f64,
    pub p95_ms: f64,
}
