use serde::Serialize;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{CustomFields, Lead};

/// A lead as events and the audit trail show it. Fields are only ever added.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeadSnapshot<'a> {
    id: Uuid,
    name: &'a str,
    email: Option<&'a str>,
    phone: Option<&'a str>,
    company: Option<&'a str>,
    status: &'static str,
    close_reason: Option<&'static str>,
    source: Option<&'a str>,
    insurance_type: Option<&'a str>,
    zip_code: Option<&'a str>,
    quality_score: i32,
    assigned_to: Option<Uuid>,
    custom_fields: &'a CustomFields,
    version: i64,
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

impl<'a> From<&'a Lead> for LeadSnapshot<'a> {
    fn from(lead: &'a Lead) -> Self {
        Self {
            id: lead.id.as_uuid(),
            name: &lead.name,
            email: lead.email.as_ref().map(crate::text::Email::as_str),
            phone: lead.phone.as_ref().map(crate::text::Phone::as_str),
            company: lead.company.as_deref(),
            status: lead.status.name().as_str(),
            close_reason: lead.status.close_reason().map(super::CloseReason::as_str),
            source: lead.source.as_deref(),
            insurance_type: lead.insurance_type.as_deref(),
            zip_code: lead.zip_code.as_deref(),
            quality_score: lead.quality_score,
            assigned_to: lead.assigned_to.map(crate::Id::as_uuid),
            custom_fields: &lead.custom_fields,
            version: lead.version,
            created_at: lead.created_at,
            updated_at: lead.updated_at,
        }
    }
}
