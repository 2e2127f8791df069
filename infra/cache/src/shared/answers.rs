//! Answers in Redis: asked for, kept, looked at.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use fairlead_domain::cache::{CacheKey, Loaded, Policy, Tag};
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::identity::TenantId;

use super::names::{parse_position, position_text};
use super::value::{self, Wrapping};
use super::{Shared, millis, seed};

/// Larger answers are kept in memory alone.
const LARGEST_BYTES: usize = 4 << 20;
/// Below this, compressing is quicker than handing it to another thread.
const COMPRESS_INLINE_BYTES: usize = 64 << 10;

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
    /// The answer's, among others: as they were then. In an era that began meanwhile nobody finds what is kept there.
    names: Vec<String>,
}

#[derive(Debug)]
pub(crate) enum State {
    /// What the process has is still valid.
    Same,
    Kept {
        loaded: Loaded,
        /// How long its load took.
        cost: Duration,
        /// For how long it was kept from its load on, its time of staleness included, and how much of that is left.
        life: Duration,
        left: Duration,
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
    /// Asks for an answer, and for leave to load it if it is missing. `known` are the generations of what the process
    /// has. `None` while Redis is away.
    pub(crate) async fn open(&self, question: Question<'_>, known: &str) -> Option<Opened> {
        if !self.is_trusted() {
            return None;
        }
        let asker = format!("{:x}", rand::random::<u64>());
        let names = self.keys_of(question);
        let mut call = self.scripts.open.prepare_invoke();
        for name in &names {
            call.key(name);
        }
        call.arg(&asker)
            .arg(millis(self.settings.lease))
            .arg(millis(self.counter_life))
            .arg(seed())
            .arg(known)
            .arg(millis(question.policy.stale))
            .arg(millis(self.load_life))
            .arg(millis(self.sight_lag))
            .arg(millis(question.policy.ttl + question.policy.stale));
        let answer: (String, String, String, u64, u64, Bytes, u8) = self.invoke(&call).await?;
        let (state, generations, fence, life, left, value, leased) = answer;
        let state = match state.as_str() {
            "same" => State::Same,
            "kept" => self.read(question, value, life, left),
            _ => State::Missing,
        };
        Some(Opened {
            state,
            generations: generations.into(),
            fence: parse_fence(&fence),
            lease: (leased == 1).then_some(Lease(asker)),
            names,
        })
    }

    /// What cannot be read, such as answers of another release, is as good as missing.
    fn read(&self, question: Question<'_>, value: Bytes, life_millis: u64, left_millis: u64) -> State {
        match value::decode(question.tenant, question.key, value, self.sealer.as_deref()) {
            Ok((loaded, cost)) => State::Kept {
                loaded,
                cost,
                life: Duration::from_millis(life_millis),
                left: Duration::from_millis(left_millis),
            },
            Err(_) => State::Missing,
        }
    }

    /// Whether an answer may lie in the shared level.
    pub(crate) fn takes(&self, loaded: &Loaded, policy: Policy) -> bool {
        loaded.body.len() <= LARGEST_BYTES && (self.sealer.is_some() || !policy.encrypt)
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
        if !self.is_trusted() {
            return;
        }
        let Some(value) = self.wrap(question, loaded, cost).await else {
            return;
        };
        let is_bound =
            opened.fence == Fence::Unknown { is_settled: true } && loaded.as_of != LogPosition::UNKNOWN;
        let mut call = self.scripts.store.prepare_invoke();
        for name in &opened.names {
            call.key(name);
        }
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

    /// `None`: this process is about to end.
    async fn wrap(&self, question: Question<'_>, loaded: &Loaded, cost: Duration) -> Option<Vec<u8>> {
        let Question {
            tenant, key, policy, ..
        } = question;
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
}

fn parse_fence(text: &str) -> Fence {
    match text {
        "" => Fence::Open,
        "u0" => Fence::Unknown { is_settled: false },
        "u1" => Fence::Unknown { is_settled: true },
        text => parse_position(text).map_or(Fence::Unknown { is_settled: false }, Fence::At),
    }
}
