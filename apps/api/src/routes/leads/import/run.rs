//! Writes the leads of a file batch by batch, while the file is read.

use std::sync::Arc;

use actix_web::web::Payload;
use fairlead_domain::access::{ImportLeads, Permit};
use fairlead_domain::events::Source;
use fairlead_domain::invalid::{FieldError, Invalid};
use fairlead_domain::leads::import::{Columns, MAX_PART_ROWS};
use fairlead_domain::leads::{Duplicates, LeadDraft, RawLead, RejectedRow, create_many};
use fairlead_domain::store::Store;

use super::file::{File, FileFormat, Rows};
use super::report::{ColumnView, ImportEvent, Progress, RejectedRowView};
use crate::problem::Problem;

/// What the file is, and what to do with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    pub(super) format: FileFormat,
    pub(super) duplicates: Duplicates,
    pub(super) dry_run: bool,
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

impl<L: Listener> Rows for Import<L> {
    type Stop = Stop;

    async fn columns(&mut self, columns: &Columns) -> Result<(), Stop> {
        self.tell(ImportEvent::Columns {
            format: columns.format().as_str(),
            columns: columns.uses().map(ColumnView::from).collect(),
        })
        .await
    }

    /// Into the batch, or to the rejected ones.
    async fn take(&mut self, line: u64, row: Result<RawLead, Invalid>) -> Result<(), Stop> {
        self.progress.total += 1;
        match row.and_then(LeadDraft::parse) {
            Ok(draft) => self.batch.push((line, draft)),
            Err(reason) => self.reject(line, reason).await?,
        }
        if self.batch.len() == MAX_PART_ROWS {
            self.write().await
        } else {
            Ok(())
        }
    }
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
            batch: Vec::with_capacity(MAX_PART_ROWS),
        }
    }

    /// Reads the whole file. What was written before a stop stays written, and the progress says how much that is.
    pub(super) async fn run(mut self, payload: Payload) -> (Progress, L, Result<(), Stop>) {
        let mut result = File::new(payload).read(self.options.format, &mut self).await;
        if result.is_ok() {
            result = self.write().await;
        }
        (self.progress, self.listener, result)
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
