use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fairlead_domain::Id;
use fairlead_domain::identity::{ApiKeyId, PresentedSecret, Secret, SecretKind, Secrets, TenantId};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

/// Makes secrets of the form `prefix_` and base64url of what the secret names, then 32 random bytes.
///
/// | kind | prefix | names |
/// |---|---|---|
/// | API key | `tk_` | the key, the tenant |
/// | refresh token | `rt_` | the tenant |
/// | invitation | `inv_` | the tenant |
/// | operator | `op_` | nothing |
///
/// An API key begins with its own id: the few characters shown to recognise it by then tell keys of one tenant apart,
/// and are no part of what must stay secret.
///
/// The secrets have 256 random bits, so a plain hash is as good as a slow one, and is found by an index.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sha256Secrets;

const UUID_LENGTH: usize = 16;
const RANDOM_LENGTH: usize = 32;

impl Secrets for Sha256Secrets {
    fn make(&self, kind: SecretKind, tenant: Option<TenantId>, id: Option<ApiKeyId>) -> Secret {
        let mut bytes = Vec::with_capacity(named_length(kind) + RANDOM_LENGTH);
        if kind == SecretKind::ApiKey {
            bytes.extend(id.expect("an API key has an id").as_uuid().as_bytes());
        }
        if kind != SecretKind::Operator {
            bytes.extend(
                tenant
                    .expect("all but operators belong to a tenant")
                    .as_uuid()
                    .as_bytes(),
            );
        }
        bytes.extend(rand::random::<[u8; RANDOM_LENGTH]>());
        Secret::new(format!("{}{}", prefix(kind), URL_SAFE_NO_PAD.encode(bytes)))
    }

    fn read(&self, kind: SecretKind, presented: &str) -> Option<PresentedSecret> {
        let encoded = presented.strip_prefix(prefix(kind))?;
        let length = named_length(kind) + RANDOM_LENGTH;
        // Refused by its length first: nothing is decoded that could not be one of ours.
        if encoded.len() != base64::encoded_len(length, false)? {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(encoded).ok()?;
        let (named, _random) = bytes.split_at_checked(named_length(kind))?;
        let uuid = |bytes: &[u8]| Uuid::from_slice(bytes).ok();
        let (id, tenant) = match kind {
            SecretKind::ApiKey => {
                let (id, tenant) = named.split_at_checked(UUID_LENGTH)?;
                (Some(Id::from_uuid(uuid(id)?)), Some(Id::from_uuid(uuid(tenant)?)))
            }
            SecretKind::RefreshToken | SecretKind::Invitation => (None, Some(Id::from_uuid(uuid(named)?))),
            SecretKind::Operator => (None, None),
        };
        Some(PresentedSecret {
            tenant,
            id,
            hash: self.hash(presented),
        })
    }

    fn hash(&self, secret: &str) -> Vec<u8> {
        Sha256::digest(secret.as_bytes()).to_vec()
    }

    fn matches(&self, left: &[u8], right: &[u8]) -> bool {
        left.ct_eq(right).into()
    }
}

fn prefix(kind: SecretKind) -> &'static str {
    match kind {
        SecretKind::ApiKey => "tk_",
        SecretKind::RefreshToken => "rt_",
        SecretKind::Invitation => "inv_",
        SecretKind::Operator => "op_",
    }
}

/// How many bytes say what the secret is of.
fn named_length(kind: SecretKind) -> usize {
    match kind {
        SecretKind::ApiKey => 2 * UUID_LENGTH,
        SecretKind::RefreshToken | SecretKind::Invitation => UUID_LENGTH,
        SecretKind::Operator => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const KINDS: [SecretKind; 4] = [
        SecretKind::ApiKey,
        SecretKind::RefreshToken,
        SecretKind::Invitation,
        SecretKind::Operator,
    ];
    const TENANT: u128 = 0x0192_8f00_0000_7000_8000_0000_0000_0001;
    const KEY: u128 = 0x0192_8f12_3456_7000_8000_0000_0000_0002;

    fn make(kind: SecretKind, key: u128) -> Secret {
        let id = |value| Uuid::from_u128(value);
        Sha256Secrets.make(
            kind,
            Some(Id::from_uuid(id(TENANT))),
            Some(Id::from_uuid(id(key))),
        )
    }

    #[test]
    fn a_secret_names_what_it_is_of() {
        for kind in KINDS {
            let secret = make(kind, KEY);

            let read = Sha256Secrets.read(kind, secret.expose()).unwrap();

            let tenant = (kind != SecretKind::Operator).then_some(TENANT);
            let key = (kind == SecretKind::ApiKey).then_some(KEY);
            assert_eq!(read.tenant.map(|id| id.as_uuid().as_u128()), tenant, "{kind:?}");
            assert_eq!(read.id.map(|id| id.as_uuid().as_u128()), key, "{kind:?}");
            assert!(Sha256Secrets.matches(&read.hash, &Sha256Secrets.hash(secret.expose())));
        }
    }

    #[test]
    fn no_two_secrets_are_alike() {
        let secrets: HashSet<String> = (0..1000)
            .map(|_| make(SecretKind::Operator, 0).expose().to_owned())
            .collect();

        assert_eq!(secrets.len(), 1000);
    }

    #[test]
    fn the_keys_of_one_tenant_differ_where_people_look() {
        let millisecond_later = KEY + (1 << 80);
        let start = |key| make(SecretKind::ApiKey, key).expose()[..12].to_owned();

        assert_ne!(start(KEY), start(millisecond_later));
        assert_eq!(start(KEY), start(KEY), "nothing of what is shown is random");
    }

    #[test]
    fn a_secret_is_of_one_kind_alone() {
        for kind in KINDS {
            let secret = make(kind, KEY);
            for other in KINDS.into_iter().filter(|other| *other != kind) {
                assert!(
                    Sha256Secrets.read(other, secret.expose()).is_none(),
                    "{kind:?} as {other:?}"
                );
            }
        }
    }

    #[test]
    fn a_secret_of_any_other_length_is_malformed() {
        for kind in KINDS {
            let secret = make(kind, KEY);
            let whole = secret.expose();
            for length in 0..whole.len() {
                assert!(
                    Sha256Secrets.read(kind, &whole[..length]).is_none(),
                    "{kind:?} cut at {length}"
                );
            }
            for more in ["A", "=", "AAAA", " ", "é", "\0"] {
                assert!(
                    Sha256Secrets.read(kind, &format!("{whole}{more}")).is_none(),
                    "{kind:?} with {more:?}"
                );
            }
        }
    }

    #[test]
    fn a_secret_with_an_illegal_character_is_malformed() {
        for kind in KINDS {
            let secret = make(kind, KEY);
            for position in prefix(kind).len()..secret.expose().len() {
                for illegal in ["+", "/", "=", ".", "\n"] {
                    let mut broken = secret.expose().to_owned();
                    broken.replace_range(position..=position, illegal);
                    assert!(
                        Sha256Secrets.read(kind, &broken).is_none(),
                        "{kind:?} {illegal:?} at {position}"
                    );
                }
            }
        }
    }

    #[test]
    fn hashes_of_other_secrets_or_lengths_do_not_match() {
        let hash = Sha256Secrets.hash("op_a");

        assert!(Sha256Secrets.matches(&hash, &Sha256Secrets.hash("op_a")));
        assert!(!Sha256Secrets.matches(&hash, &Sha256Secrets.hash("op_b")));
        assert!(!Sha256Secrets.matches(&hash, &hash[..31]));
        assert!(!Sha256Secrets.matches(&hash, &[]));
    }
}
