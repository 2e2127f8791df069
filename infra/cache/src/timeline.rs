//! A replica that is promoted begins a new timeline of the log, and what it did not have is lost: commits that were
//! answered, read and kept. So everything is dropped once, here and in the shared level.
//!
//! What is kept from then on was read on the new timeline, where everybody has all that is left of the older ones. So a
//! token of an older one asks for nothing more than to be read there.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use fairlead_domain::consistency::LogPosition;
use fairlead_domain::store::TimelineObserver;

use crate::TieredCache;
use crate::cache::Inner;
use crate::floor::Floors;

impl TimelineObserver for TieredCache {
    fn note_timeline(&self, timeline: u32) {
        self.inner.note_timeline(timeline);
    }
}

impl Inner {
    /// That of the primary, as far as is known here; 0 while nobody has told.
    pub(crate) fn timeline(&self) -> u32 {
        self.timeline.load(Ordering::Acquire)
    }

    fn note_timeline(self: &Arc<Self>, timeline: u32) {
        if self.timeline() == timeline || !self.begin_timeline(timeline) {
            return;
        }
        if self.shared.is_some() {
            let inner = Arc::clone(self);
            fairlead_telemetry::spawn(async move {
                if let Some(shared) = &inner.shared {
                    shared.announce_timeline(&inner).await;
                }
            });
        }
    }

    /// Drops what is kept of another timeline; `false` when somebody has done so.
    fn begin_timeline(&self, timeline: u32) -> bool {
        let mut floors = self.floors();
        let before = self.timeline();
        if before == timeline {
            return false;
        }
        if before != 0 {
            tracing::warn!(
                before,
                timeline,
                "the database has begun a new timeline: what is kept is dropped"
            );
            self.heard.note_new_timeline();
        }
        *floors = Floors::default();
        self.generations.bump_everything();
        // Invariant: last. Whose load began after this was known reads the new timeline.
        self.timeline.store(timeline, Ordering::Release);
        true
    }

    /// Whether what says that it has seen `as_of` was read on the timeline that is known here. Who looks at the primary
    /// may be the last to hear of another.
    pub(crate) fn is_of_timeline(&self, as_of: LogPosition) -> bool {
        let timeline = self.timeline();
        timeline == 0 || as_of.timeline == timeline
    }
}
