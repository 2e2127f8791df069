//! Statements that are sent together, and answered together.
//!
//! Behind all of them is one Sync: when one fails, the server passes over those behind it, COMMIT too. Without BEGIN
//! they are a transaction that ends with the Sync.
//! <https://www.postgresql.org/docs/15/protocol-flow.html#PROTOCOL-FLOW-PIPELINING>

use std::mem::{replace, take};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_postgres::types::Type;

use super::holders::Held;
use super::prepared::PreparedStatements;
use crate::statement::Statement;
use crate::wire::{Conversation, Done, Error, Outcome, Reply, Row};

/// What is sent together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pipeline<'p> {
    /// Opens the transaction, with everything local to it.
    pub(crate) opening: &'p [Statement],
    pub(crate) statements: &'p [&'p Statement],
    pub(crate) end: Option<End>,
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With the answer. There is nothing to keep, and nothing has been begun.
    Read,
    /// The changes are to be kept, and their position in the log told.
    Commit,
}

/// The insert position is read after the commit record was written, so it is behind it: possibly also behind records
/// of others, which only makes a reader wait for more than it must. The first eight digits of a segment's name are its
/// timeline.
const COMMIT: [&str; 2] = [
    "COMMIT",
    "SELECT pg_walfile_name(pg_current_wal_insert_lsn()), pg_current_wal_insert_lsn()::text",
];

impl End {
    fn statements(self) -> Vec<Statement> {
        match self {
            Self::Read => Vec::new(),
            Self::Commit => COMMIT.map(Statement::bare).into(),
        }
    }
}

/// What the server has answered.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    /// One for each statement, in their order.
    pub(crate) statements: Vec<Answer>,
    /// Timeline, as the name of a segment, and position of the log: to [`End::Commit`].
    pub(crate) position: Option<Row>,
}

impl Answers {
    /// The answer to a pipeline of one statement.
    pub(crate) fn into_one(mut self) -> Answer {
        self.statements.pop().expect("one answer for one statement")
    }
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) rows: Vec<Row>,
    /// Rows returned or changed.
    pub(crate) count: u64,
    /// Since the answer before.
    pub(crate) took: Duration,
}

/// Why a pipeline was not answered whole.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: Error,
    pub(crate) at: Step,
    /// What was answered before.
    pub(crate) answered: Vec<Answer>,
    /// Since the answer before.
    pub(crate) took: Duration,
    /// Whether the changes may be durable all the same.
    pub(crate) in_doubt: bool,
}

/// "cached plan must not change result type" is one of `feature_not_supported`; `invalid_sql_statement_name` is what a
/// pooler's other server says to a statement that it has not prepared.
const STALE: [&str; 2] = ["0A000", "26000"];

impl Failed {
    /// Whether statements that were prepared before must be prepared anew, because the schema has changed since.
    pub(super) fn is_of_stale_plan(&self) -> bool {
        is_of_stale_plan(&self.error)
    }
}

fn is_of_stale_plan(error: &Error) -> bool {
    error.code().is_some_and(|code| STALE.contains(&code))
}

/// A part of a pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Opening,
    /// Counted from 0.
    Statement(usize),
    End,
}

impl Pipeline<'_> {
    /// Sends everything, and waits for all answers. Whoever drops this leaves the connection to be settled.
    pub(super) async fn run(
        &self,
        conversation: &mut Conversation,
        prepared: &mut PreparedStatements,
        held: &Held,
    ) -> Result<Answers, Failed> {
        let mut run = Run {
            pipeline: self,
            conversation,
            prepared,
            answered: Vec::with_capacity(self.statements.len()),
            since: Instant::now(),
            commits: false,
        };
        match run.go(held).await {
            Ok(position) => Ok(Answers {
                statements: run.answered,
                position,
            }),
            Err((at, error)) => Err(run.failed(at, error).await),
        }
    }

    fn step(&self, place: usize) -> Step {
        match place.checked_sub(self.opening.len()) {
            None => Step::Opening,
            Some(number) if number < self.statements.len() => Step::Statement(number),
            Some(_) => Step::End,
        }
    }
}

/// A pipeline on its way.
struct Run<'r, 'p> {
    pipeline: &'r Pipeline<'p>,
    conversation: &'r mut Conversation,
    prepared: &'r mut PreparedStatements,
    answered: Vec<Answer>,
    /// The answer before.
    since: Instant,
    /// Set when COMMIT may be on its way.
    commits: bool,
}

