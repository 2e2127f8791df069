use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use super::headers::{Column, Columns};
use super::names::{Field, Target};
use super::{dates, statuses, unique_names};
use crate::invalid::{Faults, Invalid};
use crate::leads::{CloseReason, RawLead};

/// The cells of one row, sorted by what they are good for.
#[derive(Debug, Default)]
struct Row<'a> {
    full_name: Option<&'a str>,
    first_name: Option<&'a str>,
    last_name: Option<&'a str>,
    title: Option<&'a str>,
    fields: [Option<&'a str>; Field::COUNT],
    custom: Map<String, Value>,
    custom_object: Option<&'a str>,
}

impl Columns {
    /// Makes a lead of one row, or tells each field of it that cannot be accepted.
    ///
    /// Empty cells are absent. Where several columns are meant for one field the first that is not empty has it, and
    /// what the others say beyond it becomes custom fields.
    pub fn read<'a>(&self, cells: impl ExactSizeIterator<Item = &'a str>) -> Result<RawLead, Invalid> {
        let (expected, actual) = (self.columns.len(), cells.len());
        if expected != actual {
            return Err(Invalid::field(
                "row",
                format!("must have {expected} cells like the first row, has {actual}"),
            ));
        }
        let mut row = Row::default();
        for (column, cell) in self.columns.iter().zip(cells) {
            let cell = cell.trim();
            if !cell.is_empty() {
                row.sort_in(column, cell);
            }
        }
        row.into_lead()
    }
}

impl<'a> Row<'a> {
    fn sort_in(&mut self, column: &Column, cell: &'a str) {
        let place = match &column.target {
            Target::FullName => &mut self.full_name,
            Target::FirstName => &mut self.first_name,
            Target::LastName => &mut self.last_name,
            Target::Title => &mut self.title,
            Target::Field(field) => &mut self.fields[*field as usize],
            Target::Custom(name) => {
                self.custom.insert(name.clone(), Value::from(cell));
                return;
            }
            Target::CustomObject => &mut self.custom_object,
            Target::Ignored => return,
        };
        let (value, rest) = match &column.target {
            Target::Field(Field::Email) => first_of(cell, &[",", ";", " "]),
            Target::Field(Field::Phone) => first_of(cell, &[", ", ";"]),
            _ => (cell, false),
        };
        let kept = place.get_or_insert(value);
        if rest || *kept != value {
            self.custom.insert(column.header.clone(), Value::from(cell));
        }
    }

    fn into_lead(mut self) -> Result<RawLead, Invalid> {
        let mut faults = Faults::default();
        let (status, close_reason) = self.status(&mut faults);
        let quality_score = self.parse(Field::QualityScore, &mut faults, score, "a whole number");
        let created_at: Option<OffsetDateTime> =
            self.parse(Field::CreatedAt, &mut faults, dates::parse, dates::ACCEPTED);
        let assigned_to = self.parse(
            Field::AssignedTo,
            &mut faults,
            |cell| Uuid::try_parse(cell).ok(),
            "the id of an agent",
        );
        if let Some(cell) = self.custom_object {
            match unique_names::read(cell) {
                Ok((Value::Object(fields), repeated)) => {
                    for name in repeated {
                        faults.add(format!("customFields.{name}"), "must stand there only once");
                    }
                    self.custom.extend(fields);
                }
                _ => faults.add(
                    "customFields",
                    format!("is {}; must be a JSON object", quoted(cell)),
                ),
            }
        }
        let name = self.name();
        if name.is_none() {
            faults.add(
                "name",
                "must not be empty: the row has no name, company or e-mail address",
            );
        }
        faults.finish()?;

        let custom_fields = std::mem::take(&mut self.custom);
        Ok(RawLead {
            name: name.unwrap_or_default(),
            email: self.text(Field::Email),
            phone: self.cell(Field::Phone).map(phone),
            company: self.text(Field::Company),
            status,
            close_reason,
            source: self.text(Field::Source),
            insurance_type: self.text(Field::InsuranceType),
            zip_code: self.text(Field::ZipCode),
            quality_score,
            assigned_to,
            custom_fields: (!custom_fields.is_empty()).then_some(custom_fields),
            created_at,
        })
    }

    fn cell(&self, field: Field) -> Option<&'a str> {
        self.fields[field as usize]
    }

    fn text(&self, field: Field) -> Option<String> {
        self.cell(field).map(str::to_owned)
    }

    fn parse<T>(
        &self,
        field: Field,
        faults: &mut Faults,
        parse: impl FnOnce(&str) -> Option<T>,
        accepted: &str,
    ) -> Option<T> {
        let cell = self.cell(field)?;
        let value = parse(cell);
        if value.is_none() {
            faults.add(field.as_str(), format!("is {}; must be {accepted}", quoted(cell)));
        }
        value
    }

    /// The name; without one the first and last name, what the lead is about, the company, or the e-mail address.
    fn name(&self) -> Option<String> {
        let parts = match (self.first_name, self.last_name) {
            (Some(first), Some(last)) => Some(format!("{first} {last}")),
            (one, other) => one.or(other).map(str::to_owned),
        };
        self.full_name.map(str::to_owned).or(parts).or_else(|| {
            self.title
                .or(self.cell(Field::Company))
                .or(self.cell(Field::Email))
                .map(str::to_owned)
        })
    }

    /// A close reason of its own column goes before the one that the status says.
    fn status(&self, faults: &mut Faults) -> (Option<String>, Option<String>) {
        let status = self.parse(Field::Status, faults, statuses::parse, statuses::ACCEPTED);
        let reason = self.cell(Field::CloseReason).map(str::to_ascii_uppercase);
        let implied = status.and_then(|(_, reason)| reason).map(CloseReason::as_str);
        (
            status.map(|(name, _)| name.as_str().to_owned()),
            reason.or(implied.map(str::to_owned)),
        )
    }
}

/// Takes the first of several values in one cell, and tells whether there are more.
fn first_of<'a>(cell: &'a str, separators: &[&str]) -> (&'a str, bool) {
    let end = separators
        .iter()
        .filter_map(|separator| cell.find(separator))
        .min();
    match end {
        Some(end) if end > 0 => (cell[..end].trim_end(), true),
        _ => (cell, false),
    }
}

/// Writes a phone number the way our own are: spreadsheets and address books add to it.
fn phone(cell: &str) -> String {
    let cell = cell.trim_start_matches('\'');
    let cell = cell.strip_prefix("tel:").unwrap_or(cell);
    cell.replace("ext.", "x")
        .replace("ext", "x")
        .replace(['\u{2010}', '\u{2011}', '\u{2013}'], "-")
        .replace('\u{a0}', " ")
}

/// Reads a whole number, also when a spreadsheet has given it decimals.
fn score(cell: &str) -> Option<i64> {
    let whole = match cell.split_once('.') {
        Some((whole, decimals)) if !decimals.is_empty() && decimals.bytes().all(|digit| digit == b'0') => {
            whole
        }
        _ => cell,
    };
    whole.parse().ok()
}

/// A cell for a message, as far as it is of help.
fn quoted(cell: &str) -> String {
    const MOST: usize = 60;
    if cell.chars().count() > MOST {
        format!("\"{}…\"", cell.chars().take(MOST).collect::<String>())
    } else {
        format!("\"{cell}\"")
    }
}
