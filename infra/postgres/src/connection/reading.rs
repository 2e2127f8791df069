//! Statements that read, each whole in one round trip: BEGIN with the tenant and the time limit, the statement, COMMIT.

use std::sync::Arc;

use fairlead_domain::consistency::LogPosition;

use super::batch::{Batches, Turn};
use super::first_message::first_message;
use super::{Reach, Served, cost};
use crate::error::SqlError;
use crate::nodes::Route;
use crate::pool::{Answer, Answers, End, Failure, Pipeline};
use crate::statement::Statement;

/// A way to a node, and whether anything was seen there.
pub(super) struct Reading {
    route: Route,
    has_read: bool,
}

impl Reading {
    pub(super) fn new(route: Route) -> Self {
        Self {
            route,
            has_read: false,
        }
    }

    /// Runs a statement. When its replica fails meanwhile it is repeated elsewhere, and `note_detour` is told: rows
    /// leave this function all at once or not at all, so nothing has been seen of the failed attempt.
    pub(super) async fn run(
        &mut self,
        statement: &Statement,
        sees: LogPosition,
        note_detour: impl Fn(Served),
    ) -> Result<Answer, SqlError> {
        let is_first = !self.has_read;
        let mut sees = sees;
        loop {
            let failure = match self.attempt(statement).await {
                Ok(answers) => {
                    self.has_read = true;
                    return Ok(answers.into_one());
                }
                Err(failure) => failure,
            };
            if !(self.route.has_detour() && failure.may_detour()) {
                return Err(failure.into());
            }
            let now_sees = self.route.redirect(is_first, sees)?;
            if is_first {
                // What was told before holds for all that was read.
                sees = now_sees.latest(sees);
            }
            note_detour(Served {
                source: self.route.node().name.clone(),
                sees,
            });
        }
    }

    /// Runs a statement that is cheap, together with others of the tenant if there are many.
    pub(super) async fn run_with_others(
        &mut self,
        statement: &Arc<Statement>,
        sees: LogPosition,
        note_detour: impl Fn(Served),
    ) -> Result<Answer, SqlError> {
        let node = self.route.node();
        let _others_wait = match Batches::turn(node, self.route.tenant(), statement) {
            Turn::Now(under_way) => Some(under_way),
            Turn::Later(answer) => {
                if let Ok(answer) = answer.await {
                    self.has_read = true;
                    let answers = Answers::of_one(answer);
                    cost::note(
                        &[statement],
                        &Ok(&answers),
                        self.route.node().pool.slow_statement(),
                    );
                    return Ok(answers.into_one());
                }
                None
            }
        };
        self.run(statement, sees, note_detour).await
    }

    async fn attempt(&self, statement: &Statement) -> Result<Answers, Failure> {
        let node = Arc::clone(self.route.node());
        let begin = first_message(Reach::Read(self.route.tenant()), node.pool.statement_timeout()?);
        let statements = [statement];
        let pipeline = Pipeline {
            begin: Some(&begin),
            statements: &statements,
            end: Some(End::Read),
        };
        let result = self.route.attempt(node.pool.begin(&pipeline)).await;
        match result {
            Ok((lent, answers)) => {
                drop(lent);
                cost::note(&statements, &Ok(&answers), node.pool.slow_statement());
                Ok(answers)
            }
            Err(failure) => {
                if let Failure::Pipeline(failed) = &failure {
                    cost::note(&statements, &Err(failed), node.pool.slow_statement());
                }
                Err(failure)
            }
        }
    }
}
