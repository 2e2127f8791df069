use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use fairlead_domain::events::EventSet;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Fault, private_file};

const NAME: &str = "manifest.json";
const NEXT: &str = "manifest.json.next";
const FORMAT: &str = "CloudEvents 1.0 in JSON, one a line, by gzip";

/// What there is of a month.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Manifest {
    /// Such as `2026-01`.
    pub(super) month: String,
    format: String,
    /// Whether that is all.
    pub(super) is_whole: bool,
    pub(super) events: u64,
    /// Of their ids, in hexadecimal: see [`EventSet`].
    pub(super) digest: String,
    /// The last one that is written.
    pub(super) last: Option<Last>,
    pub(super) files: Vec<Part>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Last {
    pub(super) tenant: Uuid,
    pub(super) id: Uuid,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) events: u64,
    pub(super) bytes: u64,
    /// Of the file as it is, in hexadecimal.
    pub(super) sha256: String,
}

impl Manifest {
    pub(super) fn begin(month: String) -> Self {
        Self {
            month,
            format: FORMAT.to_owned(),
            is_whole: false,
            events: 0,
            digest: "0".repeat(16),
            last: None,
            files: Vec::new(),
        }
    }

    /// What is written of it.
    pub(super) fn written(&self) -> EventSet {
        EventSet {
            count: self.events,
            // One that cannot be read is that of no events, and the month is written anew.
            digest: u64::from_str_radix(&self.digest, 16).unwrap_or(u64::MAX),
        }
    }

    /// `None`: there is none yet.
    pub(super) fn read(directory: &Path) -> Result<Option<Self>, Fault> {
        let path = directory.join(NAME);
        match fs::read(&path) {
            Ok(json) => match serde_json::from_slice(&json) {
                Ok(manifest) => Ok(Some(manifest)),
                Err(source) => Err(Fault::Manifest { path, source }),
            },
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Fault::Io { path, source }),
        }
    }

    /// Takes the place of the last one, once all of it is on disk.
    pub(super) fn write(&self, directory: &Path) -> Result<(), Fault> {
        let path = directory.join(NEXT);
        let write = || -> std::io::Result<()> {
            let mut json = serde_json::to_vec_pretty(self)?;
            json.push(b'\n');
            let mut file = private_file(&path)?;
            file.write_all(&json)?;
            file.sync_all()?;
            fs::rename(&path, directory.join(NAME))?;
            File::open(directory)?.sync_all()
        };
        write().map_err(|source| Fault::Io {
            path: path.clone(),
            source,
        })
    }
}
