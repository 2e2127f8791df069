//! Does what operators, or a schedule, have asked for to have the database fast: one thing at a time in all processes.

mod archive;
mod index;
mod measure;
mod upkeep;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::access::SystemScope;
use fairlead_domain::invalid::Invalid;
use fairlead_domain::jobs::{DeadJob, Done, FinishError, Job, JobError, JobHandler, Queue};
use fairlead_domain::performance::StatementMeters;
use fairlead_domain::performance::acts::{
    self, Act, ActId, ActJob, ActState, Deed, EventMonths, Maintainer, Maintaining, MaintenanceError,
    MaintenanceProgress, NewIndex, WhichActs,
};
use fairlead_domain::performance::catalog::Catalog;
use fairlead_domain::performance::plans::QueryPlans;
use fairlead_domain::store::{StoreError, SystemStore, SystemUnitOfWork};
use serde_json::value::RawValue;
use tokio::time::{sleep, timeout};

use crate::fault;

pub use upkeep::upkeep;

/// How often whoever is at it notes how far it has come, and looks whether it was cancelled.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// When a job comes again that has found somebody else at it.
const BUSY: Duration = Duration::from_secs(5);
/// Acts that are not over are looked through up to so many.
const MOST_OPEN: u32 = 1_000;
/// A server that does not say by then how far it has come is not waited for.
const LOOK_WITHIN: Duration = Duration::from_secs(5);
/// How often it is looked, once a second, whether something can be cleared away; then it is tried again later.
const CLEAR_TRIES: u32 = 20;
const CLEAR_AGAIN: Duration = Duration::from_mins(1);
/// A large table takes hours; it can be cancelled.
const LONGEST: Duration = Duration::from_hours(24);

/// What acts are done with.
#[derive(Clone, Debug)]
pub struct ActParts {
    pub store: Arc<dyn SystemStore>,
    pub maintainer: Arc<dyn Maintainer>,
    pub catalog: Arc<dyn Catalog>,
    pub plans: Arc<dyn QueryPlans>,
    pub statements: Arc<dyn StatementMeters>,
    pub months: Arc<dyn EventMonths>,
    /// For how long statements are measured with a new index before it is judged.
    pub watch: Duration,
}

/// Does the jobs of acts.
pub fn acts(parts: ActParts) -> Arc<dyn JobHandler> {
    Arc::new(DoActs {
        parts,
        closes: AtomicBool::new(false),
    })
}

#[derive(Debug)]
struct DoActs {
    parts: ActParts,
    /// The process is about to stop.
    closes: AtomicBool,
}

