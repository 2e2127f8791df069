use fairlead_domain::field::Change;
use fairlead_domain::leads::{RawLead, RawLeadPatch};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::view::{CloseReasonView, StatusView};
use crate::whole::Whole;
use crate::{patch, text};

/// A new lead.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = NewLead, example = json!({
    "name": "Ann Ferris", "email": "ann@ferris.example", "phone": "+1 555 010 0123",
    "company": "Ferris & Daughters", "source": "website", "insuranceType": "auto", "zipCode": "94107",
}))]
pub(super) struct LeadBody {
    #[schema(schema_with = text::line::<200>)]
    name: String,
    #[schema(schema_with = text::email_or_null, required = false)]
    email: Option<String>,
    /// 5 to 20 digits, written as people do.
    #[schema(schema_with = text::phone_or_null, required = false)]
    phone: Option<String>,
    #[schema(schema_with = text::line_or_null::<200>, required = false)]
    company: Option<String>,
    /// `NEW` unless given.
    #[schema(value_type = Option<StatusView>)]
    status: Option<String>,
    /// Goes with the status `CLOSED`, and only with it.
    #[schema(value_type = Option<CloseReasonView>)]
    close_reason: Option<String>,
    #[schema(schema_with = text::line_or_null::<100>, required = false)]
    source: Option<String>,
    #[schema(schema_with = text::line_or_null::<100>, required = false)]
    insurance_type: Option<String>,
    #[schema(schema_with = text::line_or_null::<20>, required = false)]
    zip_code: Option<String>,
    #[schema(value_type = Option<i64>, minimum = 0, maximum = 100)]
    quality_score: Option<Whole>,
    /// An active agent with room for another open lead.
    assigned_to: Option<Uuid>,
    /// At most 100 fields, 16 KiB, nested 5 deep.
    custom_fields: Option<Map<String, Value>>,
}

impl From<LeadBody> for RawLead {
    fn from(body: LeadBody) -> Self {
        Self {
            name: body.name,
            email: body.email,
            phone: body.phone,
            company: body.company,
            status: body.status,
            close_reason: body.close_reason,
            source: body.source,
            insurance_type: body.insurance_type,
            zip_code: body.zip_code,
            quality_score: body.quality_score.map(|Whole(score)| score),
            assigned_to: body.assigned_to,
            custom_fields: body.custom_fields,
            created_at: None,
        }
    }
}

/// What is to change of a lead: an absent field is kept, `null` empties it.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = LeadPatch, example = json!({"status": "CONTACTED", "qualityScore": 80, "company": null}))]
pub(super) struct LeadPatchBody {
    #[serde(default, deserialize_with = "patch::given")]
    #[schema(schema_with = text::line::<200>, required = false)]
    name: Change<String>,
    #[serde(default, deserialize_with = "patch::given")]
    #[schema(schema_with = text::email_or_null, required = false)]
    email: Change<Option<String>>,
    #[serde(default, deserialize_with = "patch::given")]
    #[schema(schema_with = text::phone_or_null, required = false)]
    phone: Change<Option<String>>,
    #[serde(default, deserialize_with = "patch::given")]
    #[schema(schema_with = text::line_or_null::<200>, required = false)]
    company: Change<Option<String>>,
    /// `NEW` → `CONTACTED` → `QUALIFIED` → `CLOSED`; a closed lead can be reopened to `CONTACTED`.
    #[serde(default, deserialize_with = "patch::given")]
    #[schema(value_type = StatusView, required = false)]
    status: Change<String>,
    /// Goes with the status `CLOSED`, and only with it.
    #[serde(default, deserialize_with = "patch::given")]
    #[schema(value_type = Option<CloseReasonView>)]
    close_reason: Change<Option<String>>,
    #[serde(default, deserialize_with = "patch::given")]
    #[schema(schema_with = text::line_or_null::<100>, required = false)]
    source: Change<Option<String>>,
    #[serde(default, deserialize_with = "patch::given")]
    #[schema(schema_with = text::line_or_null::<100>, required = false)]
    insurance_type: Change<Option<String>>,
    #[serde(default, deserialize_with = "patch::given")]
    #[schema(schema_with = text::line_or_null::<20>, required = false)]
    zip_code: Change<Option<String>>,
    #[serde(default, deserialize_with = "patch::given")]
    #[schema(value_type = i64, minimum = 0, maximum = 100, required = false)]
    quality_score: Change<Whole>,
    #[serde(default, deserialize_with = "patch::given")]
    #[schema(value_type = Option<Uuid>)]
    assigned_to: Change<Option<Uuid>>,
    /// Replaces the whole object.
    #[serde(default, deserialize_with = "patch::given")]
    #[schema(value_type = Option<Map<String, Value>>)]
    custom_fields: Change<Option<Map<String, Value>>>,
}

impl From<LeadPatchBody> for RawLeadPatch {
    fn from(body: LeadPatchBody) -> Self {
        Self {
            name: body.name,
            email: body.email,
            phone: body.phone,
            company: body.company,
            status: body.status,
            close_reason: body.close_reason,
            source: body.source,
            insurance_type: body.insurance_type,
            zip_code: body.zip_code,
            quality_score: body.quality_score.map(|Whole(score)| score),
            assigned_to: body.assigned_to,
            custom_fields: body.custom_fields,
        }
    }
}
