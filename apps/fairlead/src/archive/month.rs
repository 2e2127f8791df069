use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use fairlead_domain::Id;
use fairlead_domain::events::{ArchiveError, ArchivedMonth, Envelope, Event, EventSet};
use fairlead_domain::identity::TenantId;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use time::Date;
use uuid::Uuid;

use super::manifest::{Last, Manifest, Part};
use super::{Fault, blocking, private_directory, private_file};

const LOCK: &str = "lock";

/// A month in its directory.
#[derive(Debug)]
pub(super) struct Month {
    directory: PathBuf,
    manifest: Manifest,
    /// Held for as long as it is written, by one process at a time: also while a file is, for which nobody waits any more.
    lock: Arc<File>,
}

/// Finds where to go on, or begins.
pub(super) fn open(directory: &Path, month: Date, events: EventSet) -> Result<Month, Fault> {
    let name = format!("{:04}-{:02}", month.year(), u8::from(month.month()));
    let mut number = 1;
    loop {
        let of_month = match number {
            1 => directory.join(format!("events-{name}")),
            _ => directory.join(format!("events-{name}.{number}")),
        };
        let lock = take(&of_month)?;
        let manifest = match Manifest::read(&of_month)? {
            None => {
                let manifest = Manifest::begin(name);
                manifest.write(&of_month)?;
                manifest
            }
            // It was written to its end, and is of other events.
            Some(manifest) if manifest.is_whole && manifest.written() != events => {
                number += 1;
                continue;
            }
            Some(manifest) => manifest,
        };
        for part in &manifest.files {
            let path = of_month.join(&part.name);
            let length = fs::metadata(&path).map_err(io_fault(&path))?.len();
            if length != part.bytes {
                return Err(Fault::Damaged(path));
            }
        }
        return Ok(Month {
            directory: of_month,
            manifest,
            lock: Arc::new(lock),
        });
    }
}

fn take(directory: &Path) -> Result<File, Fault> {
    private_directory(directory).map_err(io_fault(directory))?;
    let path = directory.join(LOCK);
    let lock = private_file(&path).map_err(io_fault(&path))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Fault::Taken(directory.to_owned())),
        Err(TryLockError::Error(source)) => Err(Fault::Io { path, source }),
    }
}

fn io_fault(path: &Path) -> impl FnOnce(io::Error) -> Fault {
    |source| Fault::Io {
        path: path.to_owned(),
        source,
    }
}

#[async_trait]
impl ArchivedMonth for Month {
    fn is_whole(&self) -> bool {
        self.manifest.is_whole
    }

    fn events(&self) -> EventSet {
        self.manifest.written()
    }

    fn last(&self) -> Option<(TenantId, Uuid)> {
        let last = self.manifest.last?;
        Some((Id::from_uuid(last.tenant), last.id))
    }

    async fn append(&mut self, events: Vec<Event>) -> Result<(), ArchiveError> {
        let directory = self.directory.clone();
        let (mut manifest, lock) = (self.manifest.clone(), Arc::clone(&self.lock));
        self.manifest = blocking(move || {
            let _lock = lock;
            let name = format!("{:05}.jsonl.gz", manifest.files.len() + 1);
            let path = directory.join(&name);
            let (bytes, sha256) = write(&path, &events).map_err(io_fault(&path))?;
            manifest.files.push(Part {
                name,
                events: events.len() as u64,
                bytes,
                sha256,
            });
            let mut written = manifest.written();
            for event in &events {
                written.add(event.id);
            }
            (manifest.events, manifest.digest) = (written.count, format!("{:016x}", written.digest));
            manifest.last = events.last().map(|event| Last {
                tenant: event.tenant.as_uuid(),
                id: event.id,
            });
            manifest.write(&directory)?;
            Ok(manifest)
        })
        .await?;
        Ok(())
    }

    async fn seal(&mut self) -> Result<(), ArchiveError> {
        let directory = self.directory.clone();
        let (mut manifest, lock) = (self.manifest.clone(), Arc::clone(&self.lock));
        self.manifest = blocking(move || {
            let _lock = lock;
            manifest.is_whole = true;
            manifest.write(&directory)?;
            Ok(manifest)
        })
        .await?;
        Ok(())
    }
}

/// Returns how long the file is, and its SHA-256.
fn write(path: &Path, events: &[Event]) -> io::Result<(u64, String)> {
    let mut encoder = GzEncoder::new(
        BufWriter::new(Hashed::new(private_file(path)?)),
        Compression::default(),
    );
    for event in events {
        encoder.write_all(Envelope(event).to_json().as_bytes())?;
        encoder.write_all(b"\n")?;
    }
    let hashed = encoder
        .finish()?
        .into_inner()
        .map_err(io::IntoInnerError::into_error)?;
    hashed.file.sync_all()?;
    Ok((hashed.bytes, hex(&hashed.hash.finalize())))
}

/// A file whose content is hashed on its way.
struct Hashed {
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Hashed {
    fn new(file: File) -> Self {
        Self {
            file,
            hash: Sha256::new(),
            bytes: 0,
        }
    }
}

impl Write for Hashed {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    let mut hex = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(hex, "{byte:02x}").expect("a String takes all that is written");
    }
    hex
}
