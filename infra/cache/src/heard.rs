//! Commits that nobody has told of: the log of events knows them.
//!
//! Who commits tells of it, and everybody knows within milliseconds. Not so when there is no shared level, when it is
//! out of reach of who commits, and when a process ends between its commit and its word. So each process follows the
//! log, and what it finds there that it has neither made nor heard of it bumps in its own name, for the others, too.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fairlead_domain::cache::{Tag, tags_of_event};
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::events::{Event, EventObserver, Stretch};
use fairlead_domain::identity::TenantId;

use crate::TieredCache;
use crate::bump::distinct;
use crate::cache::Inner;
use crate::generations::TagHash;

/// Whoever commits has told of it by then, if ever. A commit that is bumped twice costs each answer a load.
const TOLD_WITHIN: Duration = Duration::from_millis(250);
/// Commits that are remembered to be told of. Each is looked up once, when the log brings it.
const REMEMBERED: usize = 1 << 16;

/// Transactions whose events may stand between each other's; of one more some events look like a commit of their own,
/// and are bumped once too often.
const AT_ONCE: usize = 128;

/// A commit, by the mark of its position.
type Mark = (TenantId, NonZeroU32);

/// Which commits this process knows of, and which it has found in the log that it does not.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    told: Mutex<Told>,
    untold: Mutex<Untold>,
    followed: Mutex<Followed>,
}

/// How this process follows the log.
#[derive(Clone, Copy, Debug, Default)]
enum Followed {
    #[default]
    NotYet,
    Since {
        since: Instant,
        /// When there was nothing more: not while a transaction holds the log up, or many wait to be read.
        flowed: Instant,
    },
    /// A failover may have lost transactions that were read, and gives their numbers away anew: until the log is followed
    /// anew, what is recorded by them is passed over.
    Unsure,
}

#[derive(Debug, Default)]
struct Told {
    marks: HashSet<Mark>,
    by_age: VecDeque<Mark>,
}

/// Commits from the log, the oldest first.
#[derive(Debug, Default)]
struct Untold {
    commits: VecDeque<Commit>,
    /// The transactions read last, of which there may be more to come, and their marks: those that recorded at the same
    /// time stand between each other.
    latest: VecDeque<(u32, NonZeroU32)>,
}

#[derive(Debug)]
struct Commit {
    mark: Mark,
    tags: Vec<Tag>,
    /// Behind the commit.
    position: LogPosition,
    found: Instant,
    /// Up to when all that the log has was found before it.
    behind: Option<Instant>,
}

impl Heard {
    /// Takes note that the tags of a commit are bumped here.
    pub(crate) fn note_told(&self, tenant: TenantId, position: LogPosition) {
        let Some(mark) = NonZeroU32::new(position.mark) else {
            return;
        };
        let mut told = lock(&self.told);
        if told.marks.insert((tenant, mark)) {
            told.by_age.push_back((tenant, mark));
        }
        if told.by_age.len() > REMEMBERED
            && let Some(oldest) = told.by_age.pop_front()
        {
            told.marks.remove(&oldest);
        }
    }

    fn is_told(&self, mark: Mark) -> bool {
        lock(&self.told).marks.contains(&mark)
    }

    /// Whether the log was followed without a gap since `from`, and was read to its end after `until`: what was committed
    /// between these, and longer ago than anybody takes to tell of it, was found there.
    pub(crate) fn has_followed(&self, from: Instant, until: Instant) -> bool {
        let followed = *lock(&self.followed);
        match followed {
            Followed::Since { since, flowed } => since <= from && flowed >= until && self.is_bumped(until),
            Followed::NotYet | Followed::Unsure => false,
        }
    }

    /// Whether all that was found is bumped that may have been committed before a moment: others are left some time to tell
    /// of it themselves.
    fn is_bumped(&self, until: Instant) -> bool {
        let untold = lock(&self.untold);
        let mut waiting = untold.commits.iter().filter(|commit| self.is_due(commit));
        waiting.all(|commit| commit.behind.is_some_and(|behind| behind >= until))
    }

    fn is_due(&self, commit: &Commit) -> bool {
        !commit.tags.is_empty() && !self.is_told(commit.mark)
    }

    fn flowed(&self) -> Option<Instant> {
        match *lock(&self.followed) {
            Followed::Since { flowed, .. } => Some(flowed),
            Followed::NotYet | Followed::Unsure => None,
        }
    }

    /// Takes note of a failover.
    pub(crate) fn note_new_timeline(&self) {
        *lock(&self.followed) = Followed::Unsure;
    }

    /// Forgets what was found, all of which is bumped: the log is followed from here on.
    fn begin_anew(&self) {
        lock(&self.untold).clear();
        *lock(&self.followed) = Followed::NotYet;
    }

