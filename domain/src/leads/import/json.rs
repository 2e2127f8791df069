use serde_json::{Map, Value};
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};
use uuid::Uuid;

use super::unique_names;
use crate::invalid::{Faults, Invalid};
use crate::leads::RawLead;

/// Makes a lead of one line of newline-delimited JSON, or tells each field of it that cannot be accepted.
///
/// The names are ours. What the platform decides (`id`, `version`, `updatedAt`) may be there, as our own export has it, and
/// is left aside; a name that is none of ours is a fault, and so is one that stands there twice: nobody knows which of both
/// is meant.
pub fn read_json(line: &str) -> Result<RawLead, Invalid> {
    let mut faults = Faults::default();
    let object = match unique_names::read(line) {
        Ok((Value::Object(object), repeated)) => {
            for name in repeated {
                faults.add(name, "must stand there only once");
            }
            object
        }
        Ok(_) => return Err(Invalid::field("row", "must be a JSON object")),
        Err(error) => {
            return Err(Invalid::field(
                "row",
                format!(
                    "must be JSON: it breaks off or is wrong at column {}",
                    error.column()
                ),
            ));
        }
    };
    let mut lead = RawLead::default();
    for (name, value) in object {
        if !value.is_null() {
            take(&mut lead, &mut faults, &name, value);
        }
    }
    if lead.name.is_empty() {
        lead.name = lead
            .company
            .clone()
            .or_else(|| lead.email.clone())
            .unwrap_or_default();
    }
    faults.finish()?;
    Ok(lead)
}

fn take(lead: &mut RawLead, faults: &mut Faults, name: &str, value: Value) {
    match name {
        "name" => lead.name = text("name", value, faults).unwrap_or_default(),
        "email" => lead.email = text("email", value, faults),
        "phone" => lead.phone = text("phone", value, faults),
        "company" => lead.company = text("company", value, faults),
        "status" => lead.status = text("status", value, faults),
        "closeReason" => lead.close_reason = text("closeReason", value, faults),
        "source" => lead.source = text("source", value, faults),
        "insuranceType" => lead.insurance_type = text("insuranceType", value, faults),
        "zipCode" => lead.zip_code = text("zipCode", value, faults),
        "qualityScore" => {
            lead.quality_score = expect("qualityScore", value.as_i64(), "a whole number", faults);
        }
        "assignedTo" => {
            let id = value.as_str().and_then(|text| Uuid::try_parse(text).ok());
            lead.assigned_to = expect("assignedTo", id, "the id of an agent", faults);
        }
        "createdAt" => {
            let moment = value
                .as_str()
                .and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok())
                .and_then(|moment| moment.checked_to_offset(UtcOffset::UTC));
            lead.created_at = expect(
                "createdAt",
                moment,
                "RFC 3339 such as 2026-01-31T09:30:00Z",
                faults,
            );
        }
        "customFields" => lead.custom_fields = expect("customFields", object(value), "a JSON object", faults),
        "id" | "version" | "updatedAt" => {}
        _ => faults.add(
            name.chars().take(100).collect::<String>(),
            "is not a field of a lead; use customFields",
        ),
    }
}

/// An empty text is absent.
fn text(field: &'static str, value: Value, faults: &mut Faults) -> Option<String> {
    match value {
        Value::String(text) => Some(text).filter(|text| !text.trim().is_empty()),
        _ => expect(field, None, "a text", faults),
    }
}

fn object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

fn expect<T>(field: &'static str, value: Option<T>, wanted: &str, faults: &mut Faults) -> Option<T> {
    if value.is_none() {
        faults.add(field, format!("must be {wanted}"));
    }
    value
}
