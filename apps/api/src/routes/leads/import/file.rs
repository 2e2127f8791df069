//! Reads a file as it arrives, row by row.

use actix_web::web::{Bytes, Payload};
use fairlead_domain::invalid::Invalid;
use fairlead_domain::leads::RawLead;
use fairlead_domain::leads::import::{Columns, read_json};
use futures_util::StreamExt as _;
use sha2::{Digest as _, Sha256};

use super::pace::{Pace, TooSlow};
use crate::problem::{Kind, Problem};
use crate::records::{CsvRecords, NdjsonRecords, unguarded};
use crate::spec::Problematic;

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
    pace: Pace,
    /// Over the request and what has come of the file, where that is wanted.
    digest: Option<Sha256>,
}

impl File {
    pub(super) fn new(payload: Payload) -> Self {
        Self {
            payload,
            pace: Pace::OF_FILES,
            digest: None,
        }
    }

    /// A file to be told from others that come with the same request, of which `digest` is made so far.
    pub(super) fn digested(payload: Payload, digest: Sha256) -> Self {
        Self {
            digest: Some(digest),
            ..Self::new(payload)
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
        let chunk = self.pace.wait(self.payload.next()).await?;
        let chunk = chunk
            .transpose()
            .map_err(|_| Problem::client(Kind::MalformedRequest, "the file broke off"))?;
        self.pace.note(chunk.as_ref().map_or(0, Bytes::len));
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

impl Problematic for TooSlow {
    const KINDS: &'static [Kind] = &[Kind::BodyTooSlow];
}

impl From<TooSlow> for Problem {
    fn from(TooSlow: TooSlow) -> Self {
        Self::client(
            Kind::BodyTooSlow,
            "less than 16 KiB of the file came in a second, and a minute was waited for it in all",
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::FromRequest as _;
    use actix_web::dev::Payload as Body;
    use actix_web::test::TestRequest;
    use futures_util::stream::unfold;
    use tokio::time::sleep;

    use super::*;

    /// Sends so many pieces of so many bytes, with a pause before each.
    async fn file(pieces: usize, bytes: usize, pace: Pace) -> File {
        let pieces = unfold(0, move |sent| async move {
            if sent == pieces {
                return None;
            }
            sleep(Duration::from_millis(20)).await;
            Some((Ok(Bytes::from(vec![b'x'; bytes])), sent + 1))
        });
        let mut body: Body = Body::Stream {
            payload: Box::pin(pieces),
        };
        let request = TestRequest::default().to_http_request();
        let payload = Payload::from_request(&request, &mut body).await.unwrap();
        File {
            pace,
            ..File::new(payload)
        }
    }

    #[actix_web::test]
    async fn who_sends_a_byte_now_and_then_is_not_waited_for_for_ever() {
        let mut slow = file(usize::MAX, 1, Pace::new(Duration::from_millis(200), 16 << 10)).await;

        let reading = tokio::time::timeout(Duration::from_secs(30), slow.pass_over()).await;

        let problem = reading.expect("it has an end").unwrap_err();
        assert_eq!(problem.kind(), Kind::BodyTooSlow);
    }

    #[actix_web::test]
    async fn who_sends_enough_may_take_longer_than_is_waited_for_nothing() {
        // Half a second of pauses, and a minute earned by each piece.
        let mut long = file(25, 60 << 10, Pace::new(Duration::from_millis(200), 1 << 10)).await;

        long.pass_over().await.unwrap();
    }
}
