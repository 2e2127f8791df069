use std::fmt;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;

use super::{KeyFault, KeyRingError, PublicKey};

const PEM_BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const PEM_END: &str = "-----END PRIVATE KEY-----";

/// An Ed25519 key pair with the moment from which it signs.
pub(crate) struct SigningKey {
    id: String,
    signs_from: OffsetDateTime,
    /// The public key in base64url, as in a JWK (RFC 8037).
    x: String,
    signing: EncodingKey,
    verifying: DecodingKey,
}

impl SigningKey {
    /// Makes a private key in PKCS#8 PEM form.
    pub(super) fn generate_pem() -> Result<String, KeyRingError> {
        let pair = Ed25519KeyPair::generate().map_err(|_| KeyRingError::NotMade)?;
        // Version 1 is what `openssl genpkey` writes and every tool reads.
        let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyRingError::NotMade)?;
        // 48 bytes are 64 characters: one line, as RFC 7468 limits them.
        Ok(format!(
            "{PEM_BEGIN}\n{}\n{PEM_END}\n",
            STANDARD.encode(der.as_ref())
        ))
    }

    pub(super) fn from_pem(pem: &str, signs_from: OffsetDateTime) -> Result<Self, KeyFault> {
        let (_, body) = pem.split_once(PEM_BEGIN).ok_or(KeyFault::Content)?;
        let (body, _) = body.split_once(PEM_END).ok_or(KeyFault::Content)?;
        let body: String = body.split_whitespace().collect();
        let der = STANDARD.decode(body).map_err(|_| KeyFault::Content)?;
        let pair = Ed25519KeyPair::from_pkcs8(&der).map_err(|_| KeyFault::Content)?;
        let public = pair.public_key().as_ref();
        let x = URL_SAFE_NO_PAD.encode(public);
        Ok(Self {
            id: thumbprint(&x),
            signs_from,
            x,
            signing: EncodingKey::from_ed_der(&der),
            verifying: DecodingKey::from_ed_der(public),
        })
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn signs_from(&self) -> OffsetDateTime {
        self.signs_from
    }

    pub(crate) fn signing(&self) -> &EncodingKey {
        &self.signing
    }

    pub(crate) fn verifying(&self) -> &DecodingKey {
        &self.verifying
    }

    pub(crate) fn public(&self) -> PublicKey {
        PublicKey {
            id: self.id.clone(),
            signs_from: self.signs_from,
        }
    }

    /// The public half (RFC 8037, section 2).
    pub(crate) fn jwk(&self) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "x": self.x, "kid": self.id, "use": "sig", "alg": "EdDSA" })
    }
}

/// Nothing of the private half is printed.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("id", &self.id)
            .field("signs_from", &self.signs_from)
            .finish_non_exhaustive()
    }
}

/// RFC 7638: SHA-256 of the required members in lexical order, without blanks; `x` needs no escapes.
fn thumbprint(x: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!(
        r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of RFC 8037, appendix A, in the PKCS#8 form of RFC 8410.
    const RFC_8037: &str = "-----BEGIN PRIVATE KEY-----\n\
                            MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
                            -----END PRIVATE KEY-----\n";

    #[test]
    fn the_example_of_rfc_8037_has_its_public_key_and_thumbprint() {
        let key = SigningKey::from_pem(RFC_8037, OffsetDateTime::UNIX_EPOCH).unwrap();

        assert_eq!(key.x, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key.id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_key_that_was_made_can_be_read() {
        let pem = SigningKey::generate_pem().unwrap();

        let key = SigningKey::from_pem(&pem, OffsetDateTime::UNIX_EPOCH).unwrap();

        assert_eq!(key.jwk()["kid"], key.id());
        assert!(!format!("{key:?}").contains(&pem[30..60]));
    }
}
