//! Reads a file as it arrives, and writes its leads batch by batch.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Bytes, Payload};
use fairlead_domain::access::{ImportLeads, Permit};
use fairlead_domain::events::Source;
use fairlead_domain::invalid::{FieldError, Invalid};
use fairlead_domain::leads::import::{Columns, read_json};
use fairlead_domain::leads::{Duplicates, LeadDraft, RawLead, RejectedRow, create_many};
use fairlead_domain::store::Store;
use futures_util::StreamExt as _;

use super::report::{ColumnView, ImportEvent, Progress, RejectedRowView};
use crate::problem::{Kind, Problem};
use crate::records::{CsvRecords, NdjsonRecords, unguarded};

/// How many rows one transaction writes. Larger ones are no faster, and hold back the readers of events longer.
const BATCH: usize = 1_000;

/// How long an import waits for more of its file.
const PATIENCE: Duration = Duration::from_mins(1);

/// What the file is, and what to do with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) format: FileFormat,
    pub(super) duplicates: Duplicates,
    pub(super) dry_run: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileFormat {
    Csv,
    Ndjson,
}

/// Where what is found is told; `false` means that nobody listens any more.
pub(super) trait Listener {
    fn tell(&mut self, event: ImportEvent) -> impl Future<Output = bool>;
}

/// One import under way.
pub(super) struct Import<L> {
    store: Arc<dyn Store>,
    permit: Permit<ImportLeads>,
    options: Options,
    listener: L,
    progress: Progress,
    batch: Vec<(u64, LeadDraft)>,
}

/// Why an import ended before the file did.
pub(super) enum Stop {
    Problem(Problem),
    NobodyListens,
}

impl<E: Into<Problem>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Problem(error.into())
    }
}

impl<L: Listener> Import<L> {
    pub(super) fn new(
        store: Arc<dyn Store>,
        permit: Permit<ImportLeads>,
        options: Options,
        listener: L,
    ) -> Self {
        let progress = Progress::new(options.dry_run);
        Self {
            store,
            permit,
            options,
            listener,
            progress,
            batch: Vec::with_capacity(BATCH),
        }
    }

    /// Reads the whole file. What was written before a stop stays written, and the progress says how much that is.
    pub(super) async fn run(mut self, payload: Payload) -> (Progress, L, Result<(), Stop>) {
        let result = match self.options.format {
            FileFormat::Csv => self.read_csv(payload).await,
            FileFormat::Ndjson => self.read_ndjson(payload).await,
        };
        (self.progress, self.listener, result)
    }

    async fn read_csv(&mut self, mut payload: Payload) -> Result<(), Stop> {
        let mut records = CsvRecords::new();
        let mut columns: Option<Columns> = None;
        loop {
            let more = next_chunk(&mut payload).await?;
            match &more {
                Some(chunk) => records.push(chunk),
                None => records.finish(),
            }
            while let Some(record) = records.read() {
                let Some(columns) = &columns else {
                    let header = record
                        .content
                        .map_err(|fault| bad_file(format!("the header row {fault}")))?;
                    let recognised =
                        Columns::recognise(header.iter()).map_err(|error| bad_file(error.to_string()))?;
                    let event = ImportEvent::Columns {
                        format: recognised.format().as_str(),
                        columns: recognised.uses().map(ColumnView::from).collect(),
                    };
                    self.tell(event).await?;
                    columns = Some(recognised);
                    continue;
                };
                let row = match record.content {
                    Ok(cells) => columns.read(cells.iter().map(unguarded)),
                    Err(fault) => Err(Invalid::field("", fault.to_string())),
                };
                self.take(record.line, row).await?;
            }
            if more.is_none() {
                break;
            }
        }
        if columns.is_none() {
            return Err(bad_file("the file is empty: its first row must name the columns".to_owned()).into());
        }
        self.write().await
    }

    async fn read_ndjson(&mut self, mut payload: Payload) -> Result<(), Stop> {
        let mut records = NdjsonRecords::new();
        loop {
            let more = next_chunk(&mut payload).await?;
            match &more {
                Some(chunk) => records.push(chunk),
                None => records.finish(),
            }
            while let Some(record) = records.read() {
                let row = match record.content {
                    Ok(line) => read_json(line),
                    Err(fault) => Err(Invalid::field("", fault.to_string())),
                };
                self.take(record.line, row).await?;
            }
            if more.is_none() {
                return self.write().await;
            }
        }
    }

    /// Takes one row: into the batch, or to the rejected ones.
    async fn take(&mut self, line: u64, row: Result<RawLead, Invalid>) -> Result<(), Stop> {
        self.progress.total += 1;
        match row.and_then(LeadDraft::parse) {
            Ok(draft) => self.batch.push((line, draft)),
            Err(reason) => self.reject(line, reason).await?,
        }
        if self.batch.len() == BATCH {
            self.write().await
        } else {
            Ok(())
        }
    }

    /// Writes the batch in a transaction of its own; a dry run does the same and undoes it.
    async fn write(&mut self) -> Result<(), Stop> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let (lines, drafts): (Vec<u64>, Vec<LeadDraft>) = self.batch.drain(..).unzip();
        let drafts = drafts.into_iter().enumerate().collect();
        let mut uow = self.store.begin(self.permit.scope()).await?;
        let outcome = create_many(
            &mut *uow,
            &self.permit,
            drafts,
            self.options.duplicates,
            Source::Import,
        )
        .await?;
        if !self.options.dry_run {
            uow.commit().await?;
        }
        self.progress.successful += outcome.successful.len() as u64;
        self.progress.skipped += outcome.skipped as u64;
        for RejectedRow { index, reason, .. } in outcome.rejected {
            self.reject(lines[index], reason).await?;
        }
        let progress = self.progress;
        self.tell(ImportEvent::Progress(progress)).await
    }

    async fn reject(&mut self, line: u64, Invalid(faults): Invalid) -> Result<(), Stop> {
        self.progress.failed += 1;
        for FieldError { field, detail } in faults {
            self.tell(ImportEvent::Rejected(RejectedRowView {
                line,
                field: field.into_owned(),
                reason: detail,
            }))
            .await?;
        }
        Ok(())
    }

    async fn tell(&mut self, event: ImportEvent) -> Result<(), Stop> {
        if self.listener.tell(event).await {
            Ok(())
        } else {
            Err(Stop::NobodyListens)
        }
    }
}

async fn next_chunk(payload: &mut Payload) -> Result<Option<Bytes>, Problem> {
    let chunk = tokio::time::timeout(PATIENCE, payload.next()).await;
    let chunk = chunk
        .map_err(|_| Problem::client(Kind::MalformedRequest, "no more of the file came"))?
        .transpose();
    chunk.map_err(|_| Problem::client(Kind::MalformedRequest, "the file broke off"))
}

fn bad_file(detail: String) -> Problem {
    Problem::client(Kind::InvalidInput, detail)
}
