use fairlead_domain::carriers::Carrier;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::body::{StatusName, TierName};
use crate::fields::Projected;

/// An insurance company that the tenant sells for.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Carrier, example = json!({
    "id": "01934f6e-7b1a-7cc3-98a4-0242ac120002", "name": "Acme Mutual", "active": true,
    "partnershipStatus": "ACTIVE", "partnershipTier": "GOLD", "performanceScore": 87, "version": 1,
    "createdAt": "2026-11-20T09:30:00Z", "updatedAt": "2026-11-20T09:30:00Z",
}))]
pub(crate) struct CarrierView {
    pub(super) id: Uuid,
    pub(super) name: String,
    pub(super) active: bool,
    pub(super) partnership_status: StatusName,
    pub(super) partnership_tier: TierName,
    #[schema(minimum = 0, maximum = 100)]
    pub(super) performance_score: i32,
    /// One more with each change; its `ETag`.
    #[schema(minimum = 1)]
    pub(super) version: i64,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) updated_at: OffsetDateTime,
}

impl Projected for CarrierView {
    const FIELDS: &'static [&'static str] = &[
        "id",
        "name",
        "active",
        "partnershipStatus",
        "partnershipTier",
        "performanceScore",
        "version",
        "createdAt",
        "updatedAt",
    ];
}

impl From<Carrier> for CarrierView {
    fn from(carrier: Carrier) -> Self {
        Self {
            id: carrier.id.as_uuid(),
            name: carrier.name,
            active: carrier.active,
            partnership_status: carrier.partnership_status.into(),
            partnership_tier: carrier.partnership_tier.into(),
            performance_score: carrier.performance_score,
            version: carrier.version,
            created_at: carrier.created_at,
            updated_at: carrier.updated_at,
        }
    }
}
