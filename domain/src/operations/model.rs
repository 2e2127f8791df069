use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::Id;
use crate::access::Actor;
use crate::events::Source;
use crate::jobs::Queue;

pub type OperationId = Id<Operation>;

/// How many operations of a kind a tenant may have queued or running: who may export alone keeps nobody from importing.
pub const MAX_OPEN_OPERATIONS: u64 = 10;
/// How many bytes a tenant's operations of a kind may keep: of imports and uploads what waits, of exports their files.
pub const MAX_KEPT_BYTES: u64 = 2 << 30;
/// How long what an operation was at is kept when it has failed, for it to be taken up again.
pub const RETRY_FOR: time::Duration = time::Duration::DAY;
/// How long the file that an operation has written can be fetched, from its end.
pub const RESULT_FOR: time::Duration = time::Duration::DAY;
/// The most faults that are kept of an operation.
pub const MAX_FAULTS: usize = 1_000;

/// Long work that somebody has asked for. What it is changes by its transitions alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation(OperationRecord);

/// An operation as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct OperationRecord {
    pub id: OperationId,
    pub kind: OperationKind,
    pub state: OperationState,
    /// Somebody wants it to stop. What is under way is finished first.
    pub cancel_requested: bool,
    /// How much is done, in what the kind counts: rows.
    pub done: u64,
    /// How much there is to do; `None`: nobody knows yet. Of an export an estimate until it is completed.
    pub total: Option<u64>,
    pub tally: Tally,
    /// How many faults were found, those included that are not kept.
    pub faults: u64,
    /// Why it failed, in words for who has asked for it.
    pub error: Option<String>,
    pub created_by: Actor,
    pub created_at: OffsetDateTime,
    /// When it was begun first.
    pub started_at: Option<OffsetDateTime>,
    pub updated_at: OffsetDateTime,
    pub finished_at: Option<OffsetDateTime>,
    /// Whether there is a file that it has written, whole.
    pub has_file: bool,
}

/// What has come of what is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub successful: u64,
    /// Left out as known.
    pub skipped: u64,
    pub failed: u64,
}

/// An operation with all that is kept of it.
#[derive(Clone, Debug)]
pub struct OperationStory {
    pub operation: Operation,
    /// The oldest first; of a long log the first line and the newest.
    pub log: Vec<LogLine>,
    /// The first [`MAX_FAULTS`].
    pub faults: Vec<RowFault>,
}

/// Something that happened to an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    pub text: String,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowFault {
    /// Where it stands in the input, counted from 1.
    pub line: u64,
    /// Empty when it is the row itself.
    pub field: String,
    pub reason: String,
}

/// An operation to be queued.
#[derive(Clone, Debug)]
pub struct NewOperation {
    pub id: OperationId,
    pub kind: OperationKind,
    /// What was asked for as JSON, where the input does not say it.
    pub request: Option<String>,
    pub total: Option<u64>,
    /// How many parts of input there must be.
    pub parts: u32,
    pub created_by: Actor,
}

/// What kind of work an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    ImportLeads,
    ExportLeads,
    ScoreLeads,
}

impl OperationKind {
    pub const ALL: [Self; 3] = [Self::ImportLeads, Self::ExportLeads, Self::ScoreLeads];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ImportLeads => "import-leads",
            Self::ExportLeads => "export-leads",
            Self::ScoreLeads => "score-leads",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// Where its jobs wait, each with the operation's id as its unique key.
    pub fn queue(self) -> Queue {
        match self {
            Self::ImportLeads | Self::ExportLeads => Queue::Imports,
            Self::ScoreLeads => Queue::LeadProcessing,
        }
    }

