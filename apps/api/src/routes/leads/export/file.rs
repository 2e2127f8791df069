//! Leads as the lines of a file.

use std::fmt::Write as _;

use fairlead_domain::leads::Lead;
use fairlead_domain::leads::export::{ExportFormat, LeadFiles};

use crate::records::guarded;
use crate::routes::leads::view::LeadView;

/// Our own names, so that what was exported can be imported again.
const HEADER: &str = "id,name,email,phone,company,status,closeReason,source,insuranceType,zipCode,qualityScore,assignedTo,\
customFields,createdAt,updatedAt\r\n";

/// Writes leads as clients are shown them.
#[derive(Clone, Copy, Debug)]
pub struct LeadFileWriter;

impl LeadFiles for LeadFileWriter {
    fn head(&self, format: ExportFormat) -> &'static str {
        match format {
            ExportFormat::Csv => HEADER,
            ExportFormat::Ndjson => "",
        }
    }

    fn add_line(&self, format: ExportFormat, lead: Lead, text: &mut String) {
        let view = LeadView::from(lead);
        match format {
            ExportFormat::Csv => write_row(text, &view),
            ExportFormat::Ndjson => {
                let line = serde_json::to_string(&view);
                text.push_str(&line.expect("views are plain data with string keys"));
                text.push('\n');
            }
        }
    }
}

/// The media type of a file, and what it is called.
pub(in crate::routes) fn described(format: ExportFormat) -> (&'static str, &'static str) {
    match format {
        ExportFormat::Csv => ("text/csv; charset=utf-8", "leads.csv"),
        ExportFormat::Ndjson => ("application/x-ndjson", "leads.ndjson"),
    }
}

fn write_row(text: &mut String, lead: &LeadView) {
    let view = serde_json::to_value(lead).expect("views are plain data with string keys");
    for (index, column) in HEADER.trim_end().split(',').enumerate() {
        if index > 0 {
            text.push(',');
        }
        match &view[column] {
            serde_json::Value::Null => {}
            serde_json::Value::String(cell) => write_cell(text, cell),
            serde_json::Value::Object(fields) if fields.is_empty() => {}
            other => write_cell(text, &other.to_string()),
        }
    }
    text.push_str("\r\n");
}

/// Writes one cell, quoted where it must be (RFC 4180, section 2), and made harmless for spreadsheets.
fn write_cell(text: &mut String, cell: &str) {
    let cell = &*guarded(cell);
    if cell.contains(['"', ',', '\r', '\n']) || cell.starts_with(' ') || cell.ends_with(' ') {
        let quoted = cell.replace('"', "\"\"");
        write!(text, "\"{quoted}\"").expect("a String takes any text");
    } else {
        text.push_str(cell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_quoted_where_it_must_be() {
        let cell = |text| {
            let mut written = String::new();
            write_cell(&mut written, text);
            written
        };

        assert_eq!(cell("plain"), "plain");
        assert_eq!(cell("a,b"), "\"a,b\"");
        assert_eq!(cell("say \"hi\"\n"), "\"say \"\"hi\"\"\n\"");
    }
}