impl Run<'_, '_> {
    /// Returns the position that COMMIT has told.
    async fn go(&mut self, held: &Held) -> Result<Option<Row>, (Step, Error)> {
        let pipeline = self.pipeline;
        if self.conversation.is_closed() {
            return Err((pipeline.step(0), Error::Closed));
        }
        let ending = pipeline.end.map_or_else(Vec::new, End::statements);
        let asked = pipeline.statements.iter().copied();
        let statements: Vec<_> = pipeline.opening.iter().chain(asked).chain(&ending).collect();
        let mut types = match self.write(&statements) {
            Ok(types) => types,
            Err(error) => {
                self.conversation.take_back();
                return Err((pipeline.step(0), error));
            }
        };
        self.commits = pipeline.end == Some(End::Commit);
        let mut position = None;
        for place in 0..statements.len() {
            // What opens a transaction is answered together with what is asked first.
            let asked = statements[place.max(pipeline.opening.len()).min(statements.len() - 1)];
            held.runs(asked.text());
            let answer = self.answer(statements[place], types[place].take()).await;
            let (rows, done) = answer.map_err(|error| (pipeline.step(place), error))?;
            match pipeline.step(place) {
                Step::Opening => {}
                Step::Statement(_) => self.note(rows, done.count),
                // COMMIT, and then the question for the position.
                Step::End => match (place + 1 < statements.len(), done.outcome) {
                    (true, Outcome::Committed) => {}
                    (true, Outcome::Undone) => return Err((Step::End, Error::Undone)),
                    (true, Outcome::GoesOn) => {
                        return Err((Step::End, Error::Protocol("no answer to COMMIT")));
                    }
                    (false, _) => position = rows.into_iter().next(),
                },
            }
        }
        match self.conversation.reply().await {
            Ok(Reply::Ready) => Ok(position),
            Ok(_) => Err((Step::End, Error::Protocol("an answer to nothing"))),
            Err(error) => Err((Step::End, error)),
        }
    }

    /// Writes all messages; returns the types of the columns of each statement that is known.
    fn write(&mut self, statements: &[&Statement]) -> Result<Vec<Option<Arc<[Type]>>>, Error> {
        for name in self.prepared.forgotten() {
            self.conversation.forget(&name)?;
        }
        let mut types = Vec::with_capacity(statements.len());
        for (place, statement) in statements.iter().enumerate() {
            let known = self.prepared.know(statement);
            if known.is_new {
                self.conversation
                    .prepare(known.name, statement.text(), statement.arguments().types())?;
            }
            self.conversation.execute(known.name, statement.arguments())?;
            types.push(known.columns);
            // So that it is known which statement takes long, and of whoever waits for a lock, which waits. What reads
            // has one.
            let is_asked = matches!(self.pipeline.step(place), Step::Statement(_));
            if is_asked && self.pipeline.end != Some(End::Read) {
                self.conversation.flush();
            }
        }
        self.conversation.sync();
        Ok(types)
    }

    /// Waits for the rows of a statement.
    async fn answer(
        &mut self,
        statement: &Statement,
        mut types: Option<Arc<[Type]>>,
    ) -> Result<(Vec<Row>, Done), Error> {
        let mut rows = Vec::new();
        loop {
            match self.conversation.reply().await? {
                Reply::Prepared(columns) => {
                    self.prepared.learn(statement, &columns);
                    types = Some(columns);
                }
                Reply::Row(values) => {
                    // It may have been prepared earlier in this pipeline.
                    let types = types.get_or_insert_with(|| self.prepared.columns(statement));
                    if values.columns != types.len() {
                        return Err(Error::Protocol("a row of other columns"));
                    }
                    rows.push(Row::new(values.bytes, Arc::clone(types)));
                }
                Reply::Done(done) => return Ok((rows, done)),
                Reply::Ready => return Err(Error::Protocol("a statement without an answer")),
            }
        }
    }

    fn note(&mut self, rows: Vec<Row>, count: u64) {
        let now = Instant::now();
        self.answered.push(Answer {
            rows,
            count,
            took: now - replace(&mut self.since, now),
        });
    }

    async fn failed(&mut self, at: Step, error: Error) -> Failed {
        // The server's own refusal of what stands before COMMIT is certain: there was nothing left to commit.
        // A pooler's word that it has lost the server (class 08) is none.
        let is_of_server = error.code().is_some_and(|code| !code.starts_with("08"));
        let is_refusal = at != Step::End && is_of_server || matches!(error, Error::Undone);
        let took = self.since.elapsed();
        if error.ends_connection() {
            self.conversation.distrust();
        } else if self.conversation.settle().await.is_ok() {
            // Those behind the error were passed over, and never prepared.
            self.prepared.drop_unlearned();
        }
        if is_of_stale_plan(&error) {
            self.prepared.forget_all();
        }
        Failed {
            at,
            answered: take(&mut self.answered),
            took,
            in_doubt: self.commits && !is_refusal,
            error,
        }
    }
}