    fn note_followed(&self, stretch: &Stretch, now: Instant) {
        if let followed @ Followed::NotYet = &mut *lock(&self.followed) {
            *followed = Followed::Since {
                since: now,
                flowed: stretch.asked,
            };
        }
        // What was committed while it was on its way may not be in it.
        if !stretch.is_held && !stretch.is_full {
            self.note_flowed(stretch.asked);
        }
    }

    /// Takes note that there was nothing more until a moment.
    fn note_flowed(&self, until: Instant) {
        if let Followed::Since { flowed, .. } = &mut *lock(&self.followed) {
            *flowed = until.max(*flowed);
        }
    }

    /// Takes in what the log has brought.
    fn find(&self, stretch: &Stretch, now: Instant) {
        let behind = self.flowed();
        let mut untold = lock(&self.untold);
        for (event, transaction) in stretch.events.iter().zip(&stretch.transactions) {
            let mark = (event.tenant, untold.mark_of(event, *transaction));
            if self.is_told(mark) {
                continue;
            }
            let last = untold.commits.back_mut().filter(|last| last.mark == mark);
            if let Some(commit) = last {
                tags_of_event(event, &mut commit.tags);
                continue;
            }
            let mut tags = Vec::new();
            tags_of_event(event, &mut tags);
            untold.commits.push_back(Commit {
                mark,
                tags,
                position: stretch.as_of,
                found: now,
                behind,
            });
        }
    }

    /// Takes out what was found long enough ago, and is still not told: a tenant's commits together. Each is bumped here
    /// before it is out, so that nobody takes it for bumped too early.
    fn due(
        &self,
        now: Instant,
        bump_here: impl Fn(TenantId, &[Tag], LogPosition),
    ) -> BTreeMap<TenantId, (Vec<Tag>, LogPosition)> {
        let mut untold = lock(&self.untold);
        let young = |commit: &Commit| now.saturating_duration_since(commit.found) < TOLD_WITHIN;
        let old = untold.commits.iter().position(young);
        let old = old.unwrap_or(untold.commits.len());
        let mut due = BTreeMap::new();
        for commit in untold.commits.drain(..old) {
            if !self.is_due(&commit) {
                continue;
            }
            let (tenant, mark) = commit.mark;
            let (tags, position) = due.entry(tenant).or_insert((Vec::new(), LogPosition::UNKNOWN));
            tags.extend(commit.tags);
            *position = commit.position.of_commit(mark);
        }
        for (tenant, (tags, position)) in &due {
            bump_here(*tenant, tags, *position);
        }
        due
    }
}

impl Untold {
    fn clear(&mut self) {
        self.commits.clear();
        self.latest.clear();
    }

    /// The mark of a commit is that of its first event.
    fn mark_of(&mut self, event: &Event, transaction: u32) -> NonZeroU32 {
        let known = self.latest.iter().rev().find(|(known, _)| *known == transaction);
        if let Some((_, mark)) = known {
            return *mark;
        }
        let mark = LogPosition::mark_of(event.id);
        if self.latest.len() == AT_ONCE {
            self.latest.pop_front();
        }
        self.latest.push_back((transaction, mark));
        mark
    }
}

fn lock<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl EventObserver for TieredCache {
    fn observe(&self, stretch: &Stretch) {
        self.inner.observe(stretch, Instant::now());
    }

    fn observe_nothing(&self, until: Instant) {
        self.inner.heard.note_flowed(until);
        self.inner.tell_untold(Instant::now());
    }

    fn observe_anew(&self) {
        self.inner.observe_anew();
    }
}

impl Inner {
    /// Drops what is kept here: it may depend on what the log has and was not given. Others, who follow the log as well, do
    /// so themselves.
    fn observe_anew(&self) {
        self.take_floor(Some(LogPosition::UNKNOWN));
        self.heard.begin_anew();
        // Invariant: last. Whose load began before may not have seen what was passed over.
        self.generations.bump_everything();
    }

    pub(crate) fn observe(self: &Arc<Self>, stretch: &Stretch, now: Instant) {
        self.heard.find(stretch, now);
        self.heard.note_followed(stretch, now);
        self.tell_untold(now);
    }

    /// Bumps what was found long enough ago, and nobody has told of.
    fn tell_untold(self: &Arc<Self>, now: Instant) {
        let due = self.heard.due(now, |tenant, tags, position| {
            let tags = tags.iter().map(|tag| TagHash::of(tenant, *tag));
            self.bump_here(tenant, tags, Some(position));
        });
        if due.is_empty() {
            return;
        }
        tracing::debug!(
            tenants = due.len(),
            "changes were found in the log that nobody had told of"
        );
        let inner = Arc::clone(self);
        fairlead_telemetry::spawn(async move {
            for (tenant, (tags, position)) in due {
                inner.bump(tenant, &distinct(tags), Some(position)).await;
                inner.observe_write(tenant, position);
            }
        });
    }
}
