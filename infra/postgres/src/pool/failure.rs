use fairlead_domain::store::StoreError;

use super::exhaustion::PoolExhausted;
use super::pipeline::{Failed, Step};
use crate::error::{Meaning, SqlError};

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing was sent.
    NoConnection(StoreError),
    /// The node went out of reach meanwhile.
    Lost(StoreError),
    Pipeline(Failed),
}

impl Failure {
    /// Whether it speaks against the node rather than the statement: gone, without a free connection, or in the way of
    /// what it replays ("canceling statement due to conflict with recovery").
    pub(crate) fn may_detour(&self) -> bool {
        match self {
            Self::NoConnection(error) => {
                matches!(
                    error,
                    StoreError::Unavailable(_) | StoreError::Exhausted(_) | StoreError::Interrupted(_)
                )
            }
            Self::Lost(_) => true,
            Self::Pipeline(failed) => {
                matches!(
                    Meaning::of(&failed.error),
                    Meaning::Unavailable | Meaning::Interrupted | Meaning::NoRoom | Meaning::Contended
                )
            }
        }
    }

    /// The statement that failed, by its place in the pipeline.
    pub(crate) fn statement(&self) -> Option<usize> {
        match self {
            Self::Pipeline(Failed {
                at: Step::Statement(number),
                ..
            }) => Some(*number),
            _ => None,
        }
    }

    /// Whether the changes may be durable all the same.
    pub(crate) fn in_doubt(&self) -> bool {
        matches!(self, Self::Pipeline(failed) if failed.in_doubt)
    }
}

/// Whoever must be asked first refuses.
impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::NoConnection(error)
    }
}

impl From<PoolExhausted> for Failure {
    fn from(exhausted: PoolExhausted) -> Self {
        Self::NoConnection(StoreError::Exhausted(Box::new(exhausted)))
    }
}

impl From<Failure> for SqlError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NoConnection(error) | Failure::Lost(error) => Self::Elsewhere(error),
            Failure::Pipeline(failed) => Self::Driver(failed.error),
        }
    }
}
