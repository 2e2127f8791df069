use std::collections::BTreeMap;
use std::net::IpAddr;

use actix_web::{HttpResponse, get, web};
use fairlead_domain::rate_limits::{Limit, LimitKey, Whose};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::Services;
use crate::authentication::Operator;
use crate::rate_limits::RateLimits;

/// Keys that are told of one by one.
const MOST_KEYS: usize = 20;

/// How often clients asked too often, as this process counts it since it began.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RateLimitUse, example = json!({
    "enabled": true, "enforcement": "refuse", "keys": 214, "maxKeys": 65_536, "refused": {"tenant": 18_212, "address": 3},
    "mostRefused": [
        {"limit": "tenant", "tenantId": "0192d3a4-0000-7000-8000-000000000001", "apiKeyId": null, "network": null, "refused": 18_212},
        {"limit": "address", "tenantId": null, "apiKeyId": null, "network": "203.0.113.7", "refused": 3},
    ],
}))]
struct RateLimitUseView {
    /// Whether limits are kept at all.
    enabled: bool,
    /// `refuse`, or `shadow`: counted, and let pass.
    enforcement: &'static str,
    /// Addresses, tenants, keys and operations of them that have used something up.
    keys: usize,
    /// How many of them are told apart.
    max_keys: usize,
    /// Requests beyond a limit, by its name; what did not happen is absent.
    refused: BTreeMap<&'static str, u64>,
    /// Those that asked too often most often, 20 at the most.
    most_refused: Vec<RefusedKeyView>,
}

/// One who asked too often. Whose it is says one of the three that are not `null`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RateLimitRefusedKey)]
struct RefusedKeyView {
    /// The limit's name.
    limit: &'static str,
    #[schema(required = true)]
    tenant_id: Option<Uuid>,
    #[schema(required = true)]
    api_key_id: Option<Uuid>,
    /// An address, or the first of a /64 network of IPv6.
    #[schema(required = true)]
    network: Option<String>,
    /// May be too high by a little, where very many were refused.
    refused: u64,
}

/// Tell who asks too often.
#[utoipa::path(
    tag = "platform",
    operation_id = "getRateLimitUse",
    responses((status = 200, description = "In this process, now.", body = RateLimitUseView)),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/rate-limits")]
pub(super) async fn rate_limits(services: web::Data<Services>, _operator: Operator) -> HttpResponse {
    let view = services.rate_limits.as_ref().map(RateLimitUseView::from);
    HttpResponse::Ok().json(view.unwrap_or_else(RateLimitUseView::off))
}

impl RateLimitUseView {
    fn off() -> Self {
        Self {
            enabled: false,
            enforcement: "refuse",
            keys: 0,
            max_keys: 0,
            refused: BTreeMap::new(),
            most_refused: Vec::new(),
        }
    }
}

impl From<&RateLimits> for RateLimitUseView {
    fn from(limits: &RateLimits) -> Self {
        let report = limits.limiter.report();
        let refused = Limit::ALL.map(|limit| (limit.name(), report.refused[limit.index()]));
        let most = limits.most_refused(MOST_KEYS).into_iter();
        Self {
            enabled: true,
            enforcement: limits.enforcement.as_str(),
            keys: report.keys,
            max_keys: report.capacity,
            refused: refused.into_iter().filter(|(_, count)| *count > 0).collect(),
            most_refused: most.map(RefusedKeyView::from).collect(),
        }
    }
}

impl From<(LimitKey, u64)> for RefusedKeyView {
    fn from((key, refused): (LimitKey, u64)) -> Self {
        let whose = key.whose();
        Self {
            limit: key.limit().name(),
            tenant_id: match whose {
                Whose::Tenant(tenant) => Some(tenant.as_uuid()),
                _ => None,
            },
            api_key_id: match whose {
                Whose::ApiKey(key) => Some(key.as_uuid()),
                _ => None,
            },
            network: match whose {
                Whose::Network(network) => Some(IpAddr::V6(network).to_canonical().to_string()),
                _ => None,
            },
            refused,
        }
    }
}
