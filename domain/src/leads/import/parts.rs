//! Rows of a file on their way into an operation: judged when the file is read, written later.
//!
//! A part is a JSON array. A row that was accepted is kept as our own export has it, and read again by [`read_json`];
//! of one that was not, the verdict is kept.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use time::UtcOffset;
use time::format_description::well_known::Rfc3339;

use super::read_json;
use crate::invalid::{FieldError, Invalid};
use crate::leads::{LeadDraft, RawLead};

/// How many rows one part has at the most, and so one transaction writes. Larger ones are no faster, and hold back the
/// readers of events longer.
pub const MAX_PART_ROWS: usize = 1_000;
/// A part that has so many bytes takes no other row.
const FULL_PART_BYTES: usize = 1 << 20;
/// The most faults that are kept of one row: a row of nothing but unknown fields has thousands.
const MAX_ROW_FAULTS: usize = 20;

/// A part that rows are put into.
#[derive(Debug, Default)]
pub struct PartWriter {
    content: Vec<u8>,
    rows: usize,
}

/// A row as it comes out of a part.
#[derive(Debug, PartialEq)]
pub(super) struct JudgedRow {
    /// Where it begins in the file.
    pub(super) line: u64,
    pub(super) draft: Result<LeadDraft, Invalid>,
}

#[derive(Serialize, Deserialize)]
struct StoredRow {
    line: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lead: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    faults: Vec<StoredFault>,
}

#[derive(Serialize, Deserialize)]
struct StoredFault {
    field: String,
    detail: String,
}

