//! The level that processes share: answers, generations and bumps in Redis.
//!
//! It is trusted while it answers in time *and* the changes of other processes are heard. Else this process lives by
//! its memory alone, keeps what it owes the others, and pays before it trusts Redis again.

mod answers;
mod backplane;
mod bumps;
mod inspect;
mod keeper;
mod learned;
mod link;
mod message;
mod names;
mod owed;
mod peers;
mod probe;
mod roll;
mod seal;
mod sequence;
mod server;
mod turn;
mod value;

use std::collections::HashMap;
use std::mem::replace;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use fairlead_domain::cache::{Namespace, Policy};
use fairlead_domain::consistency::LogPosition;
use fairlead_telemetry::spawn_supervised;
use redis::Script;
use tokio::sync::Notify;

use crate::cache::Inner;
use crate::settings::SharedSettings;
use names::Names;
use owed::Owed;
use seal::Sealer;
use sequence::Sequence;

pub(crate) use answers::{Fence, Opened, Question, State};
pub(crate) use link::Link;
pub use link::LinkError;
pub use probe::{Found, ProbeError, probe};
pub use server::BadRedis;

/// Counters live longer than any answer by this.
const MARGIN: Duration = Duration::from_mins(5);
/// Seeds of counters lie below, so that scripts, which count in doubles, keep them whole.
const SEED_BOUND: u64 = 1 << 52;

#[derive(Debug)]
pub(crate) struct Shared {
    settings: SharedSettings,
    link: Link,
    names: Names,
    scripts: Scripts,
    sealer: Option<Arc<Sealer>>,
    /// This process, among those that share the cache.
    node: u64,
    counter_life: Duration,
    /// That of counters of which nothing is kept yet: twice what a load may take, so that it is no close run.
    load_life: Duration,
    sight_lag: Duration,
    is_trusted: AtomicBool,
    /// Changes are told, not owed, while what is owed is being paid: else it would not become less.
    is_paying: AtomicBool,
    /// Grows whenever changes may have gone unheard.
    epoch: AtomicU64,
    /// Invariant: `is_trusted` becomes true under this lock alone, and only when nothing is owed.
    owed: Mutex<Owed>,
    sequence: Sequence,
    eras: Mutex<Eras>,
    /// Whether the last attempt to read them has succeeded.
    are_eras_known: AtomicBool,
    /// Wakes the keeper: trust was lost, or something was sent.
    wake: Notify,
    is_subscribed: AtomicBool,
    /// Whether somebody who shares the cache has not been heard of for longer than usual; also while nobody has looked.
    is_anybody_late: AtomicBool,
    /// Held while this process signs in or off, so that neither overtakes the other.
    has_left: tokio::sync::Mutex<bool>,
    pub(crate) counts: SharedCounts,
}

#[derive(Debug, Default)]
pub(crate) struct SharedCounts {
    pub(crate) writes: AtomicU64,
    pub(crate) refused_writes: AtomicU64,
    pub(crate) outages: AtomicU64,
    pub(crate) gaps: AtomicU64,
}

#[derive(Debug)]
struct Scripts {
    open: Script,
    store: Script,
    bump: Script,
    begin_timeline: Script,
}

/// Part of the answers' names: a new one begins when everything, or everything of one kind, is dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Eras {
    /// By namespace, and one for everything.
    names: HashMap<String, String>,
    /// Loads must see at least this: it bounds commits whose bumps were too many to be told one by one.
    floor: Option<LogPosition>,
}

impl Shared {
    /// Fails if the server cannot be used as it is configured; connections are made later, and again whenever they break.
    pub(crate) fn new(
        settings: &SharedSettings,
        policies: &[Policy],
        load_limit: Duration,
        sight_lag: Duration,
    ) -> Result<Self, BadRedis> {
        let longest = policies.iter().map(|policy| policy.ttl + policy.stale).max();
        Ok(Self {
            link: Link::new(settings)?,
            names: Names::new(&settings.prefix),
            scripts: Scripts {
                open: Script::new(include_str!("scripts/open.lua")),
                store: Script::new(include_str!("scripts/store.lua")),
                bump: Script::new(include_str!("scripts/bump.lua")),
                begin_timeline: Script::new(include_str!("scripts/begin_timeline.lua")),
            },
            sealer: settings.encryption_key.as_ref().map(Sealer::new).map(Arc::new),
            node: rand::random(),
            counter_life: longest.unwrap_or_default() + MARGIN,
            sight_lag,
            load_life: 2 * (load_limit + settings.lease),
            is_trusted: AtomicBool::new(false),
            is_paying: AtomicBool::new(false),
            epoch: AtomicU64::new(1),
            owed: Mutex::default(),
            sequence: Sequence::default(),
            eras: Mutex::default(),
            are_eras_known: AtomicBool::new(false),
            wake: Notify::new(),
            is_subscribed: AtomicBool::new(false),
            is_anybody_late: AtomicBool::new(true),
            has_left: tokio::sync::Mutex::default(),
            counts: SharedCounts::default(),
            settings: settings.clone(),
        })
    }

