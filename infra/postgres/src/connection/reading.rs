//! Statements that read, each whole in one round trip and one transaction, with the tenant and the time limit.

use std::sync::Arc;

use crate::wire::Row;
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::identity::TenantId;
use uuid::Uuid;

use super::by_id::{ReadsById, Turn, statement};
use super::opening::before;
use super::{Served, cost};
use crate::entity::ById;
use crate::error::SqlError;
use crate::nodes::Route;
use crate::pool::{Answer, Answers, End, Failure};
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
        self.run_after(None, statement, sees, note_detour).await
    }

    /// The same, after an attempt that has `failed` already.
    async fn run_after(
        &mut self,
        mut failed: Option<Failure>,
        statement: &Statement,
        sees: LogPosition,
        note_detour: impl Fn(Served),
    ) -> Result<Answer, SqlError> {
        let is_first = !self.has_read;
        let mut sees = sees;
        loop {
            let attempted = match failed.take() {
                Some(failure) => Err(failure),
                None => self.attempt(statement).await,
            };
            let failure = match attempted {
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

    /// Finds a row of a tenant by its id, together with those of others if there are many.
    pub(super) async fn find<T: ById>(
        &mut self,
        tenant: TenantId,
        id: Uuid,
        sees: LogPosition,
        note_detour: impl Fn(Served),
    ) -> Result<Option<Arc<Row>>, SqlError> {
        let mut failed = None;
        let node = Arc::clone(self.route.node());
        let _others_wait = match ReadsById::turn::<T>(&node, tenant, id) {
            Turn::Now(under_way) => Some(under_way),
            Turn::Later(answer) => {
                match ReadsById::wait::<T>(&node, tenant, answer).await {
                    Ok(Ok(found)) => {
                        self.has_read = true;
                        cost::note_shared(&T::selects().many, found.took, found.row.is_some());
                        return Ok(found.row);
                    }
                    Ok(Err(exhausted)) => failed = Some(exhausted.into()),
                    Err(_) => {}
                }
                None
            }
        };
        let statement = statement(&T::selects().one, tenant, id)?;
        let answer = self.run_after(failed, &statement, sees, note_detour).await?;
        Ok(answer.rows.into_iter().next().map(Arc::new))
    }

    async fn attempt(&self, statement: &Statement) -> Result<Answers, Failure> {
        let node = Arc::clone(self.route.node());
        let statements = [statement];
        let opening = |limit| before(statement, self.route.tenant(), limit);
        let beginning = node.pool.begin(opening, &statements, Some(End::Read));
        let result = self.route.attempt(beginning).await;
        match result {
            Ok((lent, answers)) => {
                drop(lent);
                cost::note(&statements, &Ok(&answers), &node.pool);
                Ok(answers)
            }
            Err(failure) => {
                if let Failure::Pipeline(failed) = &failure {
                    cost::note(&statements, &Err(failed), &node.pool);
                }
                Err(failure)
            }
        }
    }
}
