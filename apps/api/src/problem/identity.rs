use fairlead_domain::identity::{
    AcceptInvitationError, CreateApiKeyError, HasherBusy, InviteError, LoginError, LogoutError, RefreshError,
    RenameTenantError, RevokeApiKeyError, SignUpError, UpdateUserError,
};
use time::OffsetDateTime;

use fairlead_domain::invalid::Invalid;

use super::{Kind, Problem};
use crate::spec::Problematic;

impl From<HasherBusy> for Problem {
    fn from(error: HasherBusy) -> Self {
        // A password takes a fraction of a second, so the queue is short soon.
        Self::server(Kind::Unavailable, error).retry_after(1)
    }
}

impl From<SignUpError> for Problem {
    fn from(error: SignUpError) -> Self {
        match error {
            SignUpError::Busy(error) => error.into(),
            SignUpError::Store(error) => error.into(),
        }
    }
}

impl Problem {
    /// Why a login failed; `now` tells how long a lock-out still lasts.
    pub fn from_login(error: LoginError, now: OffsetDateTime) -> Self {
        match error {
            LoginError::Refused => Self::client(Kind::WrongCredentials, error.to_string()),
            LoginError::LockedOut { until } => {
                let seconds = (until - now).whole_seconds().max(0).unsigned_abs() + 1;
                Self::client(Kind::TooManyAttempts, error.to_string()).retry_after(seconds)
            }
            LoginError::Busy(error) => error.into(),
            LoginError::Store(error) => error.into(),
        }
    }
}

impl Problematic for LoginError {
    const KINDS: &'static [Kind] = &[Kind::WrongCredentials, Kind::TooManyAttempts];
}

impl From<RefreshError> for Problem {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Refused => Self::client(Kind::WrongCredentials, error.to_string()),
            RefreshError::Store(error) => error.into(),
        }
    }
}

impl Problematic for RefreshError {
    const KINDS: &'static [Kind] = &[Kind::WrongCredentials];
}

impl From<LogoutError> for Problem {
    fn from(error: LogoutError) -> Self {
        match error {
            LogoutError::NoSession => Self::client(Kind::NotPermitted, error.to_string()),
            LogoutError::Store(error) => error.into(),
        }
    }
}

impl Problematic for LogoutError {
    const KINDS: &'static [Kind] = &[Kind::NotPermitted];
}

impl From<AcceptInvitationError> for Problem {
    fn from(error: AcceptInvitationError) -> Self {
        match error {
            AcceptInvitationError::Refused => Self::client(Kind::WrongCredentials, error.to_string()),
            AcceptInvitationError::Busy(error) => error.into(),
            AcceptInvitationError::Store(error) => error.into(),
        }
    }
}

impl Problematic for AcceptInvitationError {
    const KINDS: &'static [Kind] = &[Kind::WrongCredentials];
}

impl From<RenameTenantError> for Problem {
    fn from(error: RenameTenantError) -> Self {
        match error {
            RenameTenantError::Stale { .. } => Self::client(Kind::StaleVersion, error.to_string()),
            RenameTenantError::Store(error) => error.into(),
        }
    }
}

impl Problematic for RenameTenantError {
    const KINDS: &'static [Kind] = &[Kind::StaleVersion];
}

impl From<CreateApiKeyError> for Problem {
    fn from(error: CreateApiKeyError) -> Self {
        match error {
            CreateApiKeyError::TooManyKeys => Self::client(Kind::LimitReached, error.to_string()),
            CreateApiKeyError::NotAPerson => Self::client(Kind::NotPermitted, error.to_string()),
            CreateApiKeyError::Store(error) => error.into(),
        }
    }
}

impl Problematic for CreateApiKeyError {
    const KINDS: &'static [Kind] = &[Kind::LimitReached, Kind::NotPermitted];
}

impl From<RevokeApiKeyError> for Problem {
    fn from(error: RevokeApiKeyError) -> Self {
        match error {
            RevokeApiKeyError::NotFound => Self::not_found(),
            RevokeApiKeyError::Store(error) => error.into(),
        }
    }
}

impl Problematic for RevokeApiKeyError {
    const KINDS: &'static [Kind] = &[Kind::NotFound];
}

impl From<InviteError> for Problem {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::EmailTaken => Self::client(Kind::EmailTaken, error.to_string()),
            InviteError::TooManyUsers => Self::client(Kind::LimitReached, error.to_string()),
            InviteError::OwnersAlone | InviteError::PeopleAlone => {
                Self::client(Kind::NotPermitted, error.to_string())
            }
            InviteError::Store(error) => error.into(),
        }
    }
}

impl Problematic for InviteError {
    const KINDS: &'static [Kind] = &[
        Kind::EmailTaken,
        Kind::LimitReached,
        Kind::PlanLimitReached,
        Kind::NotPermitted,
    ];
}

impl From<UpdateUserError> for Problem {
    fn from(error: UpdateUserError) -> Self {
        match error {
            UpdateUserError::NotFound => Self::not_found(),
            UpdateUserError::Stale { .. } => Self::client(Kind::StaleVersion, error.to_string()),
            UpdateUserError::ViewerTakesNone => Self::invalid(Invalid::field("agent", error.to_string())),
            UpdateUserError::OwnersAlone | UpdateUserError::PeopleAlone => {
                Self::client(Kind::NotPermitted, error.to_string())
            }
            UpdateUserError::LastOwner => Self::client(Kind::LastOwner, error.to_string()),
            UpdateUserError::HoldsLeads { .. } => Self::client(Kind::Conflict, error.to_string()),
            UpdateUserError::Store(error) => error.into(),
        }
    }
}

impl Problematic for UpdateUserError {
    const KINDS: &'static [Kind] = &[
        Kind::PlanLimitReached,
        Kind::NotFound,
        Kind::StaleVersion,
        Kind::NotPermitted,
        Kind::LastOwner,
        Kind::Conflict,
    ];
}

#[cfg(test)]
mod tests {
    use actix_web::ResponseError as _;
    use time::macros::datetime;

    use super::*;

    #[test]
    fn who_is_locked_out_is_told_how_long() {
        let now = datetime!(2026-11-21 10:00:00 UTC);
        let until = datetime!(2026-11-21 10:14:59.5 UTC);

        let response = Problem::from_login(LoginError::LockedOut { until }, now).error_response();

        assert_eq!(response.headers().get("retry-after").unwrap(), "900");
    }
}