    /// Begins to listen and to look after the link, for as long as `cache` lives.
    pub(crate) fn start(cache: &Arc<Inner>) {
        let weak: Weak<Inner> = Arc::downgrade(cache);
        let listening = Weak::clone(&weak);
        spawn_supervised("hear-of-changes", move || {
            backplane::listen(Weak::clone(&listening))
        });
        let mut has_failed = false;
        spawn_supervised("keep-redis", move || {
            if replace(&mut has_failed, true)
                && let Some(shared) = weak.upgrade().as_ref().and_then(|inner| inner.shared.as_ref())
            {
                // Whatever it was about to tell is not known any more.
                shared.owed().owe_everything(LogPosition::UNKNOWN);
                shared.distrust("who looks after it has failed");
            }
            keeper::keep(Weak::clone(&weak))
        });
    }

    pub(crate) fn is_trusted(&self) -> bool {
        self.is_trusted.load(Ordering::Acquire)
    }

    /// Whether somebody may be cut off, and have changed what nobody has heard of.
    pub(crate) fn is_anybody_late(&self) -> bool {
        self.is_anybody_late.load(Ordering::Acquire)
    }

    /// How long to wait for what another process loads.
    pub(crate) fn lease_wait(&self) -> Duration {
        self.settings.lease_wait
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Whether a change is told at once.
    fn is_told(&self) -> bool {
        self.is_trusted() || self.is_paying.load(Ordering::Acquire)
    }

    /// Leaves Redis alone until the keeper has found it well.
    fn distrust(&self, why: &str) {
        self.is_paying.store(false, Ordering::Release);
        if self.is_trusted.swap(false, Ordering::AcqRel) {
            self.counts.outages.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(cause = why, "the shared cache is left alone; memory serves");
            self.wake.notify_one();
        }
    }

    /// Changes may have gone unheard: what is in memory is verified before it is served again.
    pub(crate) fn suspect_memory(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// How many bumps are owed.
    pub(crate) fn owed_count(&self) -> u64 {
        self.owed().count()
    }

    pub(crate) fn failures(&self) -> u64 {
        self.link.failures()
    }

    fn owed(&self) -> MutexGuard<'_, Owed> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn eras(&self) -> MutexGuard<'_, Eras> {
        self.eras.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn invoke<T: redis::FromRedisValue + Send>(&self, call: &redis::ScriptInvocation<'_>) -> Option<T> {
        self.run(|mut connection| async move { call.invoke_async(&mut connection).await })
            .await
    }

    /// Runs commands; leaves Redis alone after too many failures.
    async fn run<T, F>(
        &self,
        commands: impl FnOnce(redis::aio::MultiplexedConnection) -> F + Send,
    ) -> Option<T>
    where
        F: Future<Output = redis::RedisResult<T>> + Send,
    {
        self.try_run(commands).await.ok()
    }

    /// The same, for whom it matters why.
    async fn try_run<T, F>(
        &self,
        commands: impl FnOnce(redis::aio::MultiplexedConnection) -> F + Send,
    ) -> Result<T, LinkError>
    where
        F: Future<Output = redis::RedisResult<T>> + Send,
    {
        let result = self.link.run(commands).await;
        if let Err(error) = &result {
            tracing::debug!(error = %error, "a command to the shared cache failed");
            // Behind the next connection may be another server.
            if error.is_broken() {
                self.distrust("a connection broke");
            } else if self.link.is_failing() {
                self.distrust("commands failed in a row");
            }
        }
        result
    }
}

impl Eras {
    /// Part of the names of a namespace's answers.
    fn of(&self, namespace: Namespace) -> String {
        let name = |name: &str| self.names.get(name).map_or("0", String::as_str);
        format!("{}.{}", name("everything"), name(namespace.as_str()))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn seed() -> u64 {
    rand::random_range(0..SEED_BOUND)
}