/// Why an act was not done to its end.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("it was cancelled")]
    Cancelled,
    #[error("the process stops")]
    Closing,
    #[error(transparent)]
    Failed(#[from] MaintenanceError),
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

#[async_trait]
impl JobHandler for DoActs {
    fn kind(&self) -> &'static str {
        ActJob::KIND
    }

    fn timeout(&self) -> Option<Duration> {
        Some(LONGEST)
    }

    fn is_of_platform(&self) -> bool {
        true
    }

    fn accepts(&self, _: &RawValue) -> Result<(), Invalid> {
        Err(Invalid::field(
            "",
            "jobs of this kind come of acts alone; schedule upkeep instead",
        ))
    }

    async fn run(&self, job: &Job) -> Result<Done, JobError> {
        let asked: ActJob =
            serde_json::from_str(job.payload.get()).map_err(|error| JobError::Reject(error.into()))?;
        let id = asked.id();
        match self.find(id).await? {
            None => return Ok(Done::Now),
            Some(act) if act.state.is_over() => return self.clear_away(&act, job).await,
            Some(_) => {}
        }
        let maintaining = match self.parts.maintainer.begin().await {
            Ok(Some(maintaining)) => Ok(maintaining),
            Ok(None) => return self.wait_for_others(id, job).await,
            Err(error) => Err(error),
        };
        // Whoever was at it may have come to its end meanwhile.
        let Some(mut act) = self.find(id).await?.filter(|act| !act.state.is_over()) else {
            return self.later(job, LOOK_EVERY).await;
        };
        let done = match maintaining {
            Ok(maintaining) => self.act(&mut act, maintaining).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = self.hasten_next().await {
            let error: &dyn std::error::Error = &error;
            tracing::debug!(error, "the next act begins when it looks");
        }
        match done {
            Ok(()) => Ok(Done::Now),
            Err(Broken::Cancelled) => self.clear_away(&act, job).await,
            Err(Broken::Closing) => {
                act.wait("the process that was at it has stopped");
                self.note(&act).await?;
                self.later(job, Duration::ZERO).await
            }
            Err(Broken::Failed(error)) => self.failed(act, job, error).await,
        }
    }

    fn close(&self) {
        self.closes.store(true, Ordering::Relaxed);
    }

    async fn died(&self, job: &DeadJob) -> Result<(), StoreError> {
        let Some(id) = job.unique_key.as_deref().and_then(ActJob::of_key) else {
            return Ok(());
        };
        let mut uow = self.begin().await?;
        acts::fail(&mut *uow, id).await?;
        uow.commit().await.map(drop)
    }
}

impl DoActs {
    async fn act(&self, act: &mut Act, maintaining: Maintaining) -> Result<(), Broken> {
        let deed = act.deed.clone();
        act.state = ActState::Running;
        if act.after.is_empty() {
            // Why it waited. What was found out before it was broken off stays said.
            act.outcome = None;
        }
        let begun = self.now().await?;
        act.begun_at.get_or_insert(begun);
        self.go_on(act).await?;
        tracing::info!(act = %act.id, kind = deed.kind(), subject = deed.subject(), "an act has begun");
        match deed {
            Deed::Vacuum { table } => self.vacuum(act, &table, maintaining).await?,
            Deed::BuildIndex(index) => self.build(act, &index, maintaining).await?,
            Deed::ArchiveEvents { before, strategy } => self.archive(act, before, strategy).await?,
            // It is done by the process itself, and never by a job.
            Deed::ReleaseMemory { .. } => {
                let refused = "a process gives back its own memory alone".to_owned();
                return Err(MaintenanceError::Refused(refused).into());
            }
        }
        tracing::info!(
            act = %act.id,
            kind = act.deed.kind(),
            subject = act.deed.subject(),
            state = act.state.as_str(),
            outcome = act.outcome,
            "an act is over"
        );
        Ok(())
    }

    async fn vacuum(&self, act: &mut Act, table: &str, maintaining: Maintaining) -> Result<(), Broken> {
        let Maintaining {
            mut session,
            mut progress,
        } = maintaining;
        act.before = measure::table(&*self.parts.catalog, table).await?;
        self.beside(act, Some(&mut *progress), session.vacuum(table))
            .await?;
        act.after = measure::table(&*self.parts.catalog, table).await?;
        let outcome = measure::vacuumed(&act.before, &act.after);
        self.end(act, ActState::Done, outcome).await
    }

    /// Does something, and notes once a second how far it has come.
    async fn beside<T>(
        &self,
        act: &mut Act,
        mut progress: Option<&mut dyn MaintenanceProgress>,
        work: impl Future<Output = Result<T, MaintenanceError>> + Send,
    ) -> Result<T, Broken> {
        let mut work = pin!(work);
        loop {
            if let Ok(done) = timeout(LOOK_EVERY, &mut work).await {
                return Ok(done?);
            }
            // What is under way goes on, also when nobody can look.
            if let Some(progress) = &mut progress {
                let seen = timeout(LOOK_WITHIN, progress.look()).await;
                act.progress = seen.ok().and_then(Result::ok).flatten();
            }
            self.go_on(act).await?;
        }
    }

    /// Others are at it. Whoever comes to an end has the next one begun; this is for when nobody could.
    async fn wait_for_others(&self, id: ActId, job: &Job) -> Result<Done, JobError> {
        if let Some(mut act) = self.find(id).await?.filter(|act| act.outcome.is_none()) {
            act.wait("another act is under way");
            self.note(&act).await?;
        }
        self.later(job, BUSY).await
    }

    /// Has the next act begun.
    async fn hasten_next(&self) -> Result<(), StoreError> {
        let mut uow = self.begin().await?;
        let open = WhichActs {
            is_over: Some(false),
            kind: None,
        };
        let waiting = uow.acts().list(&open, None, MOST_OPEN).await?;
        // What is tried again waits for its own reasons.
        let is_next = |act: &&Act| act.state == ActState::Waiting && act.begun_at.is_none();
        let oldest = waiting.iter().rfind(is_next);
        if let Some(act) = oldest {
            uow.jobs().hasten(Queue::Maintenance, &act.id.to_string()).await?;
        }
        uow.commit().await.map(drop)
    }

    /// Notes how far it has come, unless it is to go no further. Where it cannot be noted what is under way goes on.
    async fn go_on(&self, act: &Act) -> Result<(), Broken> {
        if self.closes.load(Ordering::Relaxed) {
            return Err(Broken::Closing);
        }
        match self.note(act).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Broken::Cancelled),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(act = %act.id, error, "how far an act has come cannot be noted; it goes on");
                Ok(())
            }
        }
    }

    async fn end(&self, act: &mut Act, state: ActState, outcome: String) -> Result<(), Broken> {
        act.end(state, outcome, self.now().await?);
        if self.note(act).await? {
            Ok(())
        } else {
            Err(Broken::Cancelled)
        }
    }

    /// Has it tried again, as long as it may be.
    async fn failed(&self, mut act: Act, job: &Job, error: MaintenanceError) -> Result<Done, JobError> {
        let is_last = job.attempt >= job.max_attempts || matches!(error, MaintenanceError::Refused(_));
        let why = fault::told(&error);
        if !is_last {
            act.wait(why);
            self.note(&act).await?;
            return Err(JobError::Retry(error.into()));
        }
        tracing::error!(act = %act.id, kind = act.deed.kind(), subject = act.deed.subject(), why, "an act has failed");
        act.end(ActState::Failed, why, self.now().await?);
        self.note(&act).await?;
        self.clear_away(&act, job).await
    }

    /// Drops what an act that is over may have left, however often that must be tried. Not by another job: those may be
    /// paused.
    async fn clear_away(&self, act: &Act, job: &Job) -> Result<Done, JobError> {
        if !matches!(act.deed, Deed::BuildIndex(_)) {
            return Ok(Done::Now);
        }
        let name = NewIndex::provisional(act.id);
        for _ in 0..CLEAR_TRIES {
            match self.clear(&name).await {
                Ok(true) => return Ok(Done::Now),
                // What this act still runs is cancelled, and then the right to maintain is free.
                Ok(false) => sleep(LOOK_EVERY).await,
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(act = %act.id, name, error, "what an act has left is there yet; it is tried again");
                    break;
                }
            }
        }
        self.later(job, CLEAR_AGAIN).await
    }

    /// Returns whether there is no index of this name; not while somebody is at it.
    async fn clear(&self, name: &str) -> Result<bool, MaintenanceError> {
        let Some(Maintaining { mut session, .. }) = self.parts.maintainer.begin().await? else {
            return Ok(false);
        };
        if session.index(name).await?.is_some() {
            session.drop_index(name).await?;
        }
        Ok(true)
    }

    async fn later(&self, job: &Job, after: Duration) -> Result<Done, JobError> {
        let mut uow = self.begin().await?;
        match uow.jobs().postpone(&job.ticket, after, None).await {
            Ok(()) => {}
            Err(FinishError::Lost) => return Err(JobError::Lost),
            Err(FinishError::Store(error)) => return Err(error.into()),
        }
        uow.commit().await?;
        Ok(Done::Postponed)
    }

    async fn find(&self, id: ActId) -> Result<Option<Act>, StoreError> {
        let mut uow = self.begin().await?;
        let act = uow.acts().find(id).await?;
        uow.commit().await?;
        Ok(act)
    }

    /// Returns whether it was not over before.
    async fn note(&self, act: &Act) -> Result<bool, StoreError> {
        let mut uow = self.begin().await?;
        let is_noted = uow.acts().update(act).await?;
        uow.commit().await?;
        Ok(is_noted)
    }

    async fn now(&self) -> Result<time::OffsetDateTime, StoreError> {
        Ok(self.begin().await?.now())
    }

    async fn begin(&self) -> Result<Box<dyn SystemUnitOfWork>, StoreError> {
        begin(&*self.parts.store).await
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "what is done to the database concerns no tenant"
)]
async fn begin(store: &dyn SystemStore) -> Result<Box<dyn SystemUnitOfWork>, StoreError> {
    store.begin(&SystemScope::new("acts")).await
}
