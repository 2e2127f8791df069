//! The cryptography of identity: passwords, access tokens and their keys, secrets that are kept as hashes; and the
//! secrets that webhooks are signed with and answers that tell secrets, which are kept sealed;
//! and what a payment provider has signed.
//!
//! The ports served here are those of `fairlead_domain::identity`, and one each of `fairlead_domain::webhooks`,
//! `fairlead_domain::idempotency` and `fairlead_domain::billing`.

mod access_tokens;
mod event_signatures;
mod key_ring;
mod password_hasher;
mod sealed_answers;
mod secrets;
mod signing_secrets;
#[cfg(test)]
mod temporary;

pub use access_tokens::{AccessTokenSettings, JwtAccessTokens};
pub use event_signatures::StripeSignatures;
pub use key_ring::{KeyFault, KeyRing, KeyRingError, PublicKey};
pub use password_hasher::{Argon2PasswordHasher, HasherLimits};
pub use sealed_answers::SealedAnswers;
pub use secrets::Sha256Secrets;
pub use signing_secrets::{SealedSigningSecrets, is_signing_secret};
