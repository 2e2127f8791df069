//! Time and ids are asked for, never taken, so that tests decide both.

use std::fmt::Debug;

use time::{OffsetDateTime, UtcOffset};
use uuid::Uuid;

/// Tells the time: UTC, to the microsecond, which is what PostgreSQL keeps.
pub trait Clock: Debug + Send + Sync {
    fn now(&self) -> OffsetDateTime;
}

/// Brings a moment from outside into the form of ours: UTC, to the microsecond.
pub fn stored(moment: OffsetDateTime) -> OffsetDateTime {
    let moment = moment.to_offset(UtcOffset::UTC);
    moment
        .replace_nanosecond(moment.microsecond() * 1_000)
        .expect("microseconds make valid nanoseconds")
}

/// Makes ids: `UUIDv7` (RFC 9562), so that the order of ids is the order of time.
pub trait Ids: Debug + Send + Sync {
    fn next(&self) -> Uuid;
}
