use fairlead_domain::leads::import::BeginImportError;
use fairlead_domain::leads::scoring::BeginScoringError;
use fairlead_domain::operations::{CancelOperationError, FindResultError, NoRoom};

use super::{Kind, Problem};
use crate::spec::Problematic;

impl From<CancelOperationError> for Problem {
    fn from(error: CancelOperationError) -> Self {
        match error {
            CancelOperationError::NotFound => Self::not_found(),
            CancelOperationError::Ended(_) => Self::client(Kind::OperationEnded, error.to_string()),
            CancelOperationError::Store(error) => error.into(),
        }
    }
}

impl Problematic for CancelOperationError {
    const KINDS: &'static [Kind] = &[Kind::NotFound, Kind::OperationEnded];
}

impl From<NoRoom> for Problem {
    fn from(error: NoRoom) -> Self {
        match error {
            NoRoom::Operations(_) | NoRoom::Input | NoRoom::Output => {
                Self::client(Kind::LimitReached, error.to_string())
            }
            NoRoom::Store(error) => error.into(),
        }
    }
}

impl Problematic for NoRoom {
    const KINDS: &'static [Kind] = &[Kind::LimitReached];
}

impl From<FindResultError> for Problem {
    fn from(error: FindResultError) -> Self {
        match error {
            FindResultError::NotFound => Self::not_found(),
            FindResultError::NotEnded(_) => Self::client(Kind::ResultNotReady, error.to_string()),
            FindResultError::NeverWhole(_) | FindResultError::Dropped => {
                Self::client(Kind::ResultGone, error.to_string())
            }
            FindResultError::Store(error) => error.into(),
        }
    }
}

impl Problematic for FindResultError {
    const KINDS: &'static [Kind] = &[Kind::NotFound, Kind::ResultNotReady, Kind::ResultGone];
}

impl From<BeginImportError> for Problem {
    fn from(error: BeginImportError) -> Self {
        match error {
            BeginImportError::NoRoom(error) => error.into(),
            BeginImportError::PartsMissing => Self::client(Kind::UploadExpired, error.to_string()),
            BeginImportError::Store(error) => error.into(),
        }
    }
}

impl Problematic for BeginImportError {
    const KINDS: &'static [Kind] = &[
        Kind::LimitReached,
        Kind::PlanLimitReached,
        Kind::UploadExpired,
        Kind::TooManyImports,
    ];
}

impl From<BeginScoringError> for Problem {
    fn from(error: BeginScoringError) -> Self {
        match error {
            BeginScoringError::TooMany => Self::client(Kind::LimitReached, error.to_string()),
            BeginScoringError::NoRoom(error) => error.into(),
        }
    }
}

impl Problematic for BeginScoringError {
    const KINDS: &'static [Kind] = &[Kind::LimitReached, Kind::InvalidInput];
}
