//! What a database error means to the callers of the ports.

use fairlead_domain::billing::OverPlan;
use fairlead_domain::store::StoreError;
use uuid::Uuid;

use crate::wire::Error;

/// Why a statement failed. It becomes a [`StoreError`] by `?`, or a conflict of a port by the constraint it names.
#[derive(Debug)]
pub(crate) enum SqlError {
    Driver(Error),
    /// Not by itself: it was not sent, or one before it failed.
    Elsewhere(StoreError),
}

impl SqlError {
    /// The constraint or unique index that was violated.
    pub(crate) fn constraint(&self) -> Option<&str> {
        match self {
            Self::Driver(error) => error.constraint(),
            Self::Elsewhere(_) => None,
        }
    }
}

impl From<Error> for SqlError {
    fn from(error: Error) -> Self {
        Self::Driver(error)
    }
}

impl From<StoreError> for SqlError {
    fn from(error: StoreError) -> Self {
        Self::Elsewhere(error)
    }
}

impl From<SqlError> for StoreError {
    fn from(error: SqlError) -> Self {
        match error {
            SqlError::Driver(error) => match over_plan(&error) {
                Some(over) => Self::OverPlan(over),
                None => Meaning::of(&error).carry(error),
            },
            SqlError::Elsewhere(error) => error,
        }
    }
}

/// What the triggers say that hold tenants to their plans: what is limited, the plan, how many it allows, and how many
/// there are.
fn over_plan(error: &Error) -> Option<OverPlan> {
    let mut parts = error.constraint()?.strip_prefix("plan_limit:")?.split(':');
    Some(OverPlan {
        what: parts.next()?.to_owned(),
        plan: parts.next()?.to_owned(),
        allowed: parts.next()?.parse().ok()?,
        used: parts.next()?.parse().ok()?,
    })
}

pub(crate) fn corrupt(table: &'static str, id: Uuid, fault: impl Into<String>) -> StoreError {
    StoreError::Corrupt {
        table,
        id,
        fault: fault.into(),
    }
}

/// Something that the database cannot have answered, if schema and code belong together.
pub(crate) fn unexpected(what: impl Into<String>) -> StoreError {
    StoreError::Unexpected(what.into().into())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Contended,
    Unavailable,
    /// The server has ended this connection, and is there for others.
    Interrupted,
    /// Too many connections, or a full disk or memory.
    NoRoom,
    TimedOut,
    Unexpected,
}

impl Meaning {
    pub(crate) fn of(error: &Error) -> Self {
        match error.code() {
            Some(code) => Self::of_code(code),
            None if error.is_of_link() => Self::Unavailable,
            None => Self::Unexpected,
        }
    }

    /// <https://www.postgresql.org/docs/15/errcodes-appendix.html>
    fn of_code(code: &str) -> Self {
        match code {
            // query_canceled: by statement_timeout, which carries the request's deadline
            "57014" => Self::TimedOut,
            // serialization_failure, deadlock_detected, lock_not_available
            "40001" | "40P01" | "55P03" => Self::Contended,
            // idle_in_transaction_session_timeout, admin_shutdown, idle_session_timeout: one that is shutting down says so
            // to whoever comes next
            "25P03" | "57P01" | "57P05" => Self::Interrupted,
            // insufficient resources
            _ if code.starts_with("53") => Self::NoRoom,
            // connection exceptions, and a server that crashed, starts up or shuts down
            _ if code.starts_with("08") || code.starts_with("57P") => Self::Unavailable,
            _ => Self::Unexpected,
        }
    }

    fn carry(self, error: impl std::error::Error + Send + Sync + 'static) -> StoreError {
        match self {
            Self::Contended => StoreError::Contended,
            Self::TimedOut => StoreError::TimedOut,
            Self::Unavailable => StoreError::Unavailable(Box::new(error)),
            Self::Interrupted => StoreError::Interrupted(Box::new(error)),
            Self::NoRoom => StoreError::Exhausted(Box::new(error)),
            Self::Unexpected => StoreError::Unexpected(Box::new(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_mean_what_the_caller_can_do_about_them() {
        let meaning = |codes: &[&str]| -> Vec<Meaning> {
            let mut meanings: Vec<_> = codes.iter().map(|code| Meaning::of_code(code)).collect();
            meanings.dedup();
            meanings
        };

        assert_eq!(meaning(&["57014"]), [Meaning::TimedOut]);
        assert_eq!(meaning(&["40001", "40P01", "55P03"]), [Meaning::Contended]);
        assert_eq!(
            meaning(&["08006", "57P02", "57P03", "57P04"]),
            [Meaning::Unavailable]
        );
        assert_eq!(meaning(&["57P01", "57P05", "25P03"]), [Meaning::Interrupted]);
        assert_eq!(meaning(&["53300", "53100"]), [Meaning::NoRoom]);
        assert_eq!(
            meaning(&["23505", "42501", "22P02", "25006", "XX000"]),
            [Meaning::Unexpected]
        );
    }
}
