use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use fairlead_domain::idempotency::{AnswerSeal, KeyBearer};

/// Answers that tell a secret, kept sealed by AES-256-GCM for as long as their idempotency key lives.
///
/// A sealed one is a version, a nonce, and the body under the key of the installation with its tag. Whoever it was for,
/// and the key it is kept under, are bound to it, so it is of no use in the row of another. The nonce is random: of 2^32
/// answers under one key two have the same with a chance of 2^-33 (NIST SP 800-38D, section 8.3).
pub struct SealedAnswers {
    key: LessSafeKey,
}

const VERSION: u8 = 1;

impl SealedAnswers {
    pub fn new(key: [u8; 32]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, &key).expect("the key is as long as the algorithm wants it");
        Self {
            key: LessSafeKey::new(key),
        }
    }
}

impl std::fmt::Debug for SealedAnswers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedAnswers(…)")
    }
}

impl AnswerSeal for SealedAnswers {
    fn seal(&self, body: &[u8], bearer: &KeyBearer<'_>) -> Vec<u8> {
        let mut covered = body.to_vec();
        let nonce = rand::random::<[u8; NONCE_LEN]>();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(bearer.to_bytes()),
                &mut covered,
            )
            .expect("an answer has fewer bytes than the algorithm takes");
        [&[VERSION][..], &nonce, &covered].concat()
    }

    fn open(&self, sealed: &[u8], bearer: &KeyBearer<'_>) -> Option<Vec<u8>> {
        let (version, rest) = sealed.split_first()?;
        let (nonce, covered) = rest.split_first_chunk::<NONCE_LEN>()?;
        if *version != VERSION {
            return None;
        }
        let mut covered = covered.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self
            .key
            .open_in_place(nonce, Aad::from(bearer.to_bytes()), &mut covered)
            .ok()?;
        Some(opened.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use fairlead_domain::Id;
    use fairlead_domain::access::Actor;
    use uuid::Uuid;

    use super::*;

    fn bearer(tenant: u128, key: &str) -> KeyBearer<'_> {
        KeyBearer {
            tenant: Id::from_uuid(Uuid::from_u128(tenant)),
            actor: Actor::System,
            key,
        }
    }

    #[test]
    fn a_sealed_answer_is_opened_for_its_bearer_alone() {
        let ours = SealedAnswers::new([1; 32]);
        let body = br#"{"key":"tk_secret"}"#;

        let sealed = ours.seal(body, &bearer(1, "a"));

        assert_eq!(ours.open(&sealed, &bearer(1, "a")).as_deref(), Some(&body[..]));
        assert_eq!(ours.open(&sealed, &bearer(2, "a")), None);
        assert_eq!(ours.open(&sealed, &bearer(1, "b")), None);
        assert_eq!(SealedAnswers::new([2; 32]).open(&sealed, &bearer(1, "a")), None);
        for place in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[place] ^= 1;
            assert_eq!(ours.open(&altered, &bearer(1, "a")), None, "{place}");
        }
        for length in 0..sealed.len() {
            assert_eq!(ours.open(&sealed[..length], &bearer(1, "a")), None, "{length}");
        }
    }

    #[test]
    fn what_is_sealed_does_not_show() {
        let ours = SealedAnswers::new([1; 32]);
        let body = br#"{"key":"tk_secret"}"#;

        let (one, other) = (ours.seal(body, &bearer(1, "a")), ours.seal(body, &bearer(1, "a")));

        assert_ne!(one, other);
        assert!(!one.windows(6).any(|part| part == b"secret"));
    }
}
