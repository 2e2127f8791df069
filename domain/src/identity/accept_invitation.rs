use super::session::{Issuer, identity_scope, open_session};
use super::{HasherBusy, Password, PasswordHasher, SecretKind, Tenant, Tokens, User};
use crate::store::{StoreError, SystemStore};

#[derive(Debug, thiserror::Error)]
pub enum AcceptInvitationError {
    #[error("the invitation is unknown, used or expired")]
    Refused,
    #[error(transparent)]
    Busy(#[from] HasherBusy),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sets the password of an invited user and logs the user in. An invitation can be used once.
pub async fn accept_invitation(
    system: &dyn SystemStore,
    hasher: &dyn PasswordHasher,
    issuer: Issuer<'_>,
    presented: &str,
    password: Password,
) -> Result<(Tenant, User, Tokens), AcceptInvitationError> {
    let secret = issuer
        .secrets
        .read(SecretKind::Invitation, presented)
        .ok_or(AcceptInvitationError::Refused)?;
    let tenant = secret.tenant.ok_or(AcceptInvitationError::Refused)?;
    // Looked up before the password is hashed, so that a made-up token costs us nothing; and again behind it, because
    // the invitation may have been used meanwhile.
    let mut uow = system.begin(&identity_scope()).await?;
    let known = uow.accounts().find_by_invitation(tenant, &secret.hash).await?;
    known.ok_or(AcceptInvitationError::Refused)?;
    drop(uow);

    let password_hash = hasher.hash(&password).await?;

    let mut uow = system.begin(&identity_scope()).await?;
    let invited = uow.accounts().find_by_invitation(tenant, &secret.hash).await?;
    let (tenant, user) = invited.ok_or(AcceptInvitationError::Refused)?;
    uow.accounts()
        .set_password(tenant.id, user.id, &password_hash)
        .await?;
    let tokens = open_session(&mut *uow, issuer, tenant.id, &user).await?;
    uow.commit().await?;
    Ok((tenant, user, tokens))
}
