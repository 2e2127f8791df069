use fairlead_domain::store::StoreError;

use crate::error::{Meaning, SqlError};

/// Why a read has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing was sent.
    NoConnection(StoreError),
    /// The node went out of reach meanwhile.
    Lost(StoreError),
    Statement(tokio_postgres::Error),
}

impl Failure {
    /// Whether it speaks against the node rather than the statement: gone, without a free connection, or in the way of
    /// what it replays ("canceling statement due to conflict with recovery").
    pub(crate) fn may_detour(&self) -> bool {
        match self {
            Self::NoConnection(error) => matches!(error, StoreError::Unavailable(_)),
            Self::Lost(_) => true,
            Self::Statement(error) => {
                matches!(
                    Meaning::of_pipelined(error),
                    Meaning::Unavailable | Meaning::Contended
                )
            }
        }
    }
}

/// Whoever must be asked first refuses.
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::NoConnection(error)
    }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NoConnection(error) | Failure::Lost(error) => error,
            Failure::Statement(error) => SqlError::from(error).into(),
        }
    }
}
