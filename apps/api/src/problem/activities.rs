use fairlead_domain::activities::{ChangeActivityError, LogActivityError};
use fairlead_domain::invalid::Invalid;

use super::{Kind, Problem};
use crate::spec::Problematic;

impl From<LogActivityError> for Problem {
    fn from(error: LogActivityError) -> Self {
        match error {
            LogActivityError::LeadNotFound => Self::not_found(),
            LogActivityError::OutOfReach => Self::client(Kind::NotPermitted, error.to_string()),
            LogActivityError::Store(error) => error.into(),
        }
    }
}

impl Problematic for LogActivityError {
    const KINDS: &'static [Kind] = &[Kind::NotFound, Kind::NotPermitted];
}

impl From<ChangeActivityError> for Problem {
    fn from(error: ChangeActivityError) -> Self {
        match error {
            ChangeActivityError::NotFound => Self::not_found(),
            ChangeActivityError::Stale { .. } => Self::client(Kind::StaleVersion, error.to_string()),
            ChangeActivityError::Automatic => Self::client(Kind::AutomaticActivity, error.to_string()),
            ChangeActivityError::OutOfReach => Self::client(Kind::NotPermitted, error.to_string()),
            ChangeActivityError::Empty => Self::invalid(Invalid::field("subject", error.to_string())),
            ChangeActivityError::Store(error) => error.into(),
        }
    }
}

impl Problematic for ChangeActivityError {
    const KINDS: &'static [Kind] = &[
        Kind::NotFound,
        Kind::StaleVersion,
        Kind::AutomaticActivity,
        Kind::NotPermitted,
        Kind::InvalidInput,
    ];
}
