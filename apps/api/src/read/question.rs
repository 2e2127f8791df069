use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use fairlead_domain::access::TenantScope;
use fairlead_domain::cache::{CacheKey, LoadFailure, Loaded, Loader, Tag};
use fairlead_domain::consistency::{Consistency, NodeName, ReadIntent, Workload};
use fairlead_domain::store::{Store, StoreError, UnitOfWork};

use crate::paging::{CursorKey, Cursors};
use crate::problem::{Kind, Problem};
use crate::representation::Representation;

/// What a read asks, apart from who asks: within a tenant, the same question has the same answer for everybody who may
/// ask it. So what an answer depends on besides its tenant stands in the question, and in its key.
#[async_trait]
pub(crate) trait Question: Send + Sync + 'static {
    /// What the read is for; decides between nodes of the database.
    fn workload(&self) -> Workload {
        Workload::Interactive
    }

    /// The name under which the answer is kept; `None`: it is loaded each time.
    fn key(&self) -> Option<CacheKey>;

    /// All that the answer depends on, where it is kept.
    fn tags(&self) -> Vec<Tag>;

    /// Reads what is asked for and shows it.
    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem>;
}

/// Where a question is answered from.
pub(crate) struct Reading<'a> {
    pub(crate) uow: &'a mut dyn UnitOfWork,
    pub(crate) cursors: Cursors<'a>,
}

/// A question may be one of several, known when it is asked.
#[async_trait]
impl Question for Box<dyn Question> {
    fn workload(&self) -> Workload {
        (**self).workload()
    }

    fn key(&self) -> Option<CacheKey> {
        (**self).key()
    }

    fn tags(&self) -> Vec<Tag> {
        (**self).tags()
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        (**self).load(from).await
    }
}

/// What it takes to answer questions.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) cursors: CursorKey,
}

/// A question in a tenant, to be answered from the database.
pub(crate) struct Asked<Q> {
    origin: Origin,
    scope: TenantScope,
    question: Q,
    /// Who answered, if this was loaded.
    node: OnceLock<NodeName>,
}

impl<Q: Question> Asked<Q> {
    pub(crate) fn new(origin: Origin, scope: TenantScope, question: Q) -> Self {
        Self {
            origin,
            scope,
            question,
            node: OnceLock::new(),
        }
    }

    pub(crate) fn question(&self) -> &Q {
        &self.question
    }

    /// The node that the last load has read; `None` when there was none.
    pub(crate) fn node(&self) -> Option<&NodeName> {
        self.node.get()
    }

    pub(crate) async fn load(&self, consistency: Consistency) -> Result<Loaded, Problem> {
        let intent = ReadIntent {
            consistency,
            workload: self.question.workload(),
        };
        let mut uow = self.origin.store.read(&self.scope, intent).await?;
        let mut reading = Reading {
            uow: &mut *uow,
            cursors: self.origin.cursors.of(&self.scope),
        };
        let representation = self.question.load(&mut reading).await?;
        // Asked only now: a read whose node fails goes on at another one, and of that one less may be known.
        self.node.get_or_init(|| uow.source());
        Ok(representation.loaded(uow.sees()))
    }
}

#[async_trait]
impl<Q: Question> Loader for Asked<Q> {
    async fn load(&self, consistency: Consistency) -> Result<Loaded, LoadFailure> {
        let loaded = Asked::load(self, consistency).await;
        loaded.map_err(|problem| match problem.kind() {
            Kind::Unavailable if !passes(&problem) => LoadFailure::outage(problem),
            kind if kind.status().is_server_error() => LoadFailure::trouble(problem),
            _ => LoadFailure::definite(problem),
        })
    }
}

/// Whether there was only no room, or this connection alone was ended: then the database is there for others, and for this
/// one in a moment.
fn passes(problem: &Problem) -> bool {
    let cause = problem.cause().and_then(|cause| cause.downcast_ref());
    matches!(cause, Some(StoreError::Exhausted(_) | StoreError::Interrupted(_)))
}
