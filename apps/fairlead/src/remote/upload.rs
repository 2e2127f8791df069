use std::fs::File;
use std::io::{self, Read, stdin};
use std::path::Path;
use std::thread;

use bytes::Bytes;
use fairlead_http::ApiUpload;
use indicatif::ProgressBar;
use tokio::sync::mpsc;

use super::{Operation, Remote, UsageError, bytes_bar};

const CHUNK: usize = 64 << 10;
/// Chunks that are read ahead of what is sent.
const AHEAD: usize = 8;

/// A file that can be read.
pub(crate) struct Source {
    reader: Box<dyn Read + Send>,
    /// `None`: nobody knows how long it is.
    bytes: Option<u64>,
}

impl Source {
    /// Opens a file; `-` is standard input.
    pub(crate) fn open(path: &Path) -> Result<Self, UsageError> {
        if path == Path::new("-") {
            return Ok(Self {
                reader: Box::new(stdin()),
                bytes: None,
            });
        }
        let (shown, fix) = (
            path.display(),
            "name a CSV or NDJSON file, or - for standard input",
        );
        let cannot = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => UsageError(format!("there is no file {shown}: {fix}")),
            _ => UsageError(format!("cannot read {shown}: {error}: {fix}")),
        };
        let file = File::open(path).map_err(cannot)?;
        let metadata = file.metadata().map_err(cannot)?;
        if metadata.is_dir() {
            return Err(UsageError(format!("{shown} is a directory: {fix}")));
        }
        // What is written behind it meanwhile is not sent; of a pipe nobody knows how long it is.
        let bytes = metadata.is_file().then_some(metadata.len());
        let reader: Box<dyn Read + Send> = match bytes {
            Some(bytes) => Box::new(file.take(bytes)),
            None => Box::new(file),
        };
        Ok(Self { reader, bytes })
    }
}

/// Sends a file to be imported, and returns the operation that does it.
pub(crate) async fn upload(
    remote: &Remote,
    source: Source,
    media_type: &'static str,
    path: &str,
    idempotency_key: &str,
) -> anyhow::Result<Operation> {
    let Source { reader, bytes } = source;
    let (sender, chunks) = mpsc::channel(AHEAD);
    let bar = bytes_bar(bytes, "sending");
    let shown = bar.clone();
    // Reading blocks, and standard input perhaps for ever: nobody waits for this thread.
    thread::spawn(move || send(reader, &sender, &shown));
    let file = ApiUpload {
        media_type,
        bytes,
        chunks,
    };
    let sent = remote.client().upload(path, idempotency_key, file).await;
    bar.finish_and_clear();
    Ok(sent?)
}

fn send(mut reader: impl Read, chunks: &mpsc::Sender<io::Result<Bytes>>, bar: &ProgressBar) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let chunk = match reader.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => Ok(Bytes::copy_from_slice(&buffer[..length])),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let (length, has_failed) = (chunk.as_ref().map_or(0, Bytes::len), chunk.is_err());
        // Nobody takes it any more: the server has refused the file.
        if chunks.blocking_send(chunk).is_err() || has_failed {
            return;
        }
        bar.inc(length as u64);
    }
}
