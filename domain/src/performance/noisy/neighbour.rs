use super::{NoisyNeighbour, RouteUse, TenantUse, Usage, Victim};
use crate::identity::TenantId;
use crate::performance::statistics::{real, real_u64, share};

/// From when on a tenant is noisy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// It takes this share of the database's time at least,
    pub share: f64,
    /// so many times what it would be, were all tenants alike, or this share where they are few,
    pub times_fair: f64,
    pub most_share: f64,
    /// and so many times what it took before.
    pub growth: f64,
    /// Others are slower by this factor and by so many milliseconds,
    pub slower: f64,
    pub slower_ms: f64,
    /// without asking so many times as often,
    pub asks_more: f64,
    /// in routes of which so many requests tell.
    pub fewest_requests: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            share: 0.3,
            times_fair: 2.0,
            most_share: 0.75,
            growth: 1.5,
            slower: 1.5,
            slower_ms: 5.0,
            asks_more: 1.2,
            fewest_requests: 20,
        }
    }
}

/// Finds the tenants that slow others down; the one that takes most first.
pub fn noisy_neighbours(usage: &Usage, bounds: &Bounds) -> Vec<NoisyNeighbour> {
    let total: f64 = usage.tenants.iter().map(db_ms).sum();
    let fair = 1.0 / real(usage.tenants.len().max(1));
    let mut found: Vec<NoisyNeighbour> = usage
        .tenants
        .iter()
        .filter_map(|tenant| {
            let taken = db_ms(tenant);
            let part = share(taken, total)?;
            let growth = before(usage, tenant.tenant).and_then(|before| share(taken, db_ms(before)));
            // Who was not there before has grown from nothing.
            let has_grown = growth.is_none_or(|growth| growth >= bounds.growth);
            let least = bounds
                .share
                .max((bounds.times_fair * fair).min(bounds.most_share));
            if part < least || !has_grown {
                return None;
            }
            let route = tenant
                .routes
                .iter()
                .max_by(|left, right| left.db_ms.total_cmp(&right.db_ms))?;
            let victims = victims(usage, bounds, tenant.tenant);
            (!victims.is_empty()).then(|| NoisyNeighbour {
                tenant: tenant.tenant,
                share: part,
                growth,
                route: route.route.clone(),
                route_share: share(route.db_ms, taken).unwrap_or_default(),
                victims,
            })
        })
        .collect();
    found.sort_by(|left, right| right.share.total_cmp(&left.share));
    found
}

fn victims(usage: &Usage, bounds: &Bounds, noisy: TenantId) -> Vec<Victim> {
    let mut victims: Vec<(f64, Victim)> = usage
        .tenants
        .iter()
        .filter(|tenant| tenant.tenant != noisy)
        .filter_map(|tenant| {
            let before = before(usage, tenant.tenant)?;
            if real_u64(requests(tenant)) > bounds.asks_more * real_u64(requests(before)) {
                return None;
            }
            let slower = tenant
                .routes
                .iter()
                .filter_map(|route| slower(bounds, tenant.tenant, before, route));
            slower.max_by(|left, right| left.0.total_cmp(&right.0))
        })
        .collect();
    victims.sort_by(|left, right| right.0.total_cmp(&left.0));
    victims.into_iter().map(|(_, victim)| victim).collect()
}

/// How much longer the requests of a route took, when they are slower.
fn slower(bounds: &Bounds, tenant: TenantId, before: &TenantUse, route: &RouteUse) -> Option<(f64, Victim)> {
    let was = before.routes.iter().find(|was| was.route == route.route)?;
    let is_enough = route.requests.min(was.requests) >= bounds.fewest_requests;
    let more = route.p95_ms - was.p95_ms;
    if !is_enough || more < bounds.slower_ms || route.p95_ms < bounds.slower * was.p95_ms {
        return None;
    }
    let victim = Victim {
        tenant,
        route: route.route.clone(),
        requests: route.requests,
        p95_before_ms: was.p95_ms,
        p95_ms: route.p95_ms,
    };
    Some((more * real_u64(route.requests), victim))
}

fn before(usage: &Usage, tenant: TenantId) -> Option<&TenantUse> {
    usage.before.iter().find(|before| before.tenant == tenant)
}

fn db_ms(tenant: &TenantUse) -> f64 {
    tenant.routes.iter().map(|route| route.db_ms).sum()
}

fn requests(tenant: &TenantUse) -> u64 {
    tenant.routes.iter().map(|route| route.requests).sum()
}
