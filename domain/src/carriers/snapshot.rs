use serde::Serialize;
use uuid::Uuid;

use super::Carrier;

/// A carrier as events and the audit trail show it. Fields are only ever added.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CarrierSnapshot<'a> {
    id: Uuid,
    name: &'a str,
    active: bool,
    partnership_status: &'static str,
    partnership_tier: &'static str,
    performance_score: i32,
    version: i64,
}

impl<'a> From<&'a Carrier> for CarrierSnapshot<'a> {
    fn from(carrier: &'a Carrier) -> Self {
        Self {
            id: carrier.id.as_uuid(),
            name: &carrier.name,
            active: carrier.active,
            partnership_status: carrier.partnership_status.as_str(),
            partnership_tier: carrier.partnership_tier.as_str(),
            performance_score: carrier.performance_score,
            version: carrier.version,
        }
    }
}
