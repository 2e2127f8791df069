use std::time::Duration;

/// Why a call came to nothing. It tells nothing of what was sent or answered: both may be secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamFault {
    /// Nobody was asked: the breaker is open.
    #[error("it has failed lately, and is not called for now")]
    Open,
    /// Nobody was asked: as many calls as may be are under way.
    #[error("too many calls to it are under way")]
    Full,
    #[error("no answer came within {} ms", .0.as_millis())]
    TimedOut(Duration),
    #[error("no connection to it")]
    NoConnection,
    #[error("its certificate is not trusted, or it speaks no TLS")]
    Tls,
    #[error("it broke the connection off, or speaks no HTTP")]
    Broken,
    #[error("it answered 429: it is asked too often")]
    RateLimited,
    /// It does not know us, or we may not.
    #[error("it answered {0}: look at the credential")]
    Denied(u16),
    /// It is there, and does not like what was asked.
    #[error("it answered {0}")]
    Refused(u16),
    #[error("it answered {0}: it failed")]
    Failed(u16),
    #[error("its answer is not the JSON that it should be")]
    Malformed,
    #[error("its answer has more than {0} bytes")]
    TooLarge(usize),
}

impl UpstreamFault {
    /// The names of all, as metrics and reports have them.
    pub const NAMES: [&'static str; 12] = [
        "open",
        "full",
        "timed-out",
        "no-connection",
        "tls",
        "broken",
        "rate-limited",
        "denied",
        "refused",
        "failed",
        "malformed",
        "too-large",
    ];

    pub fn name(self) -> &'static str {
        Self::NAMES[self.place()]
    }

    /// Its place in [`Self::NAMES`].
    pub fn place(self) -> usize {
        match self {
            Self::Open => 0,
            Self::Full => 1,
            Self::TimedOut(_) => 2,
            Self::NoConnection => 3,
            Self::Tls => 4,
            Self::Broken => 5,
            Self::RateLimited => 6,
            Self::Denied(_) => 7,
            Self::Refused(_) => 8,
            Self::Failed(_) => 9,
            Self::Malformed => 10,
            Self::TooLarge(_) => 11,
        }
    }

    /// Whether it says that the service is not well. One that refuses what it was asked is.
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::Open | Self::Full | Self::Refused(_))
    }

    /// Whether nobody will charge for the call: nobody was asked, or said no.
    pub fn is_free(self) -> bool {
        !matches!(
            self,
            Self::TimedOut(_) | Self::Broken | Self::Malformed | Self::TooLarge(_)
        )
    }

    /// Whether the same call may fare better in a moment, and would cost nothing more. What took too long has had its time,
    /// and what is wrong with an answer stays wrong.
    pub fn is_passing(self) -> bool {
        matches!(self, Self::NoConnection | Self::RateLimited | Self::Failed(_))
    }
}
