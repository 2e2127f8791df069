//! Rows that a tenant's reads find by their id. Those that come while others are under way are found together.
//!
//! Most of what such a read costs, here and in the database, is its statement, its transaction, and the way there and
//! back. So while as many are under way as there are processors, the others wait until one of those is back, and are
//! found by one statement. Nobody waits when little is going on, and under load each waits about as long as it would
//! for a processor.
//!
//! One that takes long, as over a connection that has gone dead, holds nobody up for long: it does not count any more,
//! and others go beside it.
//!
//! Those that go together are of one tenant, which the settings and the statement name, of one table, and of one node.
//! When that fails, for whichever of them, each goes alone.

use std::any::TypeId;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::mem::replace;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use crate::wire::Row;
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::StoreError;
use tokio::sync::oneshot;
use tokio::time::timeout;
use uuid::Uuid;

use super::cost;
use super::opening::before;
use crate::entity::ById;
use crate::nodes::{Node, Standing};
use crate::pool::{Answer, End, Failure, PoolExhausted};
use crate::statement::{Arguments, Bind, Statement};

/// How many go together: enough to make it cheap for each, and few enough that none waits for long.
pub const MOST_TOGETHER: u32 = 100;
/// Many times what a read by id takes. Whoever has been under way for longer is not waited for.
const LONG: Duration = Duration::from_millis(100);

/// The reads by id of one node.
pub(crate) struct ReadsById {
    under_way: Mutex<HashMap<Kind, Crowd>>,
    /// How many of a kind are under way before others wait.
    abreast: usize,
    /// Numbers those that go.
    gone: AtomicU64,
}

/// How many statements of a tenant are under way before reads by id of the same kind wait, and go together.
pub fn abreast() -> u32 {
    let processors = available_parallelism().map_or(1, NonZero::get);
    u32::try_from(processors).unwrap_or(u32::MAX)
}

/// What goes together.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Kind {
    tenant: TenantId,
    what: TypeId,
}

#[derive(Default)]
struct Crowd {
    under_way: Vec<Gone>,
    waiting: Vec<Waiting>,
}

/// One that is under way, or several together.
struct Gone {
    number: u64,
    since: Instant,
}

struct Waiting {
    id: Uuid,
    answer: oneshot::Sender<Shared>,
}

/// What those are told who have gone together.
type Shared = Result<Found, PoolExhausted>;

/// What a read that went with others has found.
pub(super) struct Found {
    /// Others may have asked for it, too.
    pub(super) row: Option<Arc<Row>>,
    /// The statement that found all.
    pub(super) took: Duration,
}

/// When a read may go.
pub(super) enum Turn<T: ById> {
    /// Alone and now; others wait until this is dropped.
    Now(UnderWay<T>),
    /// With others. Who then gets no connection has waited as long as it may; when nothing comes, something else was
    /// wrong, and this one goes alone.
    Later(oneshot::Receiver<Shared>),
}

/// A read that is under way, or several together. At its end, those go that have been waiting.
pub(super) struct UnderWay<T: ById> {
    node: Arc<Node>,
    tenant: TenantId,
    number: u64,
    what: PhantomData<fn() -> T>,
}

/// A statement of [`Selects`](crate::entity::Selects): of a tenant, and of an id or of several.
pub(super) fn statement(
    text: &'static str,
    tenant: TenantId,
    ids: impl Bind,
) -> Result<Statement, StoreError> {
    let mut arguments = Arguments::default();
    arguments.push(tenant.as_uuid());
    arguments.push(ids);
    Ok(Statement::new(text, arguments)?.keeping_plan())
}

impl Default for ReadsById {
    fn default() -> Self {
        Self {
            under_way: Mutex::default(),
            abreast: abreast() as usize,
            gone: AtomicU64::new(0),
        }
    }
}

impl ReadsById {
    /// Finds out when a read may go on `node`, and puts it among those who wait if that is not now.
    pub(super) fn turn<T: ById>(node: &Arc<Node>, tenant: TenantId, id: Uuid) -> Turn<T> {
        let reads = &node.reads_by_id;
        let mut under_way = reads.lock();
        let crowd = under_way.entry(Kind::of::<T>(tenant)).or_default();
        if crowd.has_room(reads.abreast) {
            let number = crowd.go(&reads.gone);
            return Turn::Now(UnderWay::new(node, tenant, number));
        }
        let (answer, waiting) = oneshot::channel();
        crowd.waiting.push(Waiting { id, answer });
        Turn::Later(waiting)
    }

    /// Waits for what a read has found that goes later. Whenever those before it take long, those who wait go beside them.
    pub(super) async fn wait<T: ById>(
        node: &Arc<Node>,
        tenant: TenantId,
        mut answer: oneshot::Receiver<Shared>,
    ) -> Result<Shared, oneshot::error::RecvError> {
        loop {
            if let Ok(answered) = timeout(LONG, &mut answer).await {
                return answered;
            }
            let next = node.reads_by_id.next(Kind::of::<T>(tenant), None);
            UnderWay::<T>::set_out(node, tenant, next);
        }
    }

