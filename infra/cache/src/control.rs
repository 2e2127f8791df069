//! The operators' side.

use async_trait::async_trait;
use fairlead_domain::cache::{
    CacheControl, CacheKey, CacheReport, Explanation, Invalidate, KeptInMemory, Reason, SharedState, Tag,
    TenantReport,
};
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::identity::TenantId;
use std::sync::Arc;
use std::time::Instant;

use crate::TieredCache;
use crate::cache::Inner;
use crate::generations::TagHash;
use crate::memory::{Held, MemoryKeyRef, Verdict};
use crate::report;
use crate::shared::Question;

#[async_trait]
impl CacheControl for TieredCache {
    async fn invalidate(&self, what: Invalidate) {
        let inner = Arc::clone(&self.inner);
        // Done to its end although the operator may go away: half told is not told.
        let done = fairlead_telemetry::spawn(async move { inner.invalidate(what).await });
        done.await.ok();
    }

    async fn explain(&self, tenant: TenantId, key: &CacheKey, tags: &[Tag]) -> Explanation {
        let inner = &self.inner;
        let held = inner.memory.get(tenant, key);
        Explanation {
            memory: held.map(|held| inner.explain(&held)),
            shared: match &inner.shared {
                None => SharedState::Absent,
                Some(shared) => {
                    let question = Question {
                        tenant,
                        key,
                        tags,
                        policy: inner.policy(key.namespace()),
                    };
                    shared.inspect(question).await
                }
            },
            is_loading: inner.flights.is_under_way(MemoryKeyRef { tenant, key }),
        }
    }

    fn report(&self) -> CacheReport {
        report::of_cache(&self.inner)
    }

    fn report_of(&self, tenant: TenantId) -> Option<TenantReport> {
        let account = self.inner.memory.accounts().find(tenant)?;
        Some(report::of_account(&account))
    }
}

/// What was dropped from memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    pub answers: u64,
    pub bytes: u64,
}

impl TieredCache {
    /// Drops from memory the answers that would not be served again because what they tell of has changed.
    pub fn shrink(&self) -> Dropped {
        self.drop_by(Inner::drop_changed)
    }

    /// Drops all answers from memory. What processes share stays.
    pub fn empty_memory(&self) -> Dropped {
        self.drop_by(|inner| {
            inner.memory.remove_if(|_| true);
            inner.memory.settle();
        })
    }

    fn drop_by(&self, drop_them: impl FnOnce(&Inner)) -> Dropped {
        let memory = &self.inner.memory;
        memory.settle();
        let (answers, bytes) = (memory.entries(), memory.used_bytes());
        drop_them(&self.inner);
        Dropped {
            answers: answers.saturating_sub(memory.entries()),
            bytes: bytes.saturating_sub(memory.used_bytes()),
        }
    }
}

impl Inner {
    /// Nothing is searched: what has become invalid leaves memory when its place is needed, or its time is over.
    ///
    /// What was changed past us, on the primary, is not yet everywhere: what is loaded next sees at least where the log
    /// ends now.
    async fn invalidate(self: &Arc<Self>, what: Invalidate) {
        let end = self.log_end().await;
        match what {
            Invalidate::Tag(tenant, tag) => self.invalidate_tag(tenant, tag, end).await,
            Invalidate::Tenant(tenant) => self.invalidate_tag(tenant, Tag::Whole, end).await,
            Invalidate::Key(tenant, key) => {
                self.bump_here(tenant, [TagHash::of_key(tenant, &key)], end);
                if let Some(shared) = &self.shared {
                    shared.drop_answer(tenant, &key, end).await;
                    self.bump_here(tenant, [TagHash::of_key(tenant, &key)], end);
                }
                self.memory.remove(tenant, &key);
            }
            Invalidate::Namespace(Some(tenant), namespace) => {
                self.bump_here(tenant, [TagHash::of_namespace(tenant, namespace)], end);
                if let Some(shared) = &self.shared {
                    let counter = shared.namespace_counter(tenant, namespace);
                    shared.bump(tenant, vec![counter], end).await;
                    self.bump_here(tenant, [TagHash::of_namespace(tenant, namespace)], end);
                }
            }
            Invalidate::Namespace(None, namespace) => self.begin_era(namespace.as_str(), end).await,
            Invalidate::Everything => self.begin_era("everything", end).await,
        }
    }

    async fn invalidate_tag(&self, tenant: TenantId, tag: Tag, end: Option<LogPosition>) {
        self.bump(tenant, &[tag], end).await;
        // Nor is what is not kept read from before.
        if let Some(end) = end.filter(|end| *end != LogPosition::UNKNOWN) {
            self.observe_write(tenant, end);
        }
    }

    async fn begin_era(self: &Arc<Self>, name: &str, end: Option<LogPosition>) {
        self.take_floor(end);
        self.generations.bump_everything();
        if let Some(shared) = &self.shared {
            shared.begin_era(self, name, end).await;
        }
    }

    fn explain(&self, held: &Held) -> KeptInMemory {
        let now = Instant::now();
        KeptInMemory {
            verdict: match self.verdict(held, now) {
                Verdict::Fresh => Reason::Valid,
                Verdict::Expired => Reason::Expired,
                Verdict::Suspect => Reason::Suspect,
                Verdict::Invalid => Reason::Invalidated,
            },
            age: held.age(now),
            fresh_for: held.fresh_left(now),
            size_bytes: held.weight() as usize,
            hits: held.hits(),
            load_time: held.cost(),
            as_of: held.entry().as_of(),
            entity_tag: held.entry().entity_tag().into(),
            tags: held.tag_names(),
            generations: self.generations.compare(held.snapshot()),
        }
    }
}
