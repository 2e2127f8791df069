//! Time and ids are asked for, never taken, so that tests decide both.

use std::fmt::Debug;

use time::{OffsetDateTime, UtcOffset};
use uuid::Uuid;

/// Tells the time: UTC, to the microsecond, which is what PostgreSQL keeps.
pub trait Clock: Debug + Send + Sync {
    fn now(&self) -> OffsetDateTime;
}

/// A moment outside the years that we keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must lie between the years 1 and 9999, in UTC")]
pub struct OutOfRange;

/// Brings a moment from outside into the form of ours: UTC, to the microsecond.
pub fn stored(moment: OffsetDateTime) -> Result<OffsetDateTime, OutOfRange> {
    let moment = moment.checked_to_offset(UtcOffset::UTC).ok_or(OutOfRange)?;
    if !(1..=9999).contains(&moment.year()) {
        return Err(OutOfRange);
    }
    moment
        .replace_nanosecond(moment.microsecond() * 1_000)
        .map_err(|_| OutOfRange)
}

/// Makes ids: `UUIDv7` (RFC 9562), so that the order of ids is the order of time.
pub trait Ids: Debug + Send + Sync {
    fn next(&self) -> Uuid;
}
