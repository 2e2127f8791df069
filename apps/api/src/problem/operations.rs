use fairlead_domain::leads::import::BeginImportError;
use fairlead_domain::operations::{CancelOperationError, NoRoom};

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
            NoRoom::Operations | NoRoom::Input => Self::client(Kind::LimitReached, error.to_string()),
            NoRoom::Store(error) => error.into(),
        }
    }
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
    const KINDS: &'static [Kind] = &[Kind::LimitReached, Kind::UploadExpired];
}
