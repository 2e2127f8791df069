//! One secret, many keys: each purpose gets its own, so that none can be used for another.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::config::Secret;

/// Derives the key of one purpose: HMAC-SHA-256 of its name, keyed by the secret.
pub(crate) fn derive(secret: &Secret, purpose: &str) -> [u8; 32] {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes()).expect("HMAC takes a key of any length");
    mac.update(b"fairlead/");
    mac.update(purpose.as_bytes());
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_depend_on_secret_and_purpose_alone() {
        let (one, other) = (Secret::new("a".repeat(32)), Secret::new("b".repeat(32)));

        assert_eq!(derive(&one, "cursor"), derive(&one, "cursor"));
        assert_ne!(derive(&one, "cursor"), derive(&one, "throttle"));
        assert_ne!(derive(&one, "cursor"), derive(&other, "cursor"));
    }
}
