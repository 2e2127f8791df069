use std::fs::File;
use std::io::{self, Read, stdin};
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::Context as _;
use bytes::Bytes;
use fairlead_http::ApiUpload;
use indicatif::ProgressBar;
use tokio::sync::mpsc;

use super::{Operation, Remote, bytes_bar};

const CHUNK: usize = 64 << 10;
/// Chunks that are read ahead of what is sent.
const AHEAD: usize = 8;

/// Where a file comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    StandardInput,
    File(PathBuf),
}

impl Source {
    pub(crate) fn of(path: &Path) -> Self {
        if path == Path::new("-") {
            Self::StandardInput
        } else {
            Self::File(path.to_owned())
        }
    }
}

/// Sends a file to be imported, and returns the operation that does it.
pub(crate) async fn upload(
    remote: &Remote,
    source: &Source,
    media_type: &'static str,
    path: &str,
    idempotency_key: &str,
) -> anyhow::Result<Operation> {
    let (reader, bytes): (Box<dyn Read + Send>, _) = match source {
        Source::StandardInput => (Box::new(stdin()), None),
        Source::File(path) => {
            let cannot = || format!("cannot read {}", path.display());
            let file = File::open(path).with_context(cannot)?;
            let metadata = file.metadata().with_context(cannot)?;
            // What is written behind it meanwhile is not sent; of a pipe nobody knows how long it is.
            match metadata.is_file().then_some(metadata.len()) {
                Some(bytes) => (Box::new(file.take(bytes)), Some(bytes)),
                None => (Box::new(file), None),
            }
        }
    };
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
