use std::net::IpAddr;

use time::OffsetDateTime;

use super::session::{Issuer, identity_scope, open_session};
use super::{HasherBusy, PasswordHasher, Tenant, ThrottleKey, ThrottleLimit, Tokens, User};
use crate::store::{StoreError, SystemStore};

/// Somebody who says who it is.
#[derive(Debug)]
pub struct LoginRequest {
    /// As typed; compared in lower case.
    pub email: String,
    pub password: super::Secret,
    /// The slug of the tenant; needed when the address belongs to several.
    pub tenant: Option<String>,
    /// Where the request came from.
    pub address: IpAddr,
}

/// When failures lock out.
#[derive(Clone, Copy, Debug)]
pub struct LoginPolicy {
    pub account: ThrottleLimit,
    pub address: ThrottleLimit,
}

#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Unknown address, wrong password, no password yet, deactivated, or several tenants and none named: all the same.
    #[error("the e-mail address and the password do not match")]
    Refused,
    #[error("too many failed attempts")]
    LockedOut { until: OffsetDateTime },
    #[error(transparent)]
    Busy(#[from] HasherBusy),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Logs a user in.
///
/// One password is checked whatever the address: so neither the answer nor its time tells whether there is an account.
pub async fn login(
    system: &dyn SystemStore,
    hasher: &dyn PasswordHasher,
    issuer: Issuer<'_>,
    policy: LoginPolicy,
    request: LoginRequest,
) -> Result<(Tenant, User, Tokens), LoginError> {
    let email = request.email.trim().to_lowercase();
    let account_key = ThrottleKey::Account(email.clone());
    let keys = [account_key.clone(), ThrottleKey::Address(request.address)];

    let mut uow = system.begin(&identity_scope()).await?;
    if let Some(until) = uow.login_throttle().locked_until(&keys).await? {
        return Err(LoginError::LockedOut { until });
    }
    let mut accounts = uow
        .accounts()
        .find_by_email(&email, request.tenant.as_deref())
        .await?;
    // No transaction is open while the password is checked.
    drop(uow);

    let account = if accounts.len() == 1 { accounts.pop() } else { None };
    let password = request.password.expose();
    let account = match account {
        Some(account) if hasher.verify(password, &account.password_hash).await? => Some(account),
        Some(_) => None,
        None => {
            hasher.verify_nothing(password).await?;
            None
        }
    };

    let mut uow = system.begin(&identity_scope()).await?;
    let Some(account) = account else {
        let [account_key, address_key] = keys;
        let limits = [(account_key, policy.account), (address_key, policy.address)];
        uow.login_throttle().note_failure(&limits).await?;
        uow.commit().await?;
        return Err(LoginError::Refused);
    };
    uow.login_throttle().forget(&[account_key]).await?;
    let tokens = open_session(&mut *uow, issuer, account.tenant.id, &account.user).await?;
    uow.commit().await?;
    Ok((account.tenant, account.user, tokens))
}
