use std::error::Error as StdError;
use std::fmt;
use std::io;

/// What goes wrong between us and a server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server does not do what it was asked.
    #[error(transparent)]
    Server(Box<ServerError>),
    #[error("the connection cannot be opened")]
    Open(#[from] tokio_postgres::Error),
    #[error("the connection is broken")]
    Io(#[from] io::Error),
    #[error("the server has closed the connection")]
    Closed,
    #[error("column {column} cannot be read")]
    Column {
        column: usize,
        source: Box<dyn StdError + Send + Sync>,
    },
    /// What was asked cannot be put into a message; nothing was sent.
    #[error("the request cannot be sent")]
    Request(#[source] io::Error),
    /// The server answers COMMIT by having undone everything.
    #[error("the transaction was undone")]
    Undone,
    #[error("the protocol does not have that there: {0}")]
    Protocol(&'static str),
    /// Longer than whoever asked expects; the rest is not read.
    #[error("the answer is longer than it may be")]
    TooLong,
}

/// An error as a server tells it. Its DETAIL is left out: it shows values, which may be personal.
/// <https://www.postgresql.org/docs/15/protocol-error-fields.html>
#[derive(Debug, Default)]
pub struct ServerError {
    severity: String,
    code: String,
    message: String,
    constraint: Option<String>,
}

impl Error {
    /// The SQLSTATE that the server gave.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Server(error) => Some(&error.code),
            Self::Open(error) => error.code().map(tokio_postgres::error::SqlState::code),
            _ => None,
        }
    }

    /// The constraint or unique index that was violated.
    pub(crate) fn constraint(&self) -> Option<&str> {
        match self {
            Self::Server(error) => error.constraint.as_deref(),
            _ => None,
        }
    }

    /// What the server says, without the values that it shows.
    pub(crate) fn message(&self) -> Option<&str> {
        match self {
            Self::Server(error) => Some(&error.message),
            _ => None,
        }
    }

    /// Whether the connection has ended, or never came about, for a reason other than an answer of the server's.
    pub(crate) fn is_of_link(&self) -> bool {
        match self {
            Self::Io(_) | Self::Closed => true,
            Self::Open(error) => {
                error.is_closed() || error.source().is_some_and(<dyn StdError>::is::<io::Error>)
            }
            Self::Server(_)
            | Self::Column { .. }
            | Self::Request(_)
            | Self::Undone
            | Self::Protocol(_)
            | Self::TooLong => false,
        }
    }

    /// Whether the connection is of no use any more.
    pub(crate) fn ends_connection(&self) -> bool {
        match self {
            Self::Server(error) => matches!(error.severity.as_str(), "FATAL" | "PANIC"),
            Self::Protocol(_) | Self::TooLong => true,
            _ => self.is_of_link(),
        }
    }
}

impl ServerError {
    /// Reads the body of an `ErrorResponse`: a letter and a text for each field.
    pub(super) fn read(body: &[u8]) -> Self {
        let mut error = Self::default();
        let mut rest = body;
        while let Some((field, text)) = rest.split_first() {
            let Some(end) = text.iter().position(|byte| *byte == 0) else {
                break;
            };
            let (value, behind) = text.split_at(end);
            let value = || String::from_utf8_lossy(value).into_owned();
            match field {
                // Not translated, unlike `S`.
                b'V' => error.severity = value(),
                b'C' => error.code = value(),
                b'M' => error.message = value(),
                b'n' => error.constraint = Some(value()),
                _ => {}
            }
            rest = &behind[1..];
        }
        error
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ({})", self.severity, self.message, self.code)
    }
}

impl StdError for ServerError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(fields: &'static [u8]) -> ServerError {
        ServerError::read(fields)
    }

    #[test]
    fn an_error_is_told_without_the_values_that_it_shows() {
        let error = told(
            b"SFEHLER\0VERROR\0C23505\0Mduplicate key\0DKey (email)=(a@b.c) already exists.\0nusers_email\0\0",
        );

        assert_eq!(error.to_string(), "ERROR: duplicate key (23505)");
        assert_eq!(error.constraint.as_deref(), Some("users_email"));
        assert!(!format!("{error:?}").contains("a@b.c"));
    }

    #[test]
    fn what_is_cut_off_is_read_as_far_as_it_goes() {
        assert_eq!(told(b"VFATAL\0C57P01\0Mterm").to_string(), "FATAL:  (57P01)");
        assert_eq!(told(b"").code, "");
        assert_eq!(told(b"C").code, "");
    }

    #[test]
    fn a_connection_ends_with_what_is_fatal() {
        let of = |fields| Error::Server(Box::new(told(fields)));

        assert!(of(b"VFATAL\0C57P01\0\0").ends_connection());
        assert!(!of(b"VERROR\0C53100\0\0").ends_connection());
        assert!(Error::Closed.ends_connection());
    }
}
