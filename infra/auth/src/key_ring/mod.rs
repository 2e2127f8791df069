//! The keys that sign access tokens.
//!
//! Each key is a file in one folder, named by the UTC moment from which it signs: `20261121T033600Z.pem`. The newest
//! key whose moment has passed signs; every key verifies, those included that are yet to sign. A new key is therefore
//! written some time before its moment: by then every process that shares the folder has read it, and no token is
//! refused. All functions here read or write files, so call them where a thread may block.

mod error;
mod folder;
mod signing_key;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use time::{Duration, OffsetDateTime};

pub use error::{KeyFault, KeyRingError};
pub(crate) use signing_key::SigningKey;

/// How far apart the clocks of processes that share keys may be.
pub(crate) const CLOCK_SKEW: Duration = Duration::seconds(5);

/// The keys in a folder, as they were last read.
#[derive(Debug)]
pub struct KeyRing {
    folder: PathBuf,
    keys: RwLock<Arc<Keys>>,
}

/// What may be told of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// The RFC 7638 thumbprint.
    pub id: String,
    pub signs_from: OffsetDateTime,
}

/// Invariant: not empty, and sorted by the moment from which each signs.
#[derive(Debug)]
pub(crate) struct Keys(Vec<SigningKey>);

impl KeyRing {
    /// How long before its moment a new key is written when nobody says otherwise.
    pub const DEFAULT_OVERLAP: Duration = Duration::minutes(2);

    /// Reads the keys in `folder`. At least one must be there that signs at `now`.
    pub fn open(folder: &Path, now: OffsetDateTime) -> Result<Self, KeyRingError> {
        let keys = Keys::read(folder)?;
        if keys.0[0].signs_from() > now {
            return Err(KeyRingError::NoneSignsYet {
                folder: folder.to_owned(),
                from: keys.0[0].signs_from(),
            });
        }
        Ok(Self {
            folder: folder.to_owned(),
            keys: RwLock::new(Arc::new(keys)),
        })
    }

    /// Reads the keys in `folder`, which is made, with a first key that signs from `now`, when there are none.
    pub fn open_or_create(folder: &Path, now: OffsetDateTime) -> Result<Self, KeyRingError> {
        match Self::open(folder, now) {
            Err(KeyRingError::NoKeys { .. }) => {
                folder::create(folder)?;
                match folder::write_key(
                    folder,
                    folder::whole_second_before(now),
                    &SigningKey::generate_pem()?,
                ) {
                    // Another process that shares the folder came first; its key is as good.
                    Ok(_) | Err(KeyRingError::Exists { .. }) => {}
                    Err(error) => return Err(error),
                }
                Self::open(folder, now)
            }
            result => result,
        }
    }

    /// Reads the folder again. When that fails, the keys stay as they were.
    pub fn reload(&self) -> Result<(), KeyRingError> {
        let keys = Arc::new(Keys::read(&self.folder)?);
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    /// Writes a new key that signs from `overlap` after `now`. Until then every process that shares the folder must
    /// have reloaded.
    pub fn rotate(&self, now: OffsetDateTime, overlap: Duration) -> Result<PublicKey, KeyRingError> {
        let signs_from = folder::whole_second_from(now + overlap);
        let path = folder::write_key(&self.folder, signs_from, &SigningKey::generate_pem()?)?;
        let key = folder::read_key(&path, signs_from)?;
        self.reload()?;
        Ok(key.public())
    }

    /// Deletes the keys that cannot have signed a token that is still good: those whose successor has signed for
    /// longer than tokens live. Returns what was deleted.
    pub fn prune(
        &self,
        now: OffsetDateTime,
        access_lifetime: Duration,
    ) -> Result<Vec<PublicKey>, KeyRingError> {
        self.reload()?;
        let keys = self.current();
        let mut pruned = Vec::new();
        for pair in keys.0.windows(2) {
            let (key, successor) = (&pair[0], &pair[1]);
            if now - successor.signs_from() > access_lifetime + CLOCK_SKEW {
                folder::delete_key(&self.folder, key.signs_from())?;
                pruned.push(key.public());
            }
        }
        self.reload()?;
        Ok(pruned)
    }

    /// The key that signs at `now`.
    pub fn signer(&self, now: OffsetDateTime) -> PublicKey {
        self.current().signer(now).public()
    }

    /// All keys, the oldest first.
    pub fn public_keys(&self) -> Vec<PublicKey> {
        self.current().0.iter().map(SigningKey::public).collect()
    }

    pub(crate) fn current(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Keys {
    fn read(folder: &Path) -> Result<Self, KeyRingError> {
        let mut keys = Vec::new();
        for (signs_from, path) in folder::list(folder)? {
            keys.push(folder::read_key(&path, signs_from)?);
        }
        keys.sort_unstable_by_key(SigningKey::signs_from);
        if keys.is_empty() {
            return Err(KeyRingError::NoKeys {
                folder: folder.to_owned(),
            });
        }
        Ok(Self(keys))
    }

    /// The newest key whose moment has passed, or else the first to come: clocks differ a little, and all verify.
    pub(crate) fn signer(&self, now: OffsetDateTime) -> &SigningKey {
        self.0
            .iter()
            .rfind(|key| key.signs_from() <= now)
            .unwrap_or(&self.0[0])
    }

    pub(crate) fn find(&self, id: &str) -> Option<&SigningKey> {
        self.0.iter().find(|key| key.id() == id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &SigningKey> {
        self.0.iter()
    }
}
