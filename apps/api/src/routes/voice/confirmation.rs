use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fairlead_domain::access::Caller;
use fairlead_domain::voice::VoiceAction;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::action::ActionView;

/// How long somebody may think about it.
pub(super) const LIFETIME: Duration = Duration::minutes(5);
const TAG: usize = 32;
/// Longer ones are none: a note is the longest there is to be confirmed, with all its characters escaped.
const MAX_LENGTH: usize = 40_000;

/// Signs what a caller is asked about, so that this is what is done when the caller says so once more: by the same caller, in
/// the same tenant, for a while.
#[derive(Clone)]
pub struct ConfirmationKey([u8; 32]);

/// What a caller was asked about.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    /// Of the question: of all that it offers one is done, and once.
    question: Uuid,
    /// Seconds of Unix time.
    expires: i64,
    action: ActionView,
}

/// Something that a caller says once more is to be done.
#[derive(Debug)]
pub(super) struct Confirmed {
    pub(super) question: Uuid,
    pub(super) expires_at: OffsetDateTime,
    pub(super) action: VoiceAction,
}

impl ConfirmationKey {
    /// Takes a secret that all processes of an installation share.
    pub fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    pub(super) fn seal(
        &self,
        caller: &Caller,
        question: Uuid,
        expires_at: OffsetDateTime,
        action: &ActionView,
    ) -> String {
        let sealed = Sealed {
            question,
            expires: expires_at.unix_timestamp(),
            action: action.clone(),
        };
        let mut sealed = serde_json::to_vec(&sealed).expect("an action is plain data with string keys");
        let tag = self.mac(caller, &sealed).finalize().into_bytes();
        sealed.extend_from_slice(&tag);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// Reads what was sealed for this caller, whether its time is over or not.
    pub(super) fn open(&self, caller: &Caller, token: &str) -> Option<Confirmed> {
        if token.len() > MAX_LENGTH {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (sealed, tag) = sealed.split_at_checked(sealed.len().checked_sub(TAG)?)?;
        self.mac(caller, sealed).verify_slice(tag).ok()?;
        let sealed: Sealed = serde_json::from_slice(sealed).ok()?;
        Some(Confirmed {
            question: sealed.question,
            expires_at: OffsetDateTime::from_unix_timestamp(sealed.expires).ok()?,
            action: sealed.action.to_confirmed()?,
        })
    }

    fn mac(&self, caller: &Caller, sealed: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(caller.scope().tenant().as_uuid().as_bytes());
        // It ends where the JSON begins: no actor's name has a brace.
        mac.update(caller.actor().to_string().as_bytes());
        mac.update(sealed);
        mac
    }
}

impl fmt::Debug for ConfirmationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ConfirmationKey(…)")
    }
}
