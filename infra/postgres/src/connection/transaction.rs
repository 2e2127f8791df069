//! A transaction on the primary, in as few round trips as can be.
//!
//! BEGIN travels with the first statement, and what nobody waits for with the next: statements are queued until one
//! is asked for whose answer matters, at the latest until COMMIT. So a unit of work whose statements all are queued is
//! one round trip.

use std::mem::{replace, take};
use std::sync::Arc;

use fairlead_domain::consistency::LogPosition;
use fairlead_domain::store::StoreError;

use super::opening::opening;
use super::{Reach, cost};
use crate::commit::CommitError;
use crate::error::{SqlError, unexpected};
use crate::nodes::Cluster;
use crate::pool::{Answer, Answers, End, Failure, Lent, Pipeline, Pool};
use crate::statement::Statement;
use crate::wire::Row;

pub(super) struct Transaction {
    cluster: Arc<Cluster>,
    pool: Pool,
    reach: Reach,
    state: State,
    queue: Vec<Queued>,
}

enum State {
    /// Nothing was sent.
    Unopened,
    Open(Lent),
    /// A statement failed, or was given up: PostgreSQL would answer COMMIT by undoing everything.
    Broken,
}

/// A statement that nobody waits for.
pub(super) struct Queued {
    pub(super) statement: Statement,
    /// What its failure means.
    pub(super) on_error: fn(SqlError) -> StoreError,
}

impl Transaction {
    pub(super) fn new(cluster: Arc<Cluster>, pool: Pool, reach: Reach) -> Self {
        Self {
            cluster,
            pool,
            reach,
            state: State::Unopened,
            queue: Vec::new(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        !matches!(self.state, State::Unopened)
    }

    pub(super) fn enqueue(&mut self, queued: Queued) {
        self.queue.push(queued);
    }

    /// Runs a statement behind those that are queued. The error may be of one of them.
    pub(super) async fn run(&mut self, statement: Statement) -> Result<Answer, SqlError> {
        let queue = take(&mut self.queue);
        let queued = queue.iter().map(|queued| &queued.statement);
        let statements: Vec<&Statement> = queued.chain([&statement]).collect();
        match self.send(&statements, None).await {
            Ok(mut answers) => Ok(answers.statements.pop().expect("one answer for each statement")),
            Err(failure) => Err(translated(failure, &queue)),
        }
    }

    /// Commits; `None` when there was nothing to commit.
    pub(super) async fn commit(mut self) -> Result<Option<LogPosition>, CommitError> {
        let queue = take(&mut self.queue);
        if matches!(self.state, State::Unopened) && queue.is_empty() {
            return Ok(None);
        }
        let statements: Vec<&Statement> = queue.iter().map(|queued| &queued.statement).collect();
        match self.send(&statements, Some(End::Commit)).await {
            Ok(answers) => {
                let position = answers.position.as_ref().and_then(position).ok_or_else(|| {
                    CommitError::InDoubt(unexpected("COMMIT was not answered by a position of the log"))
                })?;
                Ok(Some(position))
            }
            Err(failure) if failure.in_doubt() => {
                Err(CommitError::InDoubt(translated(failure, &queue).into()))
            }
            Err(failure) => Err(CommitError::Refused(translated(failure, &queue).into())),
        }
    }

    /// Sends statements in one pipeline, behind BEGIN if they are the first. Given up or failed, it leaves the
    /// transaction broken, and the connection on its way to being settled.
    async fn send(&mut self, statements: &[&Statement], end: Option<End>) -> Result<Answers, Failure> {
        let result = match replace(&mut self.state, State::Broken) {
            State::Unopened => self.open(statements, end).await,
            State::Open(mut lent) => {
                let pipeline = Pipeline {
                    opening: &[],
                    statements,
                    end,
                };
                let answered = lent.run(&pipeline).await;
                answered.map(|answers| (lent, answers)).map_err(Failure::Pipeline)
            }
            State::Broken => {
                let error = unexpected("a transaction goes on in which a statement failed");
                return Err(Failure::NoConnection(error));
            }
        };
        match result {
            Ok((lent, answers)) => {
                cost::note(statements, &Ok(&answers), &self.pool);
                self.state = State::Open(lent);
                Ok(answers)
            }
            Err(failure) => {
                if let Failure::Pipeline(failed) = &failure {
                    cost::note(statements, &Err(failed), &self.pool);
                }
                Err(failure)
            }
        }
    }

    async fn open(&self, statements: &[&Statement], end: Option<End>) -> Result<(Lent, Answers), Failure> {
        let opening = |limit| opening(self.reach, statements, limit);
        let beginning = self.pool.begin(opening, statements, end);
        if end.is_none() {
            return self.cluster.with_primary(beginning).await;
        }
        // Once COMMIT is sent nobody should stop waiting for its answer.
        self.cluster.require_primary()?;
        beginning.await
    }
}

/// What a failure means to whoever waits: that of a queued statement is told by its own translation.
fn translated(failure: Failure, queue: &[Queued]) -> SqlError {
    let queued = failure.statement().and_then(|number| queue.get(number));
    let error = SqlError::from(failure);
    match queued {
        Some(queued) => SqlError::Elsewhere((queued.on_error)(error)),
        None => error,
    }
}

/// Reads the answer to COMMIT.
fn position(row: &Row) -> Option<LogPosition> {
    parse(row.try_get(0).ok()?, row.try_get(1).ok()?)
}

fn parse(segment: &str, lsn: &str) -> Option<LogPosition> {
    let timeline = u32::from_str_radix(segment.get(..8)?, 16).ok()?;
    format!("{timeline}/{lsn}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_the_timeline_of_the_segment_and_the_lsn() {
        let parsed = parse("0000002A0000001600000016", "16/B374D848");

        assert_eq!(parsed.map(|at| at.to_string()).as_deref(), Some("42/16/B374D848"));
        assert_eq!(parse("0000", "16/B374D848"), None);
        assert_eq!(parse("0000000100000016000000B3", "16"), None);
    }
}
