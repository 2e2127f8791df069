use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::{Date, OffsetDateTime};

use super::{ArchiveStrategy, Relief};
use crate::Id;
use crate::performance::index_advice::Index;

pub type ActId = Id<Act>;

/// What was measured, by name: of a table bytes and rows, of an index what statements cost.
pub type Figures = BTreeMap<String, f64>;

/// Something that is done to have the database fast.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    pub id: ActId,
    pub deed: Deed,
    pub why: String,
    pub asked_by: String,
    pub asked_at: OffsetDateTime,
    pub state: ActState,
    pub begun_at: Option<OffsetDateTime>,
    pub ended_at: Option<OffsetDateTime>,
    /// While it is under way.
    pub progress: Option<Progress>,
    pub before: Figures,
    pub after: Figures,
    /// What came of it so far, in words.
    pub outcome: Option<String>,
}

/// The table that has the log of events.
const EVENTS: &str = "events";

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Deed {
    /// Dead rows of a table are cleared away, and the planner learns what it has by now.
    Vacuum {
        table: String,
    },
    BuildIndex(NewIndex),
    /// Months of events that end by this day are archived.
    ArchiveEvents {
        before: Date,
        strategy: ArchiveStrategy,
    },
    /// A process gives memory back.
    ReleaseMemory {
        process: String,
        relief: Relief,
    },
}

/// An index that is built and, where it does not pay, dropped again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewIndex {
    pub name: String,
    pub table: String,
    /// What follows `ON` in the statement that makes it.
    pub definition: String,
    /// Those that it is to make faster.
    pub serves: Vec<StatementText>,
}

/// A statement that was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatementText {
    pub fingerprint: String,
    /// Without values.
    pub text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActState {
    /// Its turn has not come, or it is tried again.
    Waiting,
    Running,
    /// It was done, and stays.
    Done,
    /// It was done and taken back, because it did not pay.
    Reverted,
    Failed,
    Cancelled,
}

/// How far it has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// As the server calls it; `watching` while what was done is measured.
    pub phase: String,
    /// Blocks of the table, or seconds; `None`: that is not known of this phase.
    pub done: Option<u64>,
    pub of: Option<u64>,
}

/// Which acts are listed.
#[derive(Clone, Debug, Default)]
pub struct WhichActs {
    pub is_over: Option<bool>,
    pub kind: Option<String>,
}

impl Act {
    /// Of one that is about to be asked for.
    pub fn new(id: ActId, deed: Deed, why: String, asked_by: String, now: OffsetDateTime) -> Self {
        Self {
            id,
            deed,
            why,
            asked_by,
            asked_at: now,
            state: ActState::Waiting,
            begun_at: None,
            ended_at: None,
            progress: None,
            before: Figures::new(),
            after: Figures::new(),
            outcome: None,
        }
    }

    /// Ends it.
    pub fn end(&mut self, state: ActState, outcome: impl Into<String>, now: OffsetDateTime) {
        self.state = state;
        self.outcome = Some(outcome.into());
        self.progress = None;
        self.ended_at = Some(now);
    }

    /// Has it wait for another try.
    pub fn wait(&mut self, why: impl Into<String>) {
        self.state = ActState::Waiting;
        self.outcome = Some(why.into());
        self.progress = None;
        self.ended_at = None;
    }
}

impl Deed {
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Vacuum { .. } => "vacuum",
            Self::BuildIndex(_) => "build-index",
            Self::ArchiveEvents { .. } => "archive-events",
            Self::ReleaseMemory { .. } => "release-memory",
        }
    }

    /// What it is done to: of one kind and subject one is under way at a time.
    pub fn subject(&self) -> &str {
        match self {
            Self::Vacuum { table } => table,
            Self::BuildIndex(index) => &index.name,
            Self::ArchiveEvents { .. } => EVENTS,
            Self::ReleaseMemory { process, .. } => process,
        }
    }

    /// `None`: it is done to none.
    pub fn table(&self) -> Option<&str> {
        match self {
            Self::Vacuum { table } => Some(table),
            Self::BuildIndex(index) => Some(&index.table),
            Self::ArchiveEvents { .. } => Some(EVENTS),
            Self::ReleaseMemory { .. } => None,
        }
    }
}

impl NewIndex {
    /// How the names of indexes begin that are being built or judged.
    pub const PROVISIONAL: &'static str = "fairlead_act_";

    /// How it is called until it has paid: as no other index is, so that what is dropped under this name is the act's own.
    pub fn provisional(act: ActId) -> String {
        format!("{}{}", Self::PROVISIONAL, act.as_uuid().simple())
    }

    /// A step of the schema that makes it, for installations to come, and one that takes it away again.
    pub fn migration(&self, evidence: &str) -> (String, String) {
        let Self { name, definition, .. } = self;
        (
            format!(
                "-- Built as an act, and kept: {evidence}.\nCREATE INDEX IF NOT EXISTS {name} ON {definition};\n"
            ),
            format!("DROP INDEX IF EXISTS {name};\n"),
        )
    }

    pub fn of(index: &Index, serves: Vec<StatementText>) -> Self {
        Self {
            name: index.name(),
            table: index.table.clone(),
            definition: index.to_string(),
            serves,
        }
    }
}

impl ActState {
    pub const ALL: [Self; 6] = [
        Self::Waiting,
        Self::Running,
        Self::Done,
        Self::Reverted,
        Self::Failed,
        Self::Cancelled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Reverted => "reverted",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Nothing is done about it any more.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}
