//! Reads a file as it arrives, row by row.

use std::time::Duration;

use actix_web::web::{Bytes, Payload};
use fairlead_domain::invalid::Invalid;
use fairlead_domain::leads::RawLead;
use fairlead_domain::leads::import::{Columns, read_json};
use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};

use crate::problem::{Kind, Problem};
use crate::records::{CsvRecords, NdjsonRecords, unguarded};

/// How long an import waits for more of its file.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileFormat {
    Csv,
    Ndjson,
}

/// Takes what is read.
pub(super) trait Rows {
    /// Why it takes no more.
    type Stop: From<Problem>;

    /// Once, before the first row of a CSV file.
    fn columns(&mut self, columns: &Columns) -> impl Future<Output = Result<(), Self::Stop>>;

    /// `line` is where the row begins.
    fn take(
        &mut self,
        line: u64,
        row: Result<RawLead, Invalid>,
    ) -> impl Future<Output = Result<(), Self::Stop>>;
}

/// A file that arrives.
pub(super) struct File {
    payload: Payload,
    /// Over the request and what has come of the file, where that is wanted.
    digest: Option<Sha256>,
}

impl File {
    pub(super) fn new(payload: Payload) -> Self {
        Self {
            payload,
            digest: None,
        }
    }

    /// A file to be told from others that come with the same request, of which `digest` is made so far.
    pub(super) fn digested(payload: Payload, digest: Sha256) -> Self {
        Self {
            payload,
            digest: Some(digest),
        }
    }

    /// Reads it to its end, row by row.
    pub(super) async fn read<R: Rows>(&mut self, format: FileFormat, rows: &mut R) -> Result<(), R::Stop> {
        match format {
            FileFormat::Csv => read_csv(self, rows).await,
            FileFormat::Ndjson => read_ndjson(self, rows).await,
        }
    }

    /// Reads it to its end for its digest alone.
    pub(super) async fn pass_over(&mut self) -> Result<(), Problem> {
        while self.next_chunk().await?.is_some() {}
        Ok(())
    }

    /// The digest of all that was read; of nothing, where none is wanted.
    pub(super) fn into_digest(self) -> [u8; 32] {
        self.digest.unwrap_or_default().finalize().into()
    }

    async fn next_chunk(&mut self) -> Result<Option<Bytes>, Problem> {
        let chunk = tokio::time::timeout(PATIENCE, self.payload.next()).await;
        let chunk = chunk
            .map_err(|_| Problem::client(Kind::MalformedRequest, "no more of the file came"))?
            .transpose()
            .map_err(|_| Problem::client(Kind::MalformedRequest, "the file broke off"))?;
        if let (Some(digest), Some(chunk)) = (&mut self.digest, &chunk) {
            digest.update(chunk);
        }
        Ok(chunk)
    }
}

async fn read_csv<R: Rows>(file: &mut File, rows: &mut R) -> Result<(), R::Stop> {
    let mut records = CsvRecords::new();
    let mut columns: Option<Columns> = None;
    loop {
        let more = file.next_chunk().await?;
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
                rows.columns(&recognised).await?;
                columns = Some(recognised);
                continue;
            };
            let row = match record.content {
                Ok(cells) => columns.read(cells.iter().map(unguarded)),
                Err(fault) => Err(Invalid::field("", fault.to_string())),
            };
            rows.take(record.line, row).await?;
        }
        if more.is_none() {
            break;
        }
    }
    if columns.is_none() {
        return Err(bad_file("the file is empty: its first row must name the columns".to_owned()).into());
    }
    Ok(())
}

async fn read_ndjson<R: Rows>(file: &mut File, rows: &mut R) -> Result<(), R::Stop> {
    let mut records = NdjsonRecords::new();
    loop {
        let more = file.next_chunk().await?;
        match &more {
            Some(chunk) => records.push(chunk),
            None => records.finish(),
        }
        while let Some(record) = records.read() {
            let row = match record.content {
                Ok(line) => read_json(line),
                Err(fault) => Err(Invalid::field("", fault.to_string())),
            };
            rows.take(record.line, row).await?;
        }
        if more.is_none() {
            return Ok(());
        }
    }
}

fn bad_file(detail: String) -> Problem {
    Problem::client(Kind::InvalidInput, detail)
}
