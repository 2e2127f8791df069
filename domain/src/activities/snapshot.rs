use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Activity;

/// An activity as events and the audit trail show it. Fields are only ever added.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActivitySnapshot<'a> {
    id: Uuid,
    lead_id: Uuid,
    r#type: &'static str,
    subject: Option<&'a str>,
    body: Option<&'a str>,
    actor_id: Option<Uuid>,
    #[serde(with = "time::serde::rfc3339")]
    occurred_at: OffsetDateTime,
    version: i64,
}

impl<'a> From<&'a Activity> for ActivitySnapshot<'a> {
    fn from(activity: &'a Activity) -> Self {
        Self {
            id: activity.id.as_uuid(),
            lead_id: activity.lead.as_uuid(),
            r#type: activity.kind.as_str(),
            subject: activity.subject.as_deref(),
            body: activity.body.as_deref(),
            actor_id: activity.actor.map(crate::Id::as_uuid),
            occurred_at: activity.occurred_at,
            version: activity.version,
        }
    }
}
