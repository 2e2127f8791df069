//! The cryptography of identity: passwords, access tokens and their keys, secrets that are kept as hashes.
//!
//! The ports served here are those of `fairlead_domain::identity`.

mod access_tokens;
mod key_ring;
mod password_hasher;
mod secrets;
#[cfg(test)]
mod temporary;

pub use access_tokens::{AccessTokenSettings, JwtAccessTokens};
pub use key_ring::{KeyFault, KeyRing, KeyRingError, PublicKey};
pub use password_hasher::{Argon2PasswordHasher, HasherLimits};
pub use secrets::Sha256Secrets;
