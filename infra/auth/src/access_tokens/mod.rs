use std::sync::Arc;

use fairlead_domain::Id;
use fairlead_domain::access::Role;
use fairlead_domain::identity::{AccessClaims, AccessTokens, InvalidToken, Secret};
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::key_ring::{CLOCK_SKEW, KeyRing, SigningKey};

#[cfg(test)]
mod tests;

/// What our tokens say of themselves.
#[derive(Clone, Debug)]
pub struct AccessTokenSettings {
    /// The address of this installation; a token of another one is refused.
    pub issuer: String,
    /// Whom the tokens are for; a token that the same keys signed for somebody else is refused.
    pub audience: String,
    pub lifetime: Duration,
}

/// Access tokens as JWT, signed with Ed25519 by the keys of a [`KeyRing`].
#[derive(Debug)]
pub struct JwtAccessTokens {
    keys: Arc<KeyRing>,
    settings: AccessTokenSettings,
    validation: Validation,
}

/// One of ours has about 500 characters; nothing longer than this is looked at.
const MAX_LENGTH: usize = 2048;

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    /// The user.
    sub: Uuid,
    /// The tenant.
    tid: Uuid,
    /// The session.
    sid: Uuid,
    role: String,
    /// Seconds since 1970, as are the others.
    iat: i64,
    nbf: i64,
    exp: i64,
}

impl JwtAccessTokens {
    pub fn new(keys: Arc<KeyRing>, settings: AccessTokenSettings) -> Self {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
        validation.set_issuer(&[&settings.issuer]);
        validation.set_audience(&[&settings.audience]);
        // The library asks the system for the time; ours is told.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        Self {
            keys,
            settings,
            validation,
        }
    }

    /// The keys, for those who rotate and reload them.
    pub fn keys(&self) -> &Arc<KeyRing> {
        &self.keys
    }
}

impl AccessTokens for JwtAccessTokens {
    fn issue(&self, claims: &AccessClaims) -> Secret {
        let issued_at = claims.issued_at.unix_timestamp();
        let claims_set = Claims {
            iss: self.settings.issuer.clone(),
            aud: self.settings.audience.clone(),
            sub: claims.user.as_uuid(),
            tid: claims.tenant.as_uuid(),
            sid: claims.session.as_uuid(),
            role: claims.role.as_str().to_owned(),
            iat: issued_at,
            nbf: issued_at,
            exp: claims.expires_at.unix_timestamp(),
        };
        let keys = self.keys.current();
        let key = keys.signer(claims.issued_at);
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(key.id().to_owned());
        let token = encode(&header, &claims_set, key.signing());
        Secret::new(
            token.expect("the key was used when it was read, and the claims are plain text and numbers"),
        )
    }

    fn verify(&self, token: &str, now: OffsetDateTime) -> Result<AccessClaims, InvalidToken> {
        let claims = self.verify_signature(token).ok_or(InvalidToken::Forged)?;
        let now = now.unix_timestamp();
        let latest_start = now.saturating_add(CLOCK_SKEW.whole_seconds());
        if claims.nbf > latest_start || claims.iat > latest_start {
            return Err(InvalidToken::Forged);
        }
        // No leeway here: whose clock is ahead asks for a new token a little early.
        if now >= claims.exp {
            return Err(InvalidToken::Expired);
        }
        let moment = |seconds| OffsetDateTime::from_unix_timestamp(seconds).map_err(|_| InvalidToken::Forged);
        Ok(AccessClaims {
            tenant: Id::from_uuid(claims.tid),
            user: Id::from_uuid(claims.sub),
            session: Id::from_uuid(claims.sid),
            role: Role::parse(&claims.role).ok_or(InvalidToken::Forged)?,
            issued_at: moment(claims.iat)?,
            expires_at: moment(claims.exp)?,
        })
    }

    fn lifetime(&self) -> Duration {
        self.settings.lifetime
    }

    fn jwks(&self) -> Value {
        json!({ "keys": self.keys.current().iter().map(SigningKey::jwk).collect::<Vec<_>>() })
    }
}

impl JwtAccessTokens {
    /// Checks all but the time. The token chooses among our keys and nothing else: the algorithm is ours, and keys that
    /// it brings along or points at are not looked at.
    fn verify_signature(&self, token: &str) -> Option<Claims> {
        if token.len() > MAX_LENGTH {
            return None;
        }
        let header = decode_header(token).ok()?;
        // RFC 7515, section 4.1.11: who does not understand a critical extension must refuse; we know none.
        if header.alg != Algorithm::EdDSA || header.crit.is_some() {
            return None;
        }
        let keys = self.keys.current();
        let key = keys.find(header.kid.as_deref()?)?;
        decode::<Claims>(token, key.verifying(), &self.validation)
            .ok()
            .map(|token| token.claims)
    }
}
