//! Time and ids are asked for, never taken, so that tests decide both.

use std::fmt::Debug;

use time::OffsetDateTime;
use uuid::Uuid;

/// Tells the time: UTC, to the microsecond, which is what PostgreSQL keeps.
pub trait Clock: Debug + Send + Sync {
    fn now(&self) -> OffsetDateTime;
}

/// Makes ids: `UUIDv7` (RFC 9562), so that the order of ids is the order of time.
pub trait Ids: Debug + Send + Sync {
    fn next(&self) -> Uuid;
}
