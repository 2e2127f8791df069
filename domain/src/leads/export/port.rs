use std::fmt::Debug;

use super::ExportFormat;
use crate::leads::Lead;

/// Writes leads as the lines of a file: how they are shown is for the edge to say.
pub trait LeadFiles: Debug + Send + Sync {
    /// What a file begins with.
    fn head(&self, format: ExportFormat) -> &'static str;

    /// Adds the line of a lead.
    fn add_line(&self, format: ExportFormat, lead: Lead, text: &mut String);
}
