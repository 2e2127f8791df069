use std::collections::HashSet;

use super::names::{self, Field, Target};
use crate::leads::CustomFields;

/// Which column of a file holds what.
#[derive(Clone, Debug)]
pub struct Columns {
    pub(super) format: Format,
    pub(super) columns: Vec<Column>,
}

#[derive(Clone, Debug)]
pub(super) struct Column {
    /// As the file has it, made fit for the name of a custom field; unique in the file.
    pub(super) header: String,
    pub(super) target: Target,
}

/// The system that a file comes from, as its header row tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Fairlead,
    HubSpot,
    Salesforce,
    Pipedrive,
    Zoho,
    /// None that we know; columns are recognised all the same.
    Other,
}

/// What one column of the file is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColumnUse<'a> {
    pub header: &'a str,
    /// A field of the lead, `customFields` included; `None`: not imported.
    pub field: Option<&'a str>,
    /// The custom field, when it is one.
    pub custom_field: Option<&'a str>,
}

/// Why no row of a file can be imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    #[error("the file has no header row")]
    NoHeader,
    #[error(
        "no column tells the name of a lead; there must be one of: name; first name, last name; company; email. \
         The first row has: {found}"
    )]
    NoName { found: String },
}

impl Format {
    const KNOWN: [Self; 5] = [
        Self::Fairlead,
        Self::HubSpot,
        Self::Salesforce,
        Self::Pipedrive,
        Self::Zoho,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fairlead => "fairlead",
            Self::HubSpot => "hubspot",
            Self::Salesforce => "salesforce",
            Self::Pipedrive => "pipedrive",
            Self::Zoho => "zoho",
            Self::Other => "other",
        }
    }

    /// The format that most of the headers tell of.
    fn recognise(headers: &[&str]) -> Self {
        if headers
            .iter()
            .all(|header| names::OURS.contains(header) || custom_name(header).is_some())
        {
            return Self::Fairlead;
        }
        let votes = |format: &Self| headers.iter().filter(|header| format.is_told_by(header)).count();
        // Our names are spelled like nobody else's; of those of other systems a single one may be chance.
        let enough = |format: &Self| votes(format) >= if *format == Self::Fairlead { 1 } else { 2 };
        // Of equals the last is taken, which is the first of those known.
        Self::KNOWN
            .into_iter()
            .rev()
            .max_by_key(votes)
            .filter(enough)
            .unwrap_or(Self::Other)
    }

    fn is_told_by(self, header: &str) -> bool {
        match self {
            Self::Pipedrive => ["Person - ", "Organization - ", "Lead - ", "Deal - "]
                .iter()
                .any(|prefix| header.starts_with(prefix)),
            Self::Fairlead => names::OURS_ALONE.contains(&header) || custom_name(header).is_some(),
            _ => names::told_by(&names::key(header)).contains(&self),
        }
    }
}

impl Columns {
    /// Finds out from the header row which column holds what. Spelling is free in case, spaces and punctuation.
    pub fn recognise<'a>(header: impl IntoIterator<Item = &'a str>) -> Result<Self, ImportError> {
        let headers: Vec<&str> = header
            .into_iter()
            .map(|cell| cell.trim_start_matches('\u{feff}').trim())
            .collect();
        if headers.iter().all(|header| header.is_empty()) {
            return Err(ImportError::NoHeader);
        }
        let format = Format::recognise(&headers);
        let mut taken = HashSet::new();
        let columns: Vec<Column> = headers
            .iter()
            .enumerate()
            .map(|(index, header)| {
                let name = unique(&mut taken, &fit_name(header, index));
                Column {
                    target: target(format, header, &name),
                    header: name,
                }
            })
            .collect();
        if columns.iter().any(|column| column.target.tells_name()) {
            Ok(Self {
                format,
                columns: without_repeated_custom_names(columns),
            })
        } else {
            Err(ImportError::NoName {
                found: list(&headers),
            })
        }
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// Tells for each column, in the order of the file, what it is taken for.
    pub fn uses(&self) -> impl ExactSizeIterator<Item = ColumnUse<'_>> {
        self.columns.iter().map(|Column { header, target }| {
            let (field, custom_field) = match target {
                Target::FullName | Target::FirstName | Target::LastName | Target::Title => {
                    (Some("name"), None)
                }
                Target::Field(field) => (Some(field.as_str()), None),
                Target::Custom(name) => (Some("customFields"), Some(name.as_str())),
                Target::CustomObject => (Some("customFields"), None),
                Target::Ignored => (None, None),
            };
            ColumnUse {
                header,
                field,
                custom_field,
            }
        })
    }
}

impl Target {
    fn tells_name(&self) -> bool {
        match self {
            Self::FullName | Self::FirstName | Self::LastName | Self::Title => true,
            Self::Field(field) => matches!(field, Field::Company | Field::Email),
            Self::Custom(_) | Self::CustomObject | Self::Ignored => false,
        }
    }
}

fn target(format: Format, header: &str, name: &str) -> Target {
    if let Some(custom) = custom_name(header) {
        return Target::Custom(fit_name(custom, 0));
    }
    match header {
        // In other systems a person's name stands here, or it is theirs to decide.
        "assignedTo" if format == Format::Fairlead => Target::Field(Field::AssignedTo),
        "customFields" if format == Format::Fairlead => Target::CustomObject,
        "id" | "version" | "updatedAt" if format == Format::Fairlead => Target::Ignored,
        _ => names::target(&names::key(header)).unwrap_or_else(|| Target::Custom(name.to_owned())),
    }
}

/// The name of a custom field in our own exports: `customFields.budget`.
fn custom_name(header: &str) -> Option<&str> {
    header
        .strip_prefix("customFields.")
        .filter(|name| !name.trim().is_empty())
}

/// Makes a header fit for the name of a custom field.
fn fit_name(header: &str, index: usize) -> String {
    let name: String = header
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        // Leaves room for a number that tells it from others of its name.
        .take(CustomFields::MAX_NAME - 6)
        .collect();
    let name = name.trim();
    if name.is_empty() {
        format!("Column {}", index + 1)
    } else {
        name.to_owned()
    }
}

fn unique(taken: &mut HashSet<String>, name: &str) -> String {
    let mut free = name.to_owned();
    let mut number = 2;
    while taken.contains(&free) {
        free = format!("{name} ({number})");
        number += 1;
    }
    taken.insert(free.clone());
    free
}

/// Two columns may be meant for one custom field (`State`, `Mailing State`): the first has it, the others keep a name
/// of their own.
fn without_repeated_custom_names(mut columns: Vec<Column>) -> Vec<Column> {
    let mut taken = HashSet::new();
    for column in &mut columns {
        if let Target::Custom(name) = &mut column.target
            && !taken.insert(name.clone())
        {
            *name = unique(&mut taken, custom_name(&column.header).unwrap_or(&column.header));
        }
    }
    columns
}

/// The headers for a message, as far as they are of help.
fn list(headers: &[&str]) -> String {
    const MOST: usize = 20;
    let mut found: Vec<String> = headers
        .iter()
        .take(MOST)
        .map(|header| header.chars().take(40).collect())
        .collect();
    if headers.len() > MOST {
        found.push(format!("and {} more", headers.len() - MOST));
    }
    found.join(", ")
}