/// A part that cannot be read: somebody else has written it.
#[derive(Debug, thiserror::Error)]
#[error("a part of an import cannot be read")]
pub struct BadPart(#[from] serde_json::Error);

impl PartWriter {
    /// Judges a row, and puts it or the verdict into the part. `line` is where it begins in the file.
    pub fn add(&mut self, line: u64, row: Result<RawLead, Invalid>) {
        let judged = row.and_then(|raw| LeadDraft::parse(raw.clone()).map(|_| write_json(&raw)));
        let (lead, faults) = match judged {
            Ok(lead) => (Some(lead), Vec::new()),
            Err(Invalid(faults)) => (
                None,
                faults
                    .into_iter()
                    .take(MAX_ROW_FAULTS)
                    .map(StoredFault::from)
                    .collect(),
            ),
        };
        self.content.push(if self.rows == 0 { b'[' } else { b',' });
        serde_json::to_writer(&mut self.content, &StoredRow { line, lead, faults })
            .expect("rows are plain data with string keys");
        self.rows += 1;
    }

    pub fn is_full(&self) -> bool {
        self.rows >= MAX_PART_ROWS || self.content.len() >= FULL_PART_BYTES
    }

    /// Ends the part and begins another; `None` where no row was put in.
    pub fn take(&mut self) -> Option<Vec<u8>> {
        if self.rows == 0 {
            return None;
        }
        self.rows = 0;
        self.content.push(b']');
        Some(std::mem::take(&mut self.content))
    }
}

/// Reads the rows of a part.
pub(super) fn read_part(content: &[u8]) -> Result<Vec<JudgedRow>, BadPart> {
    let rows: Vec<StoredRow> = serde_json::from_slice(content)?;
    let judged = |row: StoredRow| JudgedRow {
        line: row.line,
        draft: match row.lead {
            Some(lead) => read_json(lead.get()).and_then(LeadDraft::parse),
            None => Err(Invalid(row.faults.into_iter().map(FieldError::from).collect())),
        },
    };
    Ok(rows.into_iter().map(judged).collect())
}

/// Writes a lead so that [`read_json`] makes the same of it. What is absent reads like `null`.
fn write_json(lead: &RawLead) -> Box<RawValue> {
    let created_at = lead.created_at.map(|at| {
        at.to_offset(UtcOffset::UTC)
            .format(&Rfc3339)
            .expect("what was accepted lies within the years of RFC 3339")
    });
    let value: Value = json!({
        "name": lead.name,
        "email": lead.email,
        "phone": lead.phone,
        "company": lead.company,
        "status": lead.status,
        "closeReason": lead.close_reason,
        "source": lead.source,
        "insuranceType": lead.insurance_type,
        "zipCode": lead.zip_code,
        "qualityScore": lead.quality_score,
        "assignedTo": lead.assigned_to,
        "customFields": lead.custom_fields,
        "createdAt": created_at,
    });
    serde_json::value::to_raw_value(&value).expect("a JSON value serialises")
}

impl From<FieldError> for StoredFault {
    fn from(FieldError { field, detail }: FieldError) -> Self {
        Self {
            field: field.into_owned(),
            detail,
        }
    }
}

impl From<StoredFault> for FieldError {
    fn from(StoredFault { field, detail }: StoredFault) -> Self {
        Self::new(field, detail)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Map;
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_is_put_into_a_part_comes_out_of_it() {
        let lead = RawLead {
            name: "Ann \"Ä\" Ferris".to_owned(),
            email: Some("ann@ferris.example".to_owned()),
            phone: Some("+1 555 010 0123".to_owned()),
            company: Some("Ferris Ltd".to_owned()),
            status: Some("CLOSED".to_owned()),
            close_reason: Some("WON".to_owned()),
            source: Some("web".to_owned()),
            insurance_type: Some("home".to_owned()),
            zip_code: Some("94107".to_owned()),
            quality_score: Some(70),
            assigned_to: Some(Uuid::from_u128(7)),
            custom_fields: Some(Map::from_iter([("shoes".to_owned(), json!([44, null]))])),
            created_at: Some(datetime!(2026-01-31 09:30:00.123456 UTC)),
        };
        let mut part = PartWriter::default();

        part.add(2, Ok(lead.clone()));
        part.add(3, Err(Invalid::field("row", "must be JSON")));
        part.add(
            4,
            Ok(RawLead {
                name: "Bob".to_owned(),
                email: Some("nobody".to_owned()),
                ..RawLead::default()
            }),
        );
        let rows = read_part(&part.take().unwrap()).unwrap();

        let lines: Vec<u64> = rows.iter().map(|row| row.line).collect();
        assert_eq!(lines, [2, 3, 4]);
        assert_eq!(rows[0].draft, LeadDraft::parse(lead));
        assert_eq!(rows[1].draft, Err(Invalid::field("row", "must be JSON")));
        let verdict = rows[2].draft.as_ref().unwrap_err();
        assert_eq!(verdict.0[0].field, "email");
        assert_eq!(part.take(), None);
    }

    #[test]
    fn of_a_row_that_is_all_wrong_some_faults_are_kept() {
        let faults = (0..5_000).map(|number| FieldError::new(format!("field {number}"), "is not one"));
        let mut part = PartWriter::default();

        part.add(2, Err(Invalid(faults.collect())));
        let rows = read_part(&part.take().unwrap()).unwrap();

        assert_eq!(rows[0].draft.as_ref().unwrap_err().0.len(), MAX_ROW_FAULTS);
    }

    #[test]
    fn a_part_is_full_by_rows_or_by_bytes() {
        let row = |name: usize| {
            Ok(RawLead {
                name: "n".repeat(name),
                ..RawLead::default()
            })
        };
        let (mut small, mut large) = (PartWriter::default(), PartWriter::default());

        for line in 0..MAX_PART_ROWS as u64 {
            assert!(!small.is_full(), "at row {line}");
            small.add(line, row(1));
        }
        let note = "x".repeat(15_000);
        let mut rows = 0;
        while !large.is_full() {
            let custom = Map::from_iter([("note".to_owned(), Value::from(note.as_str()))]);
            large.add(
                1,
                row(1).map(|lead| RawLead {
                    custom_fields: Some(custom),
                    ..lead
                }),
            );
            rows += 1;
        }

        assert!(small.is_full());
        assert!(rows < MAX_PART_ROWS && large.take().unwrap().len() < 2 * FULL_PART_BYTES);
    }
}
