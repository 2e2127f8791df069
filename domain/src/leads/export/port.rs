use std::fmt::Debug;

use super::ExportFormat;
use crate::leads::Lead;

/// Writes leads as the lines of a file: how they are shown is for the edge to say.
pub trait LeadFiles: Debug + Send + Sync {
    /// What a file begins with.
    fn head(&self, format: ExportFormat) -> &'static str;

    /// One line for each lead, in their order.
    fn lines(&self, format: ExportFormat, leads: Vec<Lead>) -> String;
}
