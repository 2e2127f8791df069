use aws_lc_rs::hmac;
use fairlead_domain::billing::{EventSignatures, UnsignedEvent};
use time::OffsetDateTime;

/// For how long a signature counts, in seconds; also of a clock that is ahead.
const TOLERANCE: i64 = 300;
/// More are not looked at: there is one for each secret that is in force.
const MOST_SIGNATURES: usize = 16;

/// Verifies what Stripe has signed: <https://docs.stripe.com/webhooks#verify-manually>.
///
/// While a secret is rotated there are two, and whatever is signed with either counts.
pub struct StripeSignatures {
    keys: Vec<hmac::Key>,
}

impl StripeSignatures {
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let key = |secret: &str| hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        Self {
            keys: secrets.into_iter().map(key).collect(),
        }
    }
}

impl std::fmt::Debug for StripeSignatures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StripeSignatures(…)")
    }
}

impl EventSignatures for StripeSignatures {
    fn verify(&self, header: &str, body: &[u8], now: OffsetDateTime) -> Result<(), UnsignedEvent> {
        let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
        let time = parts().find(|(name, _)| *name == "t").map(|(_, time)| time);
        let time = time.ok_or(UnsignedEvent::Malformed)?;
        let signatures = parts().filter(|(name, _)| *name == "v1").take(MOST_SIGNATURES);
        let signatures: Vec<Vec<u8>> = signatures.filter_map(|(_, hex)| unhex(hex)).collect();
        let seconds: i64 = time.parse().map_err(|_| UnsignedEvent::Malformed)?;
        if signatures.is_empty() {
            return Err(UnsignedEvent::Malformed);
        }
        let signed = [time.as_bytes(), b".", body].concat();
        let is_by = |key: &hmac::Key| {
            // Compared in constant time.
            let is_right = |signature: &Vec<u8>| hmac::verify(key, &signed, signature).is_ok();
            signatures.iter().any(is_right)
        };
        if !self.keys.iter().any(is_by) {
            return Err(UnsignedEvent::Wrong);
        }
        // Only of what was signed is it told that it is old.
        if now.unix_timestamp().saturating_sub(seconds).saturating_abs() > TOLERANCE {
            return Err(UnsignedEvent::TooOld);
        }
        Ok(())
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    (0..32)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const SECRET: &str = "whsec_test";
    const BODY: &[u8] = br#"{"id": "evt_1"}"#;

    fn signature(secret: &str, time: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
        let tag = hmac::sign(&key, &[time.as_bytes(), b".", BODY].concat());
        tag.as_ref().iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").expect("a String takes all that is written");
            hex
        })
    }

    fn verify(header: &str, at: i64) -> Result<(), UnsignedEvent> {
        let now = OffsetDateTime::from_unix_timestamp(at).unwrap();
        StripeSignatures::new([SECRET, "whsec_old"]).verify(header, BODY, now)
    }

    #[test]
    fn what_was_signed_lately_with_a_secret_in_force_counts() {
        let (new, old) = (signature(SECRET, "1000"), signature("whsec_old", "1000"));
        let other = signature("whsec_other", "1000");

        for header in [
            format!("t=1000,v1={new}"),
            format!("t=1000,v1={old},v0={other}"),
            format!("t=1000, v1={other}, v1={new}"),
        ] {
            assert_eq!(verify(&header, 1_300), Ok(()), "{header}");
            assert_eq!(verify(&header, 700), Ok(()), "{header}");
            assert_eq!(verify(&header, 1_301), Err(UnsignedEvent::TooOld), "{header}");
            assert_eq!(verify(&header, 699), Err(UnsignedEvent::TooOld), "{header}");
        }
        assert_eq!(
            verify(&format!("t=1000,v1={other}"), 1_000),
            Err(UnsignedEvent::Wrong)
        );
        assert_eq!(
            verify(&format!("t=1001,v1={new}"), 1_000),
            Err(UnsignedEvent::Wrong)
        );
        assert_eq!(
            verify(&format!("t=1000,v0={new}"), 1_000),
            Err(UnsignedEvent::Malformed)
        );
        for nonsense in ["", "t=", "v1=ab", "t=x,v1=", &format!("t={},v1={new}", i64::MIN)] {
            assert!(verify(nonsense, 1_000).is_err(), "{nonsense}");
        }
        assert!(
            verify(
                &format!("t={},v1={}", i64::MIN, signature(SECRET, &i64::MIN.to_string())),
                1
            )
            .is_err()
        );
    }

    #[test]
    fn without_a_secret_nothing_counts() {
        let header = format!("t=1000,v1={}", signature("", "1000"));
        let now = OffsetDateTime::from_unix_timestamp(1_000).unwrap();

        let verified = StripeSignatures::new([]).verify(&header, BODY, now);

        assert_eq!(verified, Err(UnsignedEvent::Wrong));
    }
}
