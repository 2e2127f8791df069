use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fairlead_domain::identity::{Secret, TenantId};
use fairlead_domain::webhooks::{SigningSecrets, WebhookId};

/// Secrets of webhooks as Standard Webhooks has them, kept sealed by AES-256-GCM.
///
/// A sealed one is a version, a nonce, and the 32 bytes under the key of the installation with their tag. Tenant and
/// webhook are bound to it, so it is of no use in the row of another. The nonce is random: of 2^32 secrets under one key
/// two have the same with a chance of 2^-33 (NIST SP 800-38D, section 8.3).
pub struct SealedSigningSecrets {
    key: LessSafeKey,
}

const PREFIX: &str = "whsec_";
const SECRET_LENGTH: usize = 32;
const VERSION: u8 = 1;

/// Whether something can be signed with a text: it is `whsec_` and the base64 of 24 to 64 bytes, as Standard Webhooks has
/// it.
pub fn is_signing_secret(secret: &Secret) -> bool {
    decode(secret).is_some_and(|key| (24..=64).contains(&key.len()))
}

impl SealedSigningSecrets {
    pub fn new(key: [u8; 32]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, &key).expect("the key is as long as the algorithm wants it");
        Self {
            key: LessSafeKey::new(key),
        }
    }
}

impl std::fmt::Debug for SealedSigningSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedSigningSecrets(…)")
    }
}

impl SigningSecrets for SealedSigningSecrets {
    fn make(&self) -> Secret {
        Secret::new(format!(
            "{PREFIX}{}",
            STANDARD.encode(rand::random::<[u8; SECRET_LENGTH]>())
        ))
    }

    fn seal(&self, secret: &Secret, tenant: TenantId, webhook: WebhookId) -> Vec<u8> {
        let mut covered = decode(secret).expect("it was made or opened here");
        let nonce = rand::random::<[u8; NONCE_LEN]>();
        self.key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                bound(tenant, webhook),
                &mut covered,
            )
            .expect("32 bytes are not too many");
        [&[VERSION][..], &nonce, &covered].concat()
    }

    fn open(&self, sealed: &[u8], tenant: TenantId, webhook: WebhookId) -> Option<Secret> {
        let (version, rest) = sealed.split_first()?;
        let (nonce, covered) = rest.split_first_chunk::<NONCE_LEN>()?;
        if *version != VERSION {
            return None;
        }
        let mut covered = covered.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self
            .key
            .open_in_place(nonce, bound(tenant, webhook), &mut covered)
            .ok()?;
        Some(Secret::new(format!("{PREFIX}{}", STANDARD.encode(opened))))
    }

    fn sign(&self, secret: &Secret, content: &[u8]) -> String {
        let key = decode(secret).expect("it was made or opened here");
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), content);
        format!("v1,{}", STANDARD.encode(signature))
    }
}

fn decode(secret: &Secret) -> Option<Vec<u8>> {
    STANDARD.decode(secret.expose().strip_prefix(PREFIX)?).ok()
}

/// What a sealed secret belongs to.
fn bound(tenant: TenantId, webhook: WebhookId) -> Aad<[u8; 32]> {
    let mut bound = [0; 32];
    bound[..16].copy_from_slice(tenant.as_uuid().as_bytes());
    bound[16..].copy_from_slice(webhook.as_uuid().as_bytes());
    Aad::from(bound)
}

#[cfg(test)]
mod tests {
    use fairlead_domain::Id;
    use uuid::Uuid;

    use super::*;

    fn tenant(number: u128) -> TenantId {
        Id::from_uuid(Uuid::from_u128(number))
    }

    fn webhook(number: u128) -> WebhookId {
        Id::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn a_sealed_secret_is_opened_by_its_key_for_its_webhook_alone() {
        let ours = SealedSigningSecrets::new([1; 32]);
        let secret = ours.make();

        let sealed = ours.seal(&secret, tenant(1), webhook(2));

        let opened = ours.open(&sealed, tenant(1), webhook(2)).unwrap();
        assert_eq!(opened.expose(), secret.expose());
        assert!(ours.open(&sealed, tenant(1), webhook(3)).is_none());
        assert!(ours.open(&sealed, tenant(2), webhook(2)).is_none());
        let others = SealedSigningSecrets::new([2; 32]);
        assert!(others.open(&sealed, tenant(1), webhook(2)).is_none());
        for place in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[place] ^= 1;
            assert!(ours.open(&altered, tenant(1), webhook(2)).is_none(), "{place}");
        }
        for length in 0..sealed.len() {
            assert!(
                ours.open(&sealed[..length], tenant(1), webhook(2)).is_none(),
                "{length}"
            );
        }
    }

    #[test]
    fn a_secret_is_sealed_otherwise_each_time_and_does_not_show() {
        let secrets = SealedSigningSecrets::new([1; 32]);
        let secret = secrets.make();
        let bytes = decode(&secret).unwrap();

        let (one, other) = (
            secrets.seal(&secret, tenant(1), webhook(2)),
            secrets.seal(&secret, tenant(1), webhook(2)),
        );

        assert_ne!(one, other);
        assert!(!one.windows(8).any(|part| part == &bytes[..8]));
        assert_ne!(secrets.make().expose(), secret.expose());
        assert_eq!((bytes.len(), secret.expose().len()), (32, 6 + 44));
    }

    /// The example of RFC 4231, section 4.3, whose key is the four bytes `Jefe`.
    #[test]
    fn a_signature_is_the_hmac_that_everybody_knows() {
        let secret = Secret::new(format!("whsec_{}", STANDARD.encode("Jefe")));

        let signature = SealedSigningSecrets::new([1; 32]).sign(&secret, b"what do ya want for nothing?");

        assert_eq!(signature, "v1,W9zBRr9gdU5qBCQmCJV1x1oAPwidJzmDnexYuWTsOEM=");
    }
}
