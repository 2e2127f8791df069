use std::net::IpAddr;

use time::OffsetDateTime;

use super::session::{Issuer, identity_scope, open_session};
use super::{Account, HasherBusy, PasswordHasher, Tenant, ThrottleKey, ThrottleLimit, Tokens, User};
use crate::store::{StoreError, SystemStore};

/// Somebody who says who it is.
#[derive(Debug)]
pub struct LoginRequest {
    /// As typed; compared in lower case.
    pub email: String,
    pub password: super::Secret,
    /// The slug of the tenant; without it, the oldest account that the password opens is meant.
    pub tenant: Option<String>,
    /// Where the request came from.
    pub address: IpAddr,
}

/// When attempts lock out.
#[derive(Clone, Copy, Debug)]
pub struct LoginPolicy {
    pub account: ThrottleLimit,
    pub address: ThrottleLimit,
}

#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Unknown address, wrong password, no password yet, or deactivated: all the same.
    #[error("the e-mail address and the password do not match")]
    Refused,
    #[error("too many failed attempts")]
    LockedOut { until: OffsetDateTime },
    #[error(transparent)]
    Busy(#[from] HasherBusy),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How many accounts of one address are tried when no tenant is named. Whoever has more names one.
const MAX_CANDIDATES: u32 = 8;

/// Logs a user in.
///
/// Anybody can make an account with anybody's address in a tenant of its own. So when no tenant is named, the password
/// is checked against each account of the address until one matches, the oldest first: such accounts keep nobody out.
///
/// One password is checked for an address without an account as for one with one: so neither the answer nor its time
/// tells whether there is an account. An address with several accounts takes longer, one check each up to the one that
/// matches, so the time of a refusal does tell that there are several, unless a tenant is named.
///
/// The attempt is counted before any password is checked, so that attempts that arrive together are held to the limits
/// as well, and given back when it succeeds.
pub async fn login(
    system: &dyn SystemStore,
    hasher: &dyn PasswordHasher,
    issuer: Issuer<'_>,
    policy: LoginPolicy,
    request: LoginRequest,
) -> Result<(Tenant, User, Tokens), LoginError> {
    let email = request.email.trim().to_lowercase();
    let account_key = ThrottleKey::Account {
        email: email.clone(),
        tenant: request.tenant.clone(),
    };
    let address_key = ThrottleKey::Address(request.address);
    let keys = [account_key.clone(), address_key.clone()];
    let limits = [
        (account_key.clone(), policy.account),
        (address_key, policy.address),
    ];

    let mut uow = system.begin(&identity_scope()).await?;
    if let Some(until) = uow.login_throttle().count_attempt(&limits).await? {
        // It may be this attempt that the lock-out begins with.
        uow.commit().await?;
        return Err(LoginError::LockedOut { until });
    }
    let candidates = uow
        .accounts()
        .find_by_email(&email, request.tenant.as_deref(), MAX_CANDIDATES)
        .await?;
    // Invariant: the attempt is durable, and no transaction is open, while passwords are checked.
    uow.commit().await?;

    let several = candidates.len() > 1;
    let account = match first_match(hasher, request.password.expose(), candidates).await {
        Ok(Some(account)) => account,
        Ok(None) => return Err(LoginError::Refused),
        Err(busy) => {
            // Of several, some may have been checked: that was a guess.
            if !several {
                let mut uow = system.begin(&identity_scope()).await?;
                uow.login_throttle().give_back(&keys).await?;
                uow.commit().await?;
            }
            return Err(busy.into());
        }
    };

    let mut uow = system.begin(&identity_scope()).await?;
    uow.login_throttle().give_back(&keys).await?;
    if !several {
        // With several, one may belong to somebody who guesses the password of another.
        uow.login_throttle().forget(&[account_key]).await?;
    }
    let tokens = open_session(&mut *uow, issuer, account.tenant.id, &account.user).await?;
    uow.commit().await?;
    Ok((account.tenant, account.user, tokens))
}

/// Returns the first account that the password opens. Checks one password even if there is no account.
async fn first_match(
    hasher: &dyn PasswordHasher,
    password: &str,
    candidates: Vec<Account>,
) -> Result<Option<Account>, HasherBusy> {
    if candidates.is_empty() {
        hasher.verify_nothing(password).await?;
    }
    for account in candidates {
        if hasher.verify(password, &account.password_hash).await? {
            return Ok(Some(account));
        }
    }
    Ok(None)
}
