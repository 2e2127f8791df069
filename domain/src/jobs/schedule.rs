use std::fmt::Debug;

use async_trait::async_trait;
use serde_json::value::RawValue;
use time::{Duration, OffsetDateTime};

use super::Queue;
use crate::store::StoreError;

/// A job of the platform that is enqueued again and again.
#[derive(Clone, Debug)]
pub struct Schedule {
    pub name: String,
    pub queue: Queue,
    pub kind: String,
    pub payload: Box<RawValue>,
    pub timing: Timing,
    pub missed: Missed,
    pub overlap: Overlap,
    /// Who has made it; `system`: it comes with the platform.
    pub created_by: String,
    pub next_at: OffsetDateTime,
    /// The last moment that was not missed.
    pub last_at: Option<OffsetDateTime>,
}

/// When a schedule fires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Five fields, from minutes to days of the week, or six with seconds in front.
    pub cron: String,
    /// By its name in the IANA database.
    pub time_zone: String,
}

/// What becomes of moments at which nobody was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missed {
    /// The next one is waited for.
    Skip,
    /// All of them are made up for by one job.
    Once,
}

/// What becomes of a moment at which the schedule's last job is not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// No job is enqueued.
    Skip,
    Allow,
}

macro_rules! words {
    ($name:ident: $($variant:ident $word:literal),*) => {
        impl $name {
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),*
                }
            }

            pub fn parse(text: &str) -> Option<Self> {
                match text {
                    $($word => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}
words!(Missed: Skip "skip", Once "once");
words!(Overlap: Skip "skip", Allow "allow");

/// A moment of a schedule that has come.
#[derive(Clone, Debug)]
pub struct Due {
    pub schedule: Schedule,
    /// By the clock of the database.
    pub now: OffsetDateTime,
}

impl Due {
    /// A moment that is so long past was missed; before that, somebody was a little late.
    const LATE: Duration = Duration::minutes(1);

    /// Whether a job is to be enqueued for it.
    pub fn fires(&self) -> bool {
        self.schedule.missed == Missed::Once || self.now - self.schedule.next_at <= Self::LATE
    }
}

/// Knows when schedules fire.
pub trait Calendar: Debug + Send + Sync {
    /// The first moment after `after`. Where clocks are put forward, what lies in the gap is due at its end; where they
    /// are put back, a time of day is due once. What recurs within the hour follows the hours that there are.
    fn next(&self, timing: &Timing, after: OffsetDateTime) -> Result<OffsetDateTime, BadTiming>;

    /// The first so many moments after `after`.
    fn preview(
        &self,
        timing: &Timing,
        after: OffsetDateTime,
        count: usize,
    ) -> Result<Vec<OffsetDateTime>, BadTiming> {
        let mut moments = Vec::with_capacity(count);
        let mut last = after;
        for _ in 0..count {
            last = self.next(timing, last)?;
            moments.push(last);
        }
        Ok(moments)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTiming {
    #[error(
        "must be five fields, minutes, hours, days of the month, months and days of the week, such as `30 2 * * *`, \
         or six with seconds in front: {0}"
    )]
    Cron(String),
    #[error("must be a time zone of the IANA database, such as Europe/Berlin")]
    TimeZone,
    #[error("must have a moment that comes, such as `0 0 28 2 *`: no month has such a day")]
    Never,
}

/// Schedules, kept for all processes.
#[async_trait]
pub trait Schedules: Debug + Send + Sync {
    /// Sees to it that those that come with the platform are there, and as they are here; those that operators have
    /// changed are left alone. A new one fires at once.
    async fn ensure(&self, schedules: &[Schedule]) -> Result<(), StoreError>;

    /// Those whose moment has come.
    async fn due(&self) -> Result<Vec<Due>, StoreError>;

    /// Moves a schedule from its moment to `next` and enqueues its job, unless somebody else has. Returns whether it was
    /// this one.
    async fn fire(&self, due: &Due, next: OffsetDateTime) -> Result<bool, StoreError>;

    /// By their names.
    async fn list(&self) -> Result<Vec<Schedule>, StoreError>;

    /// Makes a schedule, or another of the one of this name; returns when that has last fired.
    async fn put(&self, schedule: &Schedule) -> Result<Option<OffsetDateTime>, StoreError>;

    /// Returns whether there was one.
    async fn delete(&self, name: &str) -> Result<bool, StoreError>;
}
