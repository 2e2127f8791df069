use time::OffsetDateTime;

use super::session::{Issuer, end_session, identity_scope};
use super::{AccessClaims, Revocation, SecretKind, TenantId, Tokens};
use crate::access::{Actor, Caller, VerifiedIdentity};
use crate::store::{StoreError, SystemStore, SystemUnitOfWork};

#[derive(Debug, thiserror::Error)]
pub enum RefreshError {
    /// Unknown, expired, revoked or traded too long ago; the last ends the session it belongs to.
    #[error("the refresh token is not valid")]
    Refused,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Trades a refresh token for a new pair.
///
/// A token that comes back was stolen, from whoever holds it now or before, so the session ends for both. Not so within
/// the leeway: two tabs of a browser trade one token at once, and whoever has lost the answer asks again. Each gets a pair
/// of its own then, unless what followed from the token was itself traded, which the same client would not do before.
pub async fn refresh(
    system: &dyn SystemStore,
    issuer: Issuer<'_>,
    presented: &str,
) -> Result<Tokens, RefreshError> {
    let secret = issuer
        .secrets
        .read(SecretKind::RefreshToken, presented)
        .ok_or(RefreshError::Refused)?;
    let tenant = secret.tenant.ok_or(RefreshError::Refused)?;

    let mut uow = system.begin(&identity_scope()).await?;
    let token = uow
        .accounts()
        .find_refresh_token(tenant, &secret.hash)
        .await?
        .ok_or(RefreshError::Refused)?;
    let (session, user) = (token.session, token.user);
    if session.revoked_at.is_some() || session.expires_at <= uow.now() || !user.active {
        return Err(RefreshError::Refused);
    }
    if let Some(used_at) = token.used_at
        && !is_asked_again(&mut *uow, issuer, tenant, &secret.hash, used_at).await?
    {
        end_session(
            &mut *uow,
            tenant,
            session.id,
            Actor::User(user.id),
            Revocation::Reuse,
        )
        .await?;
        uow.commit().await?;
        return Err(RefreshError::Refused);
    }
    let next = issuer.secrets.make(SecretKind::RefreshToken, Some(tenant), None);
    let next_hash = issuer.secrets.hash(next.expose());
    let used_hash = token.used_at.is_none().then_some(&*secret.hash);
    uow.accounts()
        .rotate_refresh_token(tenant, session.id, used_hash, &next_hash)
        .await?;
    let access_token = issuer.access.issue(&AccessClaims {
        tenant,
        user: user.id,
        session: session.id,
        role: user.role,
        issued_at: uow.now(),
        expires_at: uow.now() + issuer.access.lifetime(),
    });
    uow.commit().await?;
    Ok(Tokens {
        access_token,
        refresh_token: next,
        expires_in: issuer.access.lifetime(),
    })
}

/// Whether the one who has traded a token may be trading it again.
async fn is_asked_again(
    uow: &mut dyn SystemUnitOfWork,
    issuer: Issuer<'_>,
    tenant: TenantId,
    hash: &[u8],
    used_at: OffsetDateTime,
) -> Result<bool, StoreError> {
    // Whoever waited for the trade has begun before it: then the time between is less than none.
    let since = uow.now() - used_at;
    if issuer.refresh_leeway.is_zero() || since >= issuer.refresh_leeway {
        return Ok(false);
    }
    Ok(!uow.accounts().is_followed_by_used(tenant, hash).await?)
}

#[derive(Debug, thiserror::Error)]
pub enum LogoutError {
    #[error("an API key has no session to end; revoke the key")]
    NoSession,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Ends the caller's session: its refresh token and its access tokens are refused from now on.
pub async fn logout(system: &dyn SystemStore, caller: &Caller) -> Result<(), LogoutError> {
    let VerifiedIdentity::User {
        tenant,
        user,
        session,
        ..
    } = *caller.identity()
    else {
        return Err(LogoutError::NoSession);
    };
    let mut uow = system.begin(&identity_scope()).await?;
    end_session(&mut *uow, tenant, session, Actor::User(user), Revocation::Logout).await?;
    uow.commit().await?;
    Ok(())
}
