//! The level that processes share: answers, generations and bumps in Redis.
//!
//! It is trusted while it answers in time *and* the changes of other processes are heard. Else this process lives by
//! its memory alone, keeps what it owes the others, and pays before it trusts Redis again.

mod backplane;
mod keeper;
mod learned;
mod link;
mod message;
mod names;
mod owed;
mod peers;
mod seal;
mod sequence;
mod value;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use fairlead_domain::cache::{CacheKey, Loaded, Namespace, Policy, SharedState, Tag};
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::identity::TenantId;
use redis::{RedisError, Script};
use tokio::sync::Notify;

use crate::cache::Inner;
use crate::generations::TagHash;
use crate::settings::SharedSettings;
use link::{Link, LinkError};
use message::Message;
use names::{Names, parse_position, position_text};
use owed::{Owed, OwedCounter};
use seal::Sealer;
use sequence::Sequence;
use value::Wrapping;

/// Counters live longer than any answer by this.
const MARGIN: Duration = Duration::from_mins(5);
/// Larger answers are kept in memory alone.
const LARGEST_BYTES: usize = 4 << 20;
/// Below this, compressing is quicker than handing it to another thread.
const COMPRESS_INLINE_BYTES: usize = 64 << 10;
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
    is_trusted: AtomicBool,
    /// Grows whenever changes may have gone unheard.
    epoch: AtomicU64,
    /// Invariant: `is_trusted` becomes true under this lock alone, and only when nothing is owed.
    owed: Mutex<Owed>,
    sequence: Sequence,
    eras: Mutex<Eras>,
    /// Wakes the keeper: trust was lost, or something was sent.
    wake: Notify,
    is_subscribed: AtomicBool,
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
}

/// Part of the answers' names: a new one begins when everything, or everything of one kind, is dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Eras {
    /// By namespace, and one for everything.
    names: HashMap<String, String>,
    /// Loads must see at least this: it bounds commits whose bumps were too many to be told one by one.
    floor: Option<LogPosition>,
}

/// What a process asks when it does not have an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) tenant: TenantId,
    pub(crate) key: &'a CacheKey,
    pub(crate) tags: &'a [Tag],
    pub(crate) policy: Policy,
}

/// What the shared level says to a question.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) state: State,
    /// Of the tags, before any load that follows.
    pub(crate) generations: Box<str>,
    pub(crate) fence: Fence,
    pub(crate) lease: Option<Lease>,
}

#[derive(Debug)]
pub(crate) enum State {
    /// What the process has is still valid.
    Same,
    Kept {
        loaded: Loaded,
        /// How long its load took.
        cost: Duration,
        /// Until it is stale; zero when it is.
        fresh_for: Duration,
    },
    Missing,
}

/// What a load must see for the sake of bumps that the shared level knows of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fence {
    Open,
    At(LogPosition),
    /// Nobody knows: all there is. `is_settled` when a load may bound it.
    Unknown {
        is_settled: bool,
    },
}

/// Leave to load an answer, which others wait for.
#[derive(Debug)]
pub(crate) struct Lease(String);

impl Shared {
    /// Fails if the URL is malformed; connections are made later, and again whenever they break.
    pub(crate) fn new(settings: &SharedSettings, policies: &[Policy]) -> Result<Self, RedisError> {
        let longest = policies.iter().map(|policy| policy.ttl + policy.stale).max();
        Ok(Self {
            link: Link::new(settings)?,
            names: Names::new(&settings.prefix),
            scripts: Scripts {
                open: Script::new(include_str!("scripts/open.lua")),
                store: Script::new(include_str!("scripts/store.lua")),
                bump: Script::new(include_str!("scripts/bump.lua")),
            },
            sealer: settings.encryption_key.as_ref().map(Sealer::new).map(Arc::new),
            node: rand::random(),
            counter_life: longest.unwrap_or_default() + MARGIN,
            is_trusted: AtomicBool::new(false),
            epoch: AtomicU64::new(1),
            owed: Mutex::default(),
            sequence: Sequence::default(),
            eras: Mutex::default(),
            wake: Notify::new(),
            is_subscribed: AtomicBool::new(false),
            counts: SharedCounts::default(),
            settings: settings.clone(),
        })
    }

