//! Reads by key that come while others of their tenant are under way go together: in one transaction, in one round trip.
//!
//! Most of what a read by key costs, here and in the database, is its transaction and the way there and back. So while
//! as many are under way as there are processors, the others wait until one of those is back, and share the next way.
//! Nobody waits when little is going on, and under load each waits about as long as it would for a processor.
//!
//! Those that share a transaction are of one tenant, which its BEGIN names, and of one node. When it fails, for
//! whichever of them, each goes alone.

use std::collections::HashMap;
use std::mem::take;
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;

use fairlead_domain::identity::TenantId;
use tokio::sync::oneshot;

use super::Reach;
use super::first_message::first_message;
use crate::nodes::{Node, Standing};
use crate::pool::{Answer, End, Pipeline};
use crate::statement::Statement;

/// How many share a transaction: enough to make it cheap for each, and few enough that none waits for long.
const MOST: usize = 32;

/// The reads by key of one node.
pub(crate) struct Batches {
    of_tenants: Mutex<HashMap<TenantId, Batch>>,
    /// How many of a tenant are under way before others wait.
    abreast: usize,
}

#[derive(Default)]
struct Batch {
    under_way: usize,
    waiting: Vec<Waiting>,
}

struct Waiting {
    statement: Arc<Statement>,
    answer: oneshot::Sender<Answer>,
}

/// When a read may go.
pub(super) enum Turn {
    /// Alone and now; others wait until this is dropped.
    Now(UnderWay),
    /// With others. Nothing comes when that has failed: then alone.
    Later(oneshot::Receiver<Answer>),
}

/// A read that is under way, or several together. At its end, those go that have been waiting.
pub(super) struct UnderWay {
    node: Arc<Node>,
    tenant: TenantId,
}

impl Default for Batches {
    fn default() -> Self {
        Self {
            of_tenants: Mutex::default(),
            abreast: available_parallelism().map_or(1, NonZero::get),
        }
    }
}

impl Batches {
    /// Finds out when a read may go on `node`, and puts it among those who wait if that is not now.
    pub(super) fn turn(node: &Arc<Node>, tenant: TenantId, statement: &Arc<Statement>) -> Turn {
        let mut of_tenants = node.batches.lock();
        let batch = of_tenants.entry(tenant).or_default();
        if batch.under_way < node.batches.abreast {
            batch.under_way += 1;
            return Turn::Now(UnderWay {
                node: Arc::clone(node),
                tenant,
            });
        }
        let (answer, waiting) = oneshot::channel();
        batch.waiting.push(Waiting {
            statement: Arc::clone(statement),
            answer,
        });
        Turn::Later(waiting)
    }

    /// Takes those who go next, in place of one that is back. When there is nobody, one less is under way.
    fn next(&self, tenant: TenantId) -> Vec<Waiting> {
        let mut of_tenants = self.lock();
        let Some(batch) = of_tenants.get_mut(&tenant) else {
            return Vec::new();
        };
        // Whoever has given up need not be answered.
        batch.waiting.retain(|waiting| !waiting.answer.is_closed());
        let rest = batch.waiting.split_off(batch.waiting.len().min(MOST));
        let next = std::mem::replace(&mut batch.waiting, rest);
        if next.is_empty() {
            batch.under_way -= 1;
            if batch.under_way == 0 {
                of_tenants.remove(&tenant);
            }
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TenantId, Batch>> {
        self.of_tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UnderWay {
    async fn go(self, mut waiting: Vec<Waiting>) {
        let Ok(limit) = self.node.pool.statement_timeout() else {
            return;
        };
        // What a read that goes alone is told at once.
        if matches!(self.node.standing(), Standing::Out(_)) {
            return;
        }
        let begin = first_message(Reach::Read(self.tenant), limit);
        let statements: Vec<&Statement> = waiting.iter().map(|waiting| &*waiting.statement).collect();
        let pipeline = Pipeline {
            begin: Some(&begin),
            statements: &statements,
            end: Some(End::Read),
        };
        let answered = tokio::select! {
            biased;
            answered = self.node.pool.begin(&pipeline) => answered.ok(),
            () = self.node.lost() => None,
        };
        let Some((lent, answers)) = answered else { return };
        drop(lent);
        for (waiting, answer) in take(&mut waiting).into_iter().zip(answers.statements) {
            // Whoever has given up meanwhile misses nothing.
            let _ = waiting.answer.send(answer);
        }
    }
}

impl Drop for UnderWay {
    #[expect(
        clippy::disallowed_methods,
        reason = "it works for many requests, so the deadline of one is not theirs"
    )]
    fn drop(&mut self) {
        let waiting = self.node.batches.next(self.tenant);
        if waiting.is_empty() {
            return;
        }
        let next = Self {
            node: Arc::clone(&self.node),
            tenant: self.tenant,
        };
        tokio::spawn(next.go(waiting));
    }
}
