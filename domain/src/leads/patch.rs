use serde_json::{Map, Value};
use uuid::Uuid;

use super::draft::{self, MAX_COMPANY, MAX_INSURANCE_TYPE, MAX_NAME, MAX_SOURCE, MAX_ZIP_CODE};
use super::{CustomFields, Lead, Status};
use crate::Id;
use crate::field::Change;
use crate::identity::UserId;
use crate::invalid::{Faults, Invalid};
use crate::text::{self, Email, InvalidText, Phone};

/// A partial update as it came in: absent is `Keep`, `null` is `Set(None)`.
#[derive(Clone, Debug, Default)]
pub struct RawLeadPatch {
    pub name: Change<String>,
    pub email: Change<Option<String>>,
    pub phone: Change<Option<String>>,
    pub company: Change<Option<String>>,
    pub status: Change<String>,
    pub close_reason: Change<Option<String>>,
    pub source: Change<Option<String>>,
    pub insurance_type: Change<Option<String>>,
    pub zip_code: Change<Option<String>>,
    pub quality_score: Change<i64>,
    pub assigned_to: Change<Option<Uuid>>,
    /// Replaces the whole object; `null` empties it.
    pub custom_fields: Change<Option<Map<String, Value>>>,
}

/// A partial update whose every field is in order.
#[derive(Clone, Debug, Default)]
pub struct LeadPatch {
    pub name: Change<String>,
    pub email: Change<Option<Email>>,
    pub phone: Change<Option<Phone>>,
    pub company: Change<Option<String>>,
    pub status: Change<Status>,
    pub source: Change<Option<String>>,
    pub insurance_type: Change<Option<String>>,
    pub zip_code: Change<Option<String>>,
    pub quality_score: Change<i32>,
    pub assigned_to: Change<Option<UserId>>,
    pub custom_fields: Change<CustomFields>,
}

impl LeadPatch {
    /// Parses every field and reports every fault.
    pub fn parse(raw: RawLeadPatch) -> Result<Self, Invalid> {
        let mut faults = Faults::default();
        let status_text = match &raw.status {
            Change::Set(status) => Some(status.as_str()),
            Change::Keep => None,
        };
        let reason_text = match &raw.close_reason {
            Change::Set(Some(reason)) => Some(reason.as_str()),
            Change::Set(None) | Change::Keep => None,
        };
        let status = draft::status(&mut faults, status_text, reason_text);
        let quality_score = match raw.quality_score {
            Change::Set(score) => Change::Set(draft::score(&mut faults, score)),
            Change::Keep => Change::Keep,
        };
        let custom_fields = raw
            .custom_fields
            .try_map(|fields| CustomFields::parse(&fields.unwrap_or_default()));
        let mut line = |field, change: Change<Option<String>>, max| {
            let parsed = optional(change, |value| text::line(value, max));
            faults.keep(field, parsed).unwrap_or_default()
        };
        let company = line("company", raw.company, MAX_COMPANY);
        let source = line("source", raw.source, MAX_SOURCE);
        let insurance_type = line("insuranceType", raw.insurance_type, MAX_INSURANCE_TYPE);
        let zip_code = line("zipCode", raw.zip_code, MAX_ZIP_CODE);
        let patch = Self {
            name: faults
                .keep("name", raw.name.try_map(|name| text::line(&name, MAX_NAME)))
                .unwrap_or_default(),
            email: faults
                .keep("email", optional(raw.email, Email::parse))
                .unwrap_or_default(),
            phone: faults
                .keep("phone", optional(raw.phone, Phone::parse))
                .unwrap_or_default(),
            company,
            status: status.map_or(Change::Keep, Change::Set),
            source,
            insurance_type,
            zip_code,
            quality_score,
            assigned_to: match raw.assigned_to {
                Change::Set(agent) => Change::Set(agent.map(Id::from_uuid)),
                Change::Keep => Change::Keep,
            },
            custom_fields: faults.keep("customFields", custom_fields).unwrap_or_default(),
        };
        faults.finish()?;
        Ok(patch)
    }

    /// Writes what the patch says of plain fields. Status, score and assignment have rules of their own.
    pub(super) fn apply_plain(self, lead: &mut Lead) {
        self.name.apply(&mut lead.name);
        self.email.apply(&mut lead.email);
        self.phone.apply(&mut lead.phone);
        self.company.apply(&mut lead.company);
        self.source.apply(&mut lead.source);
        self.insurance_type.apply(&mut lead.insurance_type);
        self.zip_code.apply(&mut lead.zip_code);
        self.custom_fields.apply(&mut lead.custom_fields);
    }
}

fn optional<T>(
    change: Change<Option<String>>,
    parse: impl Fn(&str) -> Result<T, InvalidText>,
) -> Result<Change<Option<T>>, InvalidText> {
    change.try_map(|value| value.as_deref().map(parse).transpose())
}
