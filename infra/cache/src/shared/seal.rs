use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use fairlead_domain::cache::CacheKey;
use fairlead_domain::identity::TenantId;

use crate::settings::EncryptionKey;

/// Encrypts answers (AES-256-GCM) so that each opens in its own place alone: for its tenant and its question.
pub(crate) struct Sealer {
    key: RandomizedNonceKey,
}

impl Sealer {
    pub(crate) fn new(key: &EncryptionKey) -> Self {
        Self {
            key: RandomizedNonceKey::new(&AES_256_GCM, &key.0)
                .expect("the key has the length of the algorithm's"),
        }
    }

    /// Returns the nonce, which is random, and the encrypted bytes.
    pub(crate) fn seal(&self, tenant: TenantId, key: &CacheKey, mut bytes: Vec<u8>) -> Vec<u8> {
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(place(tenant, key)), &mut bytes)
            .expect("answers are far smaller than what one key may encrypt at once");
        let mut sealed = nonce.as_ref().to_vec();
        sealed.append(&mut bytes);
        sealed
    }

    /// `None`: sealed under another key or for another place, or changed since.
    pub(crate) fn open(&self, tenant: TenantId, key: &CacheKey, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, bytes) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut bytes = bytes.to_vec();
        let length = self
            .key
            .open_in_place(nonce, Aad::from(place(tenant, key)), &mut bytes)
            .ok()?
            .len();
        bytes.truncate(length);
        Some(bytes)
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(…)")
    }
}

fn place(tenant: TenantId, key: &CacheKey) -> Vec<u8> {
    format!("{tenant} {key}").into_bytes()
}