    /// Begins to listen and to look after the link, for as long as `cache` lives.
    pub(crate) fn start(cache: &Arc<Inner>) {
        let weak: Weak<Inner> = Arc::downgrade(cache);
        fairlead_telemetry::spawn(backplane::listen(Weak::clone(&weak)));
        fairlead_telemetry::spawn(keeper::keep(weak));
    }

    pub(crate) fn is_trusted(&self) -> bool {
        self.is_trusted.load(Ordering::Acquire)
    }

    /// How long to wait for what another process loads.
    pub(crate) fn lease_wait(&self) -> Duration {
        self.settings.lease_wait
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Leaves Redis alone until the keeper has found it well.
    fn distrust(&self, why: &str) {
        if self.is_trusted.swap(false, Ordering::AcqRel) {
            self.counts.outages.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(cause = why, "the shared cache is left alone; memory serves");
            self.wake.notify_one();
        }
    }

    /// Changes may have gone unheard: what is in memory is verified before it is served again.
    fn suspect_memory(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// Asks for an answer, and for leave to load it if it is missing. `known` are the generations of what the process
    /// has. `None` while Redis is away.
    pub(crate) async fn open(&self, question: Question<'_>, known: &str) -> Option<Opened> {
        if !self.is_trusted() {
            return None;
        }
        let asker = format!("{:x}", rand::random::<u64>());
        let mut call = self.scripts.open.prepare_invoke();
        self.keys_of(question).iter().for_each(|key| {
            call.key(key);
        });
        call.arg(&asker)
            .arg(millis(self.settings.lease))
            .arg(millis(self.counter_life))
            .arg(seed())
            .arg(known)
            .arg(millis(question.policy.stale));
        let answer: (String, String, String, i64, Bytes, u8) = self.invoke(&call).await?;
        let (state, generations, fence, left, value, leased) = answer;
        let state = match state.as_str() {
            "same" => State::Same,
            "kept" => self.read(question, value, left),
            _ => State::Missing,
        };
        Some(Opened {
            state,
            generations: generations.into(),
            fence: parse_fence(&fence),
            lease: (leased == 1).then_some(Lease(asker)),
        })
    }

    /// What cannot be read, such as answers of another release, is as good as missing.
    fn read(&self, question: Question<'_>, value: Bytes, left_millis: i64) -> State {
        match value::decode(question.tenant, question.key, value, self.sealer.as_deref()) {
            Ok((loaded, cost)) => {
                let left = Duration::from_millis(u64::try_from(left_millis).unwrap_or(0));
                State::Kept {
                    loaded,
                    cost,
                    fresh_for: left.saturating_sub(question.policy.stale),
                }
            }
            Err(_) => State::Missing,
        }
    }

    /// Keeps what was loaded under `opened`, for `fresh_for` and its time of staleness, unless a tag was bumped since.
    pub(crate) async fn store(
        &self,
        question: Question<'_>,
        opened: &Opened,
        loaded: &Loaded,
        cost: Duration,
        fresh_for: Duration,
    ) {
        if !self.is_trusted() || loaded.body.len() > LARGEST_BYTES {
            return;
        }
        let Some(value) = self.wrap(question, loaded, cost).await else {
            return;
        };
        let is_bound =
            opened.fence == Fence::Unknown { is_settled: true } && loaded.as_of != LogPosition::UNKNOWN;
        let mut call = self.scripts.store.prepare_invoke();
        self.keys_of(question).iter().for_each(|key| {
            call.key(key);
        });
        call.arg(opened.lease.as_ref().map_or("", |Lease(asker)| asker))
            .arg(&*opened.generations)
            .arg(value)
            .arg(millis(fresh_for + question.policy.stale))
            .arg(millis(self.counter_life))
            .arg(if is_bound {
                position_text(loaded.as_of)
            } else {
                String::new()
            });
        if let Some(is_kept) = self.invoke::<bool>(&call).await {
            let counter = if is_kept {
                &self.counts.writes
            } else {
                &self.counts.refused_writes
            };
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// `None`: it is to be encrypted, and there is no key.
    async fn wrap(&self, question: Question<'_>, loaded: &Loaded, cost: Duration) -> Option<Vec<u8>> {
        let Question {
            tenant, key, policy, ..
        } = question;
        if policy.encrypt && self.sealer.is_none() {
            return None;
        }
        let seal = self.sealer.as_deref().filter(|_| policy.encrypt);
        let compress = policy.compress.then_some(self.settings.compression_level);
        if loaded.body.len() < COMPRESS_INLINE_BYTES || compress.is_none() {
            let wrapping = Wrapping { compress, seal };
            return Some(value::encode(tenant, key, loaded, cost, wrapping));
        }
        let (key, loaded, sealer) = (key.clone(), loaded.clone(), self.sealer.clone());
        fairlead_telemetry::spawn_blocking(move || {
            let seal = sealer.as_deref().filter(|_| policy.encrypt);
            value::encode(tenant, &key, &loaded, cost, Wrapping { compress, seal })
        })
        .await
        .ok()
    }

    /// Lets others load what was not loaded here after all.
    pub(crate) async fn give_back(&self, question: Question<'_>, lease: Lease) {
        let Lease(asker) = lease;
        let name = self.names.lease(question.tenant, question.key);
        // Only its own: a lease that has run out may be another's by now.
        let held = self.run(|mut connection| {
            let name = name.clone();
            async move {
                redis::cmd("GET")
                    .arg(name)
                    .query_async::<Option<String>>(&mut connection)
                    .await
            }
        });
        if held.await.flatten().as_ref() == Some(&asker) {
            self.run(|mut connection| async move {
                redis::cmd("DEL")
                    .arg(name)
                    .query_async::<()>(&mut connection)
                    .await
            })
            .await;
        }
    }

    /// Tells Redis and all processes what has changed. What cannot be told now is owed.
    ///
    /// `position`: of the commit, unknown if nobody knows it; `None` when there was no commit.
    pub(crate) async fn bump(
        &self,
        tenant: TenantId,
        counters: Vec<OwedCounter>,
        position: Option<LogPosition>,
    ) {
        {
            let mut owed = self.owed();
            if !self.is_trusted() {
                owed.add(tenant, counters, position);
                return;
            }
        }
        if self.tell(tenant, &counters, position, IsOwed::No).await.is_err() {
            self.owed().add(tenant, counters, position);
            self.distrust("a change could not be told");
        }
        self.wake.notify_one();
    }

    async fn tell(
        &self,
        tenant: TenantId,
        counters: &[OwedCounter],
        position: Option<LogPosition>,
        is_owed: IsOwed,
    ) -> Result<(), LinkError> {
        let number = self.sequence.next();
        let position = match position {
            None => String::new(),
            Some(LogPosition::UNKNOWN) => "?".to_owned(),
            Some(position) => position_text(position),
        };
        let hashes = counters.iter().map(|counter| counter.hash).collect();
        let message = Message::bump(self.node, number.value, tenant, hashes, position.clone());
        let mut call = self.scripts.bump.prepare_invoke();
        call.key(self.names.last_write(tenant));
        for counter in counters {
            call.key(&counter.name);
        }
        call.arg(position)
            .arg(millis(self.counter_life))
            .arg(seed())
            .arg(self.names.channel())
            .arg(message.to_text())
            .arg(u8::from(is_owed == IsOwed::Yes));
        let call = &call;
        self.link
            .run(|mut connection| async move { call.invoke_async::<u64>(&mut connection).await })
            .await
            .map(drop)
    }

    pub(crate) fn counter(&self, tenant: TenantId, tag: Tag) -> OwedCounter {
        OwedCounter {
            name: self.names.counter(tenant, tag),
            hash: TagHash::of(tenant, tag).0,
        }
    }

    pub(crate) fn namespace_counter(&self, tenant: TenantId, namespace: Namespace) -> OwedCounter {
        OwedCounter {
            name: self.names.namespace_counter(tenant, namespace.as_str()),
            hash: TagHash::of_namespace(tenant, namespace).0,
        }
    }

    /// Drops one answer, here and everywhere. While Redis is away all of its namespace is owed to be dropped: there is
    /// no counter for one.
    pub(crate) async fn drop_answer(&self, tenant: TenantId, key: &CacheKey) {
        let name = {
            let era = self.eras().of(key.namespace());
            self.names.answer(tenant, key, &era)
        };
        let dropped = self.run(|mut connection| async move {
            redis::cmd("UNLINK")
                .arg(name)
                .query_async::<()>(&mut connection)
                .await
        });
        let counter = if self.is_trusted() && dropped.await.is_some() {
            OwedCounter {
                name: self.names.mark(tenant, key),
                hash: TagHash::of_key(tenant, key).0,
            }
        } else {
            self.namespace_counter(tenant, key.namespace())
        };
        self.bump(tenant, vec![counter], None).await;
    }

    /// Drops a namespace, or everything, of all tenants. While Redis is away everything is owed to be dropped.
    pub(crate) async fn begin_era(&self, inner: &Arc<Inner>, name: &str) {
        if !self.is_trusted() || keeper::begin_era(inner, name, None).await.is_err() {
            self.owed().owe_everything(LogPosition::UNKNOWN);
            self.distrust("an era could not be begun");
        }
    }

    /// What lies in Redis under a key, for people to look at.
    pub(crate) async fn inspect(&self, tenant: TenantId, key: &CacheKey) -> SharedState {
        if !self.is_trusted() {
            return SharedState::Away;
        }
        let name = {
            let era = self.eras().of(key.namespace());
            self.names.answer(tenant, key, &era)
        };
        let looked = self.run(|mut connection| async move {
            redis::pipe()
                .cmd("HGET")
                .arg(&name)
                .arg("g")
                .cmd("HSTRLEN")
                .arg(&name)
                .arg("v")
                .cmd("PTTL")
                .arg(&name)
                .query_async::<(Option<String>, usize, i64)>(&mut connection)
                .await
        });
        match looked.await {
            None => SharedState::Away,
            Some((None, ..)) => SharedState::Missing,
            Some((Some(generations), size_bytes, left)) => SharedState::Kept {
                size_bytes,
                gone_in: Duration::from_millis(u64::try_from(left).unwrap_or(0)),
                generations,
            },
        }
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

    fn keys_of(&self, question: Question<'_>) -> Vec<String> {
        let Question {
            tenant, key, tags, ..
        } = question;
        let era = self.eras().of(key.namespace());
        let mut keys = vec![
            self.names.answer(tenant, key, &era),
            self.names.lease(tenant, key),
            self.names.last_write(tenant),
        ];
        keys.extend(self.names.counters(tenant, key, tags));
        keys
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
        match self.link.run(commands).await {
            Ok(value) => Some(value),
            Err(error) => {
                tracing::debug!(error = %error, "a command to the shared cache failed");
                if self.link.is_failing() {
                    self.distrust("commands failed in a row");
                }
                None
            }
        }
    }
}

/// Whether a bump is told long after its commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum IsOwed {
    Yes,
    No,
}

impl Eras {
    /// Part of the names of a namespace's answers.
    fn of(&self, namespace: Namespace) -> String {
        let name = |name: &str| self.names.get(name).map_or("0", String::as_str);
        format!("{}.{}", name("everything"), name(namespace.as_str()))
    }
}

fn parse_fence(text: &str) -> Fence {
    match text {
        "" => Fence::Open,
        "u0" => Fence::Unknown { is_settled: false },
        "u1" => Fence::Unknown { is_settled: true },
        text => parse_position(text).map_or(Fence::Unknown { is_settled: false }, Fence::At),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn seed() -> u64 {
    rand::random_range(0..SEED_BOUND)
}
