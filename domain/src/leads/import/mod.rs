//! Rows of a file become leads.
//!
//! A file comes from our own export or from another system: HubSpot, Salesforce, Pipedrive or Zoho. Its header row tells
//! which column holds what ([`Columns::recognise`]); after that each row is a [`RawLead`](super::RawLead) or a verdict
//! that names the fields which cannot be accepted. What no field is there for is kept as a custom field, so that
//! nothing of the file is lost.

mod begin;
mod dates;
mod headers;
mod json;
mod names;
mod parts;
mod rows;
mod statuses;
#[cfg(test)]
mod tests;
mod unique_names;
mod work;

pub use begin::{BeginImportError, ImportJob, Upload, begin};
pub use headers::{ColumnUse, Columns, Format, ImportError};
pub use json::read_json;
pub use parts::{BadPart, MAX_PART_ROWS, PartWriter};
pub use work::step;