    /// What its own changes are told to come from.
    pub fn source(self) -> Source {
        match self {
            Self::ImportLeads => Source::Import,
            Self::ExportLeads | Self::ScoreLeads => Source::System,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationState {
    /// Nobody has begun it.
    Queued,
    Running,
    Completed,
    /// It was given up. What it had done until then stays done.
    Failed,
    /// Somebody stopped it. What it had done until then stays done.
    Cancelled,
}

impl OperationState {
    pub const ALL: [Self; 5] = [
        Self::Queued,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    pub fn has_ended(self) -> bool {
        match self {
            Self::Queued | Self::Running => false,
            Self::Completed | Self::Failed | Self::Cancelled => true,
        }
    }
}

/// An operation is in a state from which the way that was meant does not lead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operation is {}", .0.as_str())]
pub struct InvalidTransition(pub OperationState);

/// How fast an operation has been on average since it was begun, all interruptions included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pace {
    /// How much is done in a second.
    pub rate: f64,
    /// How long the rest takes at this pace; `None`: it has ended, or nobody knows how much there is.
    pub remaining: Option<Duration>,
}

impl Operation {
    /// Takes what is kept for what it says.
    pub fn restore(record: OperationRecord) -> Self {
        Self(record)
    }

    pub fn record(&self) -> &OperationRecord {
        &self.0
    }

    pub fn id(&self) -> OperationId {
        self.0.id
    }

    pub fn has_ended(&self) -> bool {
        self.0.state.has_ended()
    }

    /// Whether all there is to do is done.
    pub fn is_done(&self) -> bool {
        self.0.total == Some(self.0.done)
    }

    /// Begins it, or takes it up again after it had failed.
    pub fn begin(mut self) -> Result<Self, InvalidTransition> {
        match self.0.state {
            OperationState::Queued | OperationState::Failed => {
                self.0.state = OperationState::Running;
                self.0.error = None;
                Ok(self)
            }
            other => Err(InvalidTransition(other)),
        }
    }

    /// Takes note of how much there seems to be to do.
    #[must_use]
    pub fn estimate(mut self, total: u64) -> Self {
        self.0.total = Some(total.max(self.0.done));
        self
    }

    /// Moves it on by so many rows and what has come of them. Where there were more than estimated, that many there are.
    pub fn advance(mut self, rows: u64, tally: Tally, faults: u64) -> Result<Self, InvalidTransition> {
        self.must_run()?;
        self.0.done += rows;
        self.0.total = self.0.total.map(|total| total.max(self.0.done));
        self.0.tally.successful += tally.successful;
        self.0.tally.skipped += tally.skipped;
        self.0.tally.failed += tally.failed;
        self.0.faults += faults;
        Ok(self)
    }

    pub fn complete(mut self) -> Result<Self, InvalidTransition> {
        self.must_run()?;
        self.0.state = OperationState::Completed;
        self.0.total = Some(self.0.done);
        Ok(self)
    }

    /// Takes note that somebody wants it to stop; one that nobody has begun has ended by that.
    pub fn ask_to_stop(mut self) -> Result<Self, InvalidTransition> {
        match self.0.state {
            OperationState::Queued => self.0.state = OperationState::Cancelled,
            OperationState::Running => {}
            ended => return Err(InvalidTransition(ended)),
        }
        self.0.cancel_requested = true;
        Ok(self)
    }

    /// Ends it because somebody wanted it to stop.
    pub fn stop(mut self) -> Result<Self, InvalidTransition> {
        self.must_run()?;
        self.0.state = OperationState::Cancelled;
        Ok(self)
    }

    /// Gives it up. One that was to stop is cancelled rather than failed.
    pub fn give_up(mut self, why: impl Into<String>) -> Result<Self, InvalidTransition> {
        if self.has_ended() {
            return Err(InvalidTransition(self.0.state));
        }
        if self.0.cancel_requested {
            self.0.state = OperationState::Cancelled;
        } else {
            self.0.state = OperationState::Failed;
            self.0.error = Some(why.into());
        }
        Ok(self)
    }

    /// How fast it has been up to its last change; `None` while nothing can be said about that.
    pub fn pace(&self) -> Option<Pace> {
        let record = &self.0;
        let elapsed = (record.updated_at - record.started_at?).as_seconds_f64();
        if record.done == 0 || elapsed <= 0.0 {
            return None;
        }
        let rate = count(record.done) / elapsed;
        let left = record.total.filter(|_| !self.has_ended());
        let left = left.map(|total| count(total.saturating_sub(record.done)));
        Some(Pace {
            rate,
            remaining: left.and_then(|left| Duration::try_from_secs_f64(left / rate).ok()),
        })
    }

    fn must_run(&self) -> Result<(), InvalidTransition> {
        match self.0.state {
            OperationState::Running => Ok(()),
            other => Err(InvalidTransition(other)),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a pace need not be exact beyond 2⁵³")]
fn count(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;
    use uuid::Uuid;

    use super::*;

    const NOON: OffsetDateTime = datetime!(2026-11-21 12:00 UTC);

    fn operation(state: OperationState, done: u64, seconds: Option<i64>) -> Operation {
        Operation::restore(OperationRecord {
            id: Id::from_uuid(Uuid::nil()),
            kind: OperationKind::ImportLeads,
            state,
            cancel_requested: false,
            done,
            total: Some(1_000),
            tally: Tally::default(),
            faults: 0,
            error: None,
            created_by: Actor::System,
            created_at: NOON,
            started_at: seconds.map(|_| NOON),
            updated_at: NOON + time::Duration::seconds(seconds.unwrap_or_default()),
            finished_at: None,
            has_file: false,
        })
    }

    #[test]
    fn the_pace_is_what_was_done_by_the_time_it_took() {
        let pace = operation(OperationState::Running, 250, Some(10)).pace();

        assert_eq!(
            pace,
            Some(Pace {
                rate: 25.0,
                remaining: Some(Duration::from_secs(30)),
            })
        );
    }

    #[test]
    fn where_nothing_is_done_or_no_time_has_gone_by_nothing_is_said() {
        for (done, seconds) in [(0, Some(1)), (10, None), (10, Some(0)), (10, Some(-1))] {
            assert_eq!(operation(OperationState::Running, done, seconds).pace(), None);
        }
    }

    #[test]
    fn what_has_ended_takes_no_more_time() {
        let pace = operation(OperationState::Cancelled, 250, Some(10)).pace();

        assert_eq!(pace.unwrap().remaining, None);
    }

    #[test]
    fn each_state_can_be_left_in_the_ways_it_has_alone() {
        let reached = |operation: Result<Operation, InvalidTransition>| {
            operation.ok().map(|operation| operation.0.state.as_str())
        };
        let ways = OperationState::ALL.map(|state| {
            let from = || operation(state, 10, Some(1));
            [
                reached(from().begin()),
                reached(from().advance(1, Tally::default(), 0)),
                reached(from().complete()),
                reached(from().ask_to_stop()),
                reached(from().stop()),
                reached(from().give_up("why")),
            ]
        });

        let (running, none) = (Some("running"), None);
        let (completed, failed, cancelled) = (Some("completed"), Some("failed"), Some("cancelled"));
        assert_eq!(
            ways,
            [
                [running, none, none, cancelled, none, failed],
                [none, running, completed, running, cancelled, failed],
                [none; 6],
                [running, none, none, none, none, none],
                [none; 6],
            ]
        );
    }

    #[test]
    fn what_was_to_stop_is_cancelled_when_it_is_given_up() {
        let asked = operation(OperationState::Running, 10, Some(1))
            .ask_to_stop()
            .unwrap();

        let ended = asked.give_up("why").unwrap();

        assert_eq!((ended.0.state, ended.0.error), (OperationState::Cancelled, None));
    }
}
