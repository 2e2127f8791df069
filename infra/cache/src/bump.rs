//! What a commit changed is bumped.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use fairlead_domain::cache::{Tag, tags_of};
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::events::Recorded;
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::CommitListener;

use crate::TieredCache;
use crate::cache::Inner;
use crate::generations::TagHash;

/// A commit that touches more than this is taken to have touched the whole tenant: the work per commit is bounded.
const MOST_TAGS: usize = 128;

#[async_trait]
impl CommitListener for TieredCache {
    /// Invalidates what a commit changed. When this returns, nobody in this process is given what was loaded before.
    async fn committed(&self, tenant: TenantId, recorded: &[Recorded], position: LogPosition) {
        self.inner.bump(tenant, &touched(recorded), position).await;
    }
}

impl Inner {
    /// Invalidates what depends on `tags`; what is loaded next sees `position`, or all there is when that is unknown.
    pub(crate) async fn bump(&self, tenant: TenantId, tags: &[Tag], position: LogPosition) {
        if position == LogPosition::UNKNOWN {
            self.forget_floor();
        }
        let hashes = tags.iter().map(|tag| TagHash::of(tenant, *tag));
        self.generations.bump(hashes, position);
        for tag in tags {
            self.meters.note_bump(*tag);
        }
        if let Some(account) = self.memory.accounts().find(tenant) {
            account.meter.bumps.fetch_add(1, Ordering::Relaxed);
        }
        self.generations.settle(tenant, position);
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
    let mut seen = std::collections::HashSet::with_capacity(tags.len());
    tags.retain(|tag| seen.insert(*tag));
    if tags.len() > MOST_TAGS || tags.contains(&Tag::Whole) {
        return vec![Tag::Whole];
    }
    tags
}