    /// Takes those who go next, if there is room, now that the one with the number `back` is not under way any more.
    fn next(&self, kind: Kind, back: Option<u64>) -> Option<(u64, Vec<Waiting>)> {
        let mut under_way = self.lock();
        let crowd = under_way.get_mut(&kind)?;
        crowd.under_way.retain(|gone| Some(gone.number) != back);
        if !crowd.has_room(self.abreast) {
            return None;
        }
        // Whoever has given up need not be answered.
        crowd.waiting.retain(|waiting| !waiting.answer.is_closed());
        if crowd.waiting.is_empty() {
            if crowd.under_way.is_empty() {
                under_way.remove(&kind);
            }
            return None;
        }
        let rest = crowd
            .waiting
            .split_off(crowd.waiting.len().min(MOST_TOGETHER as usize));
        let next = replace(&mut crowd.waiting, rest);
        Some((crowd.go(&self.gone), next))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Kind, Crowd>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Crowd {
    /// Whether another may go: fewer than `abreast` are under way that have not been so for long.
    fn has_room(&self, abreast: usize) -> bool {
        let short = |gone: &&Gone| gone.since.elapsed() < LONG;
        self.under_way.len() < abreast || self.under_way.iter().filter(short).count() < abreast
    }

    /// Another is under way from now on; returns its number.
    fn go(&mut self, gone: &AtomicU64) -> u64 {
        let number = gone.fetch_add(1, Ordering::Relaxed);
        let since = Instant::now();
        self.under_way.push(Gone { number, since });
        number
    }
}

impl Kind {
    fn of<T: ById>(tenant: TenantId) -> Self {
        Self {
            tenant,
            what: TypeId::of::<T>(),
        }
    }
}

impl<T: ById> UnderWay<T> {
    fn new(node: &Arc<Node>, tenant: TenantId, number: u64) -> Self {
        Self {
            node: Arc::clone(node),
            tenant,
            number,
            what: PhantomData,
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "it works for many requests, so the deadline of one is not theirs"
    )]
    fn set_out(node: &Arc<Node>, tenant: TenantId, next: Option<(u64, Vec<Waiting>)>) {
        if let Some((number, waiting)) = next {
            tokio::spawn(Self::new(node, tenant, number).go(waiting));
        }
    }

    async fn go(self, waiting: Vec<Waiting>) {
        let mut ids: Vec<Uuid> = waiting.iter().map(|waiting| waiting.id).collect();
        ids.sort_unstable();
        ids.dedup();
        let found = match self.find(&ids).await {
            Some(Ok(answer)) => Ok((by_id::<T>(answer.rows), answer.took)),
            Some(Err(exhausted)) => Err(exhausted),
            None => return,
        };
        for Waiting { id, answer } in waiting {
            let found = match &found {
                Ok((rows, took)) => Ok(Found {
                    row: rows.get(&id).cloned(),
                    took: *took,
                }),
                Err(exhausted) => Err(exhausted.clone()),
            };
            // Whoever has given up meanwhile misses nothing.
            let _ = answer.send(found);
        }
    }

    async fn find(&self, ids: &[Uuid]) -> Option<Result<Answer, PoolExhausted>> {
        let pool = &self.node.pool;
        // What a read that goes alone is told at once.
        if matches!(self.node.standing(), Standing::Out(_)) {
            return None;
        }
        let statement = statement(&T::selects().many, self.tenant, ids).ok()?;
        let statements = [&statement];
        let opening = |limit| before(&statement, self.tenant, limit);
        let answered = tokio::select! {
            biased;
            answered = pool.begin(opening, &statements, Some(End::Read)) => answered,
            () = self.node.lost() => return None,
        };
        match answered {
            Ok((lent, answers)) => {
                drop(lent);
                cost::note(&statements, &Ok(&answers), pool);
                Some(Ok(answers.into_one()))
            }
            Err(Failure::NoConnection(StoreError::Exhausted(cause))) => {
                Some(Err(cause.downcast_ref::<PoolExhausted>()?.clone()))
            }
            Err(_) => None,
        }
    }
}

fn by_id<T: ById>(rows: Vec<Row>) -> HashMap<Uuid, Arc<Row>> {
    let rows = rows.into_iter().filter_map(|row| {
        let id: Uuid = row.try_get(T::ID).ok()?;
        Some((id, Arc::new(row)))
    });
    rows.collect()
}

impl<T: ById> Drop for UnderWay<T> {
    fn drop(&mut self) {
        let kind = Kind::of::<T>(self.tenant);
        let next = self.node.reads_by_id.next(kind, Some(self.number));
        Self::set_out(&self.node, self.tenant, next);
    }
}
