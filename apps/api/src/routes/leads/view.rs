use fairlead_domain::Id;
use fairlead_domain::activities::Activity;
use fairlead_domain::leads::{CloseReason, CustomFields, Lead, StatusName};
use fairlead_domain::text::{Email, Phone};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::fields::Projected;
use crate::routes::activities::ActivityView;

/// A person or company that may become a customer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Lead, example = json!({
    "id": "01934f6e-7b1a-7cc3-98a4-0242ac120002", "name": "Ann Ferris", "email": "ann@ferris.example",
    "phone": "+1 555 010 0123", "company": "Ferris & Daughters", "status": "NEW", "closeReason": null,
    "source": "website", "insuranceType": "auto", "zipCode": "94107", "qualityScore": 0, "assignedTo": null,
    "customFields": {"budget": 1200}, "version": 1, "createdAt": "2026-11-20T09:30:00Z",
    "updatedAt": "2026-11-20T09:30:00Z",
}))]
pub(crate) struct LeadView {
    pub(crate) id: Uuid,
    pub(crate) name: String,
    #[schema(required = true)]
    pub(crate) email: Option<String>,
    #[schema(required = true)]
    pub(crate) phone: Option<String>,
    #[schema(required = true)]
    pub(crate) company: Option<String>,
    pub(crate) status: StatusView,
    /// Why the lead is closed; `null` while it is open.
    #[schema(required = true)]
    pub(crate) close_reason: Option<CloseReasonView>,
    #[schema(required = true)]
    pub(crate) source: Option<String>,
    #[schema(required = true)]
    pub(crate) insurance_type: Option<String>,
    #[schema(required = true)]
    pub(crate) zip_code: Option<String>,
    /// 0 until the lead is scored.
    #[schema(minimum = 0, maximum = 100)]
    pub(crate) quality_score: i32,
    /// The agent who works on the lead.
    #[schema(required = true)]
    pub(crate) assigned_to: Option<Uuid>,
    #[schema(value_type = Map<String, Value>)]
    pub(crate) custom_fields: CustomFields,
    /// One more with each change; also in `ETag`.
    #[schema(minimum = 1)]
    pub(crate) version: i64,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub(crate) updated_at: OffsetDateTime,
    /// The five newest, newest first; only with `include=activities`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) activities: Option<Vec<ActivityView>>,
}

impl Projected for LeadView {
    const FIELDS: &'static [&'static str] = &[
        "id",
        "name",
        "email",
        "phone",
        "company",
        "status",
        "closeReason",
        "source",
        "insuranceType",
        "zipCode",
        "qualityScore",
        "assignedTo",
        "customFields",
        "version",
        "createdAt",
        "updatedAt",
        "activities",
    ];
}

impl LeadView {
    /// A lead with its newest activities, if they were asked for.
    pub(super) fn with_activities(lead: Lead, newest: Option<Vec<Activity>>) -> Self {
        let activities = newest.map(|newest| newest.into_iter().map(ActivityView::from).collect());
        Self {
            activities,
            ..Self::from(lead)
        }
    }
}

impl From<Lead> for LeadView {
    fn from(lead: Lead) -> Self {
        Self {
            id: lead.id.as_uuid(),
            name: lead.name,
            email: lead.email.map(Email::into_string),
            phone: lead.phone.map(Phone::into_string),
            company: lead.company,
            status: lead.status.name().into(),
            close_reason: lead.status.close_reason().map(CloseReasonView::from),
            source: lead.source,
            insurance_type: lead.insurance_type,
            zip_code: lead.zip_code,
            quality_score: lead.quality_score,
            assigned_to: lead.assigned_to.map(Id::as_uuid),
            custom_fields: lead.custom_fields,
            version: lead.version,
            created_at: lead.created_at,
            updated_at: lead.updated_at,
            activities: None,
        }
    }
}

/// Where a lead is in the pipeline.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = LeadStatus)]
pub(crate) enum StatusView {
    New,
    Contacted,
    Qualified,
    Closed,
}

impl From<StatusName> for StatusView {
    fn from(name: StatusName) -> Self {
        match name {
            StatusName::New => Self::New,
            StatusName::Contacted => Self::Contacted,
            StatusName::Qualified => Self::Qualified,
            StatusName::Closed => Self::Closed,
        }
    }
}

impl From<StatusView> for StatusName {
    fn from(view: StatusView) -> Self {
        match view {
            StatusView::New => Self::New,
            StatusView::Contacted => Self::Contacted,
            StatusView::Qualified => Self::Qualified,
            StatusView::Closed => Self::Closed,
        }
    }
}

/// Why a lead is closed.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schema(as = CloseReason)]
pub(crate) enum CloseReasonView {
    Won,
    Lost,
    Disqualified,
    Duplicate,
}

impl From<CloseReason> for CloseReasonView {
    fn from(reason: CloseReason) -> Self {
        match reason {
            CloseReason::Won => Self::Won,
            CloseReason::Lost => Self::Lost,
            CloseReason::Disqualified => Self::Disqualified,
            CloseReason::Duplicate => Self::Duplicate,
        }
    }
}

impl From<CloseReasonView> for CloseReason {
    fn from(view: CloseReasonView) -> Self {
        match view {
            CloseReasonView::Won => Self::Won,
            CloseReasonView::Lost => Self::Lost,
            CloseReasonView::Disqualified => Self::Disqualified,
            CloseReasonView::Duplicate => Self::Duplicate,
        }
    }
}
