use fairlead_domain::Id;
use fairlead_domain::activities::{Activity, ActivityKind};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::fields::Projected;

/// What was done about a lead, or what happened to it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Activity, example = json!({
    "id": "01934f6e-7b1a-7cc3-98a4-0242ac120004", "leadId": "01934f6e-7b1a-7cc3-98a4-0242ac120002",
    "type": "CALL", "subject": "Called about the renewal", "body": null,
    "actorId": "01934f6e-7b1a-7cc3-98a4-0242ac120003", "occurredAt": "2026-11-20T09:30:00Z", "version": 1,
    "createdAt": "2026-11-20T09:30:00Z",
}))]
pub(crate) struct ActivityView {
    pub(crate) id: Uuid,
    pub(crate) lead_id: Uuid,
    pub(crate) r#type: ActivityTypeView,
    #[schema(required = true)]
    pub(crate) subject: Option<String>,
    #[schema(required = true)]
    pub(crate) body: Option<String>,
    /// The user who did it; `null`: an API key or the platform.
    #[schema(required = true)]
    pub(crate) actor_id: Option<Uuid>,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) occurred_at: OffsetDateTime,
    /// One more with each change; also in `ETag`.
    #[schema(minimum = 1)]
    pub(crate) version: i64,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
}

impl Projected for ActivityView {
    const FIELDS: &'static [&'static str] = &[
        "id",
        "leadId",
        "type",
        "subject",
        "body",
        "actorId",
        "occurredAt",
        "version",
        "createdAt",
    ];
}

impl From<Activity> for ActivityView {
    fn from(activity: Activity) -> Self {
        Self {
            id: activity.id.as_uuid(),
            lead_id: activity.lead.as_uuid(),
            r#type: activity.kind.into(),
            subject: activity.subject,
            body: activity.body,
            actor_id: activity.actor.map(Id::as_uuid),
            occurred_at: activity.occurred_at,
            version: activity.version,
            created_at: activity.created_at,
        }
    }
}

/// The last three are written by the platform.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = ActivityType)]
pub(crate) enum ActivityTypeView {
    Note,
    Call,
    Email,
    Meeting,
    Task,
    StatusChange,
    Assignment,
    Score,
}

impl From<ActivityKind> for ActivityTypeView {
    fn from(kind: ActivityKind) -> Self {
        match kind {
            ActivityKind::Note => Self::Note,
            ActivityKind::Call => Self::Call,
            ActivityKind::Email => Self::Email,
            ActivityKind::Meeting => Self::Meeting,
            ActivityKind::Task => Self::Task,
            ActivityKind::StatusChange => Self::StatusChange,
            ActivityKind::Assignment => Self::Assignment,
            ActivityKind::Score => Self::Score,
        }
    }
}
