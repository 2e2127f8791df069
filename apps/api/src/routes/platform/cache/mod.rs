//! The cache of answers, as operators see it. The figures are those of the process that answers.

mod clear;
mod explain;
mod hit_rate;
mod invalidate;
mod metrics;
mod pattern;
mod tenant;
mod view;
mod warm;

pub use warm::WarmTurn;

use fairlead_domain::access::SystemScope;
use fairlead_domain::cache::CacheControl;
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::StoreError;
use utoipa_actix_web::service_config::ServiceConfig;

use crate::Services;
use crate::problem::{Kind, Problem};
use crate::spec::Problematic;

pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .service(metrics::metrics)
        .service(hit_rate::hit_rate)
        .service(explain::explain)
        .service(invalidate::invalidate)
        .service(clear::clear)
        .service(tenant::stats)
        .service(tenant::clear)
        .service(warm::warm)
        .service(warm::earnings);
}

/// There is no cache to look at.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("this process keeps no answers: cache.responses.enabled is false")]
struct NoCache;

impl From<NoCache> for Problem {
    fn from(error: NoCache) -> Self {
        Self::client(Kind::Conflict, error.to_string())
    }
}

impl Problematic for NoCache {
    const KINDS: &'static [Kind] = &[Kind::Conflict];
}

/// Whether there is such a tenant. One that there is not was most likely mistyped: an operator who is told that its
/// answers were dropped, or loaded, believes it.
#[expect(
    clippy::disallowed_methods,
    reason = "operators see the platform across tenants"
)]
async fn is_known(services: &Services, tenant: TenantId) -> Result<bool, StoreError> {
    let scope = SystemScope::new("operator: see to the answers of a tenant");
    let mut uow = services.system.begin(&scope).await?;
    Ok(uow.accounts().find_owner(tenant).await?.is_some())
}

fn control(services: &Services) -> Result<&dyn CacheControl, NoCache> {
    services.cache_control.as_deref().ok_or(NoCache)
}
