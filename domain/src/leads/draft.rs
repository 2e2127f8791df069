use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use super::{CloseReason, CustomFields, Lead, Status, StatusName};
use crate::Id;
use crate::clock;
use crate::identity::UserId;
use crate::invalid::{Faults, Invalid};
use crate::text::{self, Email, Phone};

/// A new lead as it came in: from a request body, or from a row of a file.
#[derive(Clone, Debug, Default)]
pub struct RawLead {
    pub name: String,
    pub email: Option<String>,
    pub phone: Option<String>,
    pub company: Option<String>,
    pub status: Option<String>,
    pub close_reason: Option<String>,
    pub source: Option<String>,
    pub insurance_type: Option<String>,
    pub zip_code: Option<String>,
    pub quality_score: Option<i64>,
    pub assigned_to: Option<Uuid>,
    pub custom_fields: Option<Map<String, Value>>,
    /// When the lead came into being elsewhere; `None`: now.
    pub created_at: Option<OffsetDateTime>,
}

/// A new lead whose every field is in order.
#[derive(Clone, Debug, PartialEq)]
pub struct LeadDraft {
    pub name: String,
    pub email: Option<Email>,
    pub phone: Option<Phone>,
    pub company: Option<String>,
    pub status: Status,
    pub source: Option<String>,
    pub insurance_type: Option<String>,
    pub zip_code: Option<String>,
    pub quality_score: i32,
    pub assigned_to: Option<UserId>,
    pub custom_fields: CustomFields,
    pub created_at: Option<OffsetDateTime>,
}

/// The longest each text field may be, in characters.
pub(super) const MAX_NAME: usize = 200;
pub(super) const MAX_COMPANY: usize = 200;
pub(super) const MAX_SOURCE: usize = 100;
pub(super) const MAX_INSURANCE_TYPE: usize = 100;
pub(super) const MAX_ZIP_CODE: usize = 20;

impl LeadDraft {
    /// Parses every field and reports every fault.
    pub fn parse(raw: RawLead) -> Result<Self, Invalid> {
        let mut faults = Faults::default();
        let name = faults.keep("name", text::line(&raw.name, MAX_NAME));
        let email = faults.keep_optional("email", raw.email.as_deref().map(Email::parse));
        let phone = faults.keep_optional("phone", raw.phone.as_deref().map(Phone::parse));
        let company = faults.keep_optional("company", line(raw.company.as_deref(), MAX_COMPANY));
        let source = faults.keep_optional("source", line(raw.source.as_deref(), MAX_SOURCE));
        let insurance_type = faults.keep_optional(
            "insuranceType",
            line(raw.insurance_type.as_deref(), MAX_INSURANCE_TYPE),
        );
        let zip_code = faults.keep_optional("zipCode", line(raw.zip_code.as_deref(), MAX_ZIP_CODE));
        let status = status(&mut faults, raw.status.as_deref(), raw.close_reason.as_deref());
        let quality_score = score(&mut faults, raw.quality_score.unwrap_or(0));
        let custom_fields = faults.keep(
            "customFields",
            CustomFields::parse(&raw.custom_fields.unwrap_or_default()),
        );
        let created_at = faults.keep_optional("createdAt", raw.created_at.map(clock::stored));
        faults.finish()?;

        Ok(Self {
            name: name.unwrap_or_default(),
            email,
            phone,
            company,
            status: status.unwrap_or(Status::New),
            source,
            insurance_type,
            zip_code,
            quality_score,
            assigned_to: raw.assigned_to.map(Id::from_uuid),
            custom_fields: custom_fields.unwrap_or_default(),
            created_at,
        })
    }

    /// Makes the lead that the draft describes.
    pub fn into_lead(self, id: Uuid, now: OffsetDateTime) -> Lead {
        Lead {
            id: Id::from_uuid(id),
            name: self.name,
            email: self.email,
            phone: self.phone,
            company: self.company,
            status: self.status,
            source: self.source,
            insurance_type: self.insurance_type,
            zip_code: self.zip_code,
            quality_score: self.quality_score,
            assigned_to: self.assigned_to,
            custom_fields: self.custom_fields,
            version: 1,
            // A lead cannot be older than it is: a file may be wrong, or another clock ahead.
            created_at: self.created_at.map_or(now, |created_at| created_at.min(now)),
            updated_at: now,
        }
    }
}

fn line(value: Option<&str>, max: usize) -> Option<Result<String, text::InvalidText>> {
    value.map(|value| text::line(value, max))
}

/// Parses a status with its close reason; nothing at all means nothing.
pub(super) fn status(faults: &mut Faults, status: Option<&str>, reason: Option<&str>) -> Option<Status> {
    let name = match status {
        None if reason.is_none() => return None,
        None => None,
        Some(status) => {
            let name = StatusName::parse(status);
            if name.is_none() {
                faults.add("status", "must be one of NEW, CONTACTED, QUALIFIED, CLOSED");
                return None;
            }
            name
        }
    };
    let reason = match reason {
        None => None,
        Some(reason) => {
            let reason = CloseReason::parse(reason);
            if reason.is_none() {
                faults.add("closeReason", "must be one of WON, LOST, DISQUALIFIED, DUPLICATE");
                return None;
            }
            reason
        }
    };
    match (name, reason) {
        (Some(StatusName::Closed), None) => {
            faults.add(
                "closeReason",
                "is required with the status CLOSED: WON, LOST, DISQUALIFIED or DUPLICATE",
            );
            None
        }
        (Some(name), reason) => {
            let status = Status::from_parts(name, reason);
            if status.is_none() {
                faults.add("closeReason", "goes with the status CLOSED alone");
            }
            status
        }
        (None, _) => {
            faults.add(
                "closeReason",
                "goes with the status CLOSED alone; send the status too",
            );
            None
        }
    }
}

pub(super) fn score(faults: &mut Faults, score: i64) -> i32 {
    match i32::try_from(score) {
        Ok(score) if (0..=100).contains(&score) => score,
        _ => {
            faults.add("qualityScore", "must be a whole number from 0 to 100");
            0
        }
    }
}
