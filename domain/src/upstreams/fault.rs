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
    /// Nobody was asked: the request that needs it is nearly over.
    #[error("there was no time left to ask it")]
    NoTime,
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
    /// Whoever made it is gone, or has no more time: nobody is told.
    #[error("nobody waits for it any more")]
    Cancelled,
}

impl UpstreamFault {
    /// The names of all, as metrics and reports have them.
    pub const NAMES: [&'static str; 14] = [
        "open",
        "full",
        "no-time",
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
        "cancelled",
    ];

    pub fn name(self) -> &'static str {
        Self::NAMES[self.place()]
    }

    /// Its place in [`Self::NAMES`].
    pub fn place(self) -> usize {
        match self {
            Self::Open => 0,
            Self::Full => 1,
            Self::NoTime => 2,
            Self::TimedOut(_) => 3,
            Self::NoConnection => 4,
            Self::Tls => 5,
            Self::Broken => 6,
            Self::RateLimited => 7,
            Self::Denied(_) => 8,
            Self::Refused(_) => 9,
            Self::Failed(_) => 10,
            Self::Malformed => 11,
            Self::TooLarge(_) => 12,
            Self::Cancelled => 13,
        }
    }

    /// Whether nobody was asked at all.
    pub fn is_unasked(self) -> bool {
        matches!(self, Self::Open | Self::Full | Self::NoTime)
    }

    /// Whether it says that the service is not well. One that refuses what it was asked is.
    pub fn is_failure(self) -> bool {
        !self.is_unasked() && !matches!(self, Self::Refused(_) | Self::Cancelled)
    }

    /// Whether nobody will charge for the call: nobody was asked, or said no.
    pub fn is_free(self) -> bool {
        match self {
            Self::TimedOut(_) | Self::Broken | Self::Malformed | Self::TooLarge(_) | Self::Cancelled => false,
            Self::Failed(status) => !is_of_another(status),
            _ => true,
        }
    }

    /// Whether the same call may fare better in a moment, and would cost nothing more. What took too long has had its time,
    /// and what is wrong with an answer stays wrong.
    pub fn is_passing(self) -> bool {
        matches!(self, Self::NoConnection | Self::RateLimited | Self::Failed(_)) && self.is_free()
    }

    /// The same of a call that the service knows again by a key: what broke off, and what a gateway knows nothing of, is
    /// harmless to repeat as well.
    pub fn is_passing_by_key(self) -> bool {
        matches!(
            self,
            Self::NoConnection | Self::Broken | Self::RateLimited | Self::Failed(_)
        )
    }
}

/// Whether somebody between says so, who does not know whether the service has done what it was asked: a gateway that did
/// not wait (RFC 9110, sections 15.6.3 and 15.6.5, and what proxies have added), or one that leads elsewhere.
fn is_of_another(status: u16) -> bool {
    matches!(status, 300..400 | 502 | 504 | 520..530)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_gateway_says_may_have_been_charged_and_is_not_asked_again() {
        for status in [302, 502, 504, 524] {
            let fault = UpstreamFault::Failed(status);
            assert!(
                !fault.is_free() && !fault.is_passing() && fault.is_failure(),
                "{status}"
            );
        }
        for status in [408, 500, 503] {
            let fault = UpstreamFault::Failed(status);
            assert!(fault.is_free() && fault.is_passing(), "{status}");
        }
    }
}
