//! What an import tells: while it runs, and when it is done.

use fairlead_domain::leads::import::ColumnUse;
use serde::Serialize;
use utoipa::ToSchema;

/// How far an import has come.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ImportProgress)]
pub(crate) struct Progress {
    /// Rows read.
    #[schema(minimum = 0)]
    pub(crate) total: u64,
    /// Leads created; in a dry run: that would be created.
    #[schema(minimum = 0)]
    pub(crate) successful: u64,
    /// Rows left out because the lead was known.
    #[schema(minimum = 0)]
    pub(crate) skipped: u64,
    /// Rows that were rejected.
    #[schema(minimum = 0)]
    pub(crate) failed: u64,
    pub(crate) dry_run: bool,
}

impl Progress {
    pub(super) fn new(dry_run: bool) -> Self {
        Self {
            total: 0,
            successful: 0,
            skipped: 0,
            failed: 0,
            dry_run,
        }
    }
}

/// Why one row was rejected.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RejectedImportRow)]
pub(crate) struct RejectedRowView {
    /// Where the row begins in the file, counted from 1; the header row of a CSV file is line 1.
    #[schema(minimum = 1)]
    pub(crate) line: u64,
    /// The field at fault; empty when it is the row itself.
    #[schema(example = "email")]
    pub(crate) field: String,
    #[schema(example = "must be an e-mail address such as ann@example.com")]
    pub(crate) reason: String,
}

/// What one column of the file was taken for.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ImportColumn)]
pub(crate) struct ColumnView {
    #[schema(example = "Zip/Postal Code")]
    header: String,
    /// The field of the lead; `null`: not imported.
    #[schema(required = true, example = "zipCode")]
    field: Option<String>,
    /// The custom field, when it is one.
    #[schema(required = true)]
    custom_field: Option<String>,
}

impl From<ColumnUse<'_>> for ColumnView {
    fn from(column: ColumnUse<'_>) -> Self {
        Self {
            header: column.header.to_owned(),
            field: column.field.map(str::to_owned),
            custom_field: column.custom_field.map(str::to_owned),
        }
    }
}

/// One line of a streamed report.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum ImportEvent {
    /// First, for CSV: which system the file seems to come from, and what its columns were taken for.
    Columns {
        format: &'static str,
        columns: Vec<ColumnView>,
    },
    Rejected(RejectedRowView),
    /// After each batch.
    Progress(Progress),
    /// Last: the whole file was read.
    Done(Progress),
    /// Last: the import stopped. What the progress counts as successful is written.
    Stopped {
        #[serde(flatten)]
        progress: Progress,
        detail: String,
    },
}

/// What an import answers when it is done.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ImportReport {
    #[serde(flatten)]
    progress: Progress,
    /// The system the file seems to come from; `null` for NDJSON.
    #[schema(required = true, example = "salesforce")]
    format: Option<&'static str>,
    /// What each column was taken for; empty for NDJSON.
    columns: Vec<ColumnView>,
    /// The first 1,000 faults.
    #[schema(max_items = 1000)]
    errors: Vec<RejectedRowView>,
    /// Whether there were more faults; stream the report (`Accept: application/x-ndjson`) to have all.
    errors_truncated: bool,
}

/// The most faults that a report lists.
const MAX_ERRORS: usize = 1_000;

impl ImportReport {
    pub(super) fn new() -> Self {
        Self {
            progress: Progress::new(false),
            format: None,
            columns: Vec::new(),
            errors: Vec::new(),
            errors_truncated: false,
        }
    }

    pub(super) fn note(&mut self, event: ImportEvent) {
        match event {
            ImportEvent::Columns { format, columns } => {
                self.format = Some(format);
                self.columns = columns;
            }
            ImportEvent::Rejected(row) if self.errors.len() < MAX_ERRORS => self.errors.push(row),
            ImportEvent::Rejected(_) => self.errors_truncated = true,
            ImportEvent::Progress(progress)
            | ImportEvent::Done(progress)
            | ImportEvent::Stopped { progress, .. } => self.progress = progress,
        }
    }
}
