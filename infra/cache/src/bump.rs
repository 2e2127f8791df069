//! What a commit changed is bumped.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Instant;

use async_trait::async_trait;
use fairlead_domain::cache::{Changes, Tag, tags_of};
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::events::Recorded;
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::CommitListener;

use crate::TieredCache;
use crate::cache::Inner;
use crate::generations::TagHash;
use crate::meters::Operation;

/// A commit that touches more than this is taken to have touched the whole tenant: the work per commit is bounded.
const MOST_TAGS: usize = 128;

#[async_trait]
impl CommitListener for TieredCache {
    /// Invalidates what a commit changed. When this returns, nobody in this process is given what was loaded before;
    /// and nobody in any other once its message has arrived there: within milliseconds, unless Redis is away.
    async fn committed(&self, tenant: TenantId, recorded: &[Recorded], position: LogPosition) {
        self.inner.bump(tenant, &touched(recorded), Some(position)).await;
    }
}

impl Changes for TieredCache {
    fn mark(&self, tenant: TenantId, tag: Tag) -> u64 {
        let mark = |tag| u64::from(self.inner.generations.mark(TagHash::of(tenant, tag)));
        // Some changes are told to have touched all of the tenant.
        mark(Tag::Whole) << 32 | mark(tag)
    }
}

impl Inner {
    /// Invalidates what depends on `tags`, here and in all processes.
    ///
    /// `position` is that of the commit, unknown if nobody knows it: what is loaded next sees it, or all there is.
    /// `None` when there was no commit.
    pub(crate) async fn bump(&self, tenant: TenantId, tags: &[Tag], position: Option<LogPosition>) {
        let began = Instant::now();
        let hashes = || tags.iter().map(|tag| TagHash::of(tenant, *tag));
        self.bump_here(tenant, hashes(), position);
        for tag in tags {
            self.meters.note_bump(*tag);
        }
        self.note_bump(tenant);
        if let Some(shared) = &self.shared {
            let counters = tags.iter().map(|tag| shared.counter(tenant, *tag));
            shared.bump(tenant, counters.collect(), position).await;
            // Until Redis had heard of it, it vouched for what was there before, and that may be in memory now.
            self.bump_here(tenant, hashes(), position);
        }
        if let Some(position) = position {
            self.heard.note_told(tenant, position);
        }
        // Else its own message comes back, after all that was told before it. While Redis is away it does not: then
        // others may have committed before, unheard.
        if let Some(position) = position.filter(|_| self.shared.is_none()) {
            self.generations.settle(tenant, position);
        }
        self.meters.note_time(Operation::Bump, began.elapsed());
    }

    /// Counts a change of a tenant that has something here.
    pub(crate) fn note_bump(&self, tenant: TenantId) {
        if let Some(account) = self.memory.accounts().find(tenant) {
            account.meter.bumps.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Invalidates what depends on `tags` of a tenant in this process alone.
    pub(crate) fn bump_here(
        &self,
        tenant: TenantId,
        tags: impl IntoIterator<Item = TagHash>,
        position: Option<LogPosition>,
    ) {
        if position == Some(LogPosition::UNKNOWN) {
            self.forget_floor_of(tenant);
        }
        self.generations
            .bump(tags, position.unwrap_or(LogPosition::UNKNOWN));
    }
}

/// The tags of all that was recorded, each once.
fn touched(recorded: &[Recorded]) -> Vec<Tag> {
    let mut tags = Vec::new();
    for recorded in recorded {
        tags_of(recorded, &mut tags);
        if tags.len() > 4 * MOST_TAGS {
            return vec![Tag::Whole];
        }
    }
    distinct(tags)
}

/// Each tag once; the whole tenant instead of too many.
pub(crate) fn distinct(mut tags: Vec<Tag>) -> Vec<Tag> {
    let mut seen = HashSet::with_capacity(tags.len());
    tags.retain(|tag| seen.insert(*tag));
    if tags.len() > MOST_TAGS || tags.contains(&Tag::Whole) {
        return vec![Tag::Whole];
    }
    tags
}
