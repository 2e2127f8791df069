use time::{Duration, OffsetDateTime};

use super::session::identity_scope;
use super::{AccessTokens, InvalidToken, RevokedSessions, SecretKind, Secrets};
use crate::access::{Caller, OperatorPermit, VerifiedIdentity};
use crate::store::{StoreError, SystemStore};

/// A key that is in use is written back this often.
const KEY_USE_RESOLUTION: Duration = Duration::MINUTE;

/// Who a credential turned out to be of.
#[derive(Clone, Debug)]
pub struct Verified<T> {
    pub who: T,
    /// When the credential expires; `None`: never.
    pub until: Option<OffsetDateTime>,
}

#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    #[error("the credential is not valid")]
    Refused,
    #[error("the access token has expired")]
    Expired,
    #[error("the session has ended")]
    SessionEnded,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Establishes the caller from an access token, without asking the database.
#[expect(
    clippy::disallowed_methods,
    reason = "HTTP authentication is where callers are made"
)]
pub fn authenticate_access_token(
    tokens: &dyn AccessTokens,
    revoked: &dyn RevokedSessions,
    token: &str,
    now: OffsetDateTime,
) -> Result<Verified<Caller>, AuthenticateError> {
    let claims = tokens.verify(token, now).map_err(|error| match error {
        InvalidToken::Forged => AuthenticateError::Refused,
        InvalidToken::Expired => AuthenticateError::Expired,
    })?;
    if revoked.contains(claims.session) {
        return Err(AuthenticateError::SessionEnded);
    }
    let who = Caller::from_verified(VerifiedIdentity::User {
        tenant: claims.tenant,
        user: claims.user,
        session: claims.session,
        role: claims.role,
    });
    Ok(Verified {
        who,
        until: Some(claims.expires_at),
    })
}

/// Establishes the caller from an API key, as it is now. Whoever keeps the answer says for how long.
#[expect(
    clippy::disallowed_methods,
    reason = "HTTP authentication is where callers are made"
)]
pub async fn authenticate_api_key(
    system: &dyn SystemStore,
    secrets: &dyn Secrets,
    presented: &str,
) -> Result<Verified<Caller>, AuthenticateError> {
    let secret = secrets
        .read(SecretKind::ApiKey, presented)
        .ok_or(AuthenticateError::Refused)?;
    let (Some(tenant), Some(id)) = (secret.tenant, secret.id) else {
        return Err(AuthenticateError::Refused);
    };
    let mut uow = system.begin(&identity_scope()).await?;
    let (key, hash) = uow
        .accounts()
        .find_api_key(tenant, id)
        .await?
        .ok_or(AuthenticateError::Refused)?;
    let now = uow.now();
    if !secrets.matches(&hash, &secret.hash) || !key.is_valid_at(now) {
        return Err(AuthenticateError::Refused);
    }
    if key
        .last_used_at
        .is_none_or(|used_at| now - used_at >= KEY_USE_RESOLUTION)
    {
        uow.accounts().touch_api_key(tenant, id, now).await?;
        uow.commit().await?;
    }
    let who = Caller::from_verified(VerifiedIdentity::ApiKey {
        tenant,
        key: id,
        scopes: key.scopes,
    });
    Ok(Verified {
        who,
        until: key.expires_at,
    })
}

/// Establishes an operator from its secret, as it is now.
#[expect(
    clippy::disallowed_methods,
    reason = "HTTP authentication is where operators are made"
)]
pub async fn authenticate_operator(
    system: &dyn SystemStore,
    secrets: &dyn Secrets,
    presented: &str,
) -> Result<Verified<OperatorPermit>, AuthenticateError> {
    let secret = secrets
        .read(SecretKind::Operator, presented)
        .ok_or(AuthenticateError::Refused)?;
    let mut uow = system.begin(&identity_scope()).await?;
    let (name, until) = uow
        .operators()
        .find_by_secret(&secret.hash)
        .await?
        .ok_or(AuthenticateError::Refused)?;
    Ok(Verified {
        who: OperatorPermit::from_verified(name),
        until,
    })
}
