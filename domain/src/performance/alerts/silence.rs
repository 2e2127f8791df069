use serde::{Deserialize, Serialize};
use thiserror::Error;
use time::{Duration, OffsetDateTime};

use crate::text;

/// That somebody wants not to be told, why, and for how long. What happens meanwhile is watched all the same, and told
/// afterwards if it is still so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Silence {
    by: String,
    reason: String,
    #[serde(with = "time::serde::rfc3339")]
    from: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    until: OffsetDateTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WrongSilence {
    #[error("a silence needs a reason, in one line of at most 500 characters")]
    Reason,
    #[error("a silence must end after it begins, and within 30 days")]
    Time,
}

impl Silence {
    pub const LONGEST: Duration = Duration::days(30);
    const LONGEST_REASON: usize = 500;

    /// # Errors
    ///
    /// When there is no reason, or no end within thirty days: what is silent for ever is forgotten.
    pub fn new(
        by: impl Into<String>,
        reason: &str,
        from: OffsetDateTime,
        until: OffsetDateTime,
    ) -> Result<Self, WrongSilence> {
        let reason = text::line(reason, Self::LONGEST_REASON).map_err(|_| WrongSilence::Reason)?;
        if until <= from || until - from > Self::LONGEST {
            return Err(WrongSilence::Time);
        }
        let by = by.into();
        Ok(Self {
            by,
            reason,
            from,
            until,
        })
    }

    pub fn by(&self) -> &str {
        &self.by
    }

    pub fn reason(&self) -> &str {
        &self.reason
    }

    pub fn from(&self) -> OffsetDateTime {
        self.from
    }

    pub fn until(&self) -> OffsetDateTime {
        self.until
    }

    pub fn covers(&self, now: OffsetDateTime) -> bool {
        (self.from..self.until).contains(&now)
    }
}
