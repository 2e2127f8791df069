use fairlead_domain::carriers::{CreateCarrierError, UpdateCarrierError};

use super::{Kind, Problem};
use crate::spec::Problematic;

impl From<CreateCarrierError> for Problem {
    fn from(error: CreateCarrierError) -> Self {
        match error {
            CreateCarrierError::NameTaken => Self::client(Kind::NameTaken, error.to_string()),
            CreateCarrierError::Store(error) => error.into(),
        }
    }
}

impl Problematic for CreateCarrierError {
    const KINDS: &'static [Kind] = &[Kind::NameTaken];
}

impl From<UpdateCarrierError> for Problem {
    fn from(error: UpdateCarrierError) -> Self {
        match error {
            UpdateCarrierError::NotFound => Self::not_found(),
            UpdateCarrierError::Stale { .. } => Self::client(Kind::StaleVersion, error.to_string()),
            UpdateCarrierError::NameTaken => Self::client(Kind::NameTaken, error.to_string()),
            UpdateCarrierError::Store(error) => error.into(),
        }
    }
}

impl Problematic for UpdateCarrierError {
    const KINDS: &'static [Kind] = &[Kind::NotFound, Kind::StaleVersion, Kind::NameTaken];
}
