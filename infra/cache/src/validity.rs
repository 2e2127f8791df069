//! Whether an answer may be served, and to whom.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use fairlead_domain::cache::{LoadFailure, Loaded};
use fairlead_domain::consistency::{Consistency, LogPosition};
use fairlead_domain::identity::TenantId;

use crate::cache::Inner;
use crate::flights::Flight;
use crate::memory::{Held, Verdict};
use crate::shared::Shared;

/// While the database is away, one request in this time finds out whether it is back.
const RETRY_DATABASE: Duration = Duration::from_secs(1);

/// What was committed before a moment was found in the log, and bumped, by whoever has read it to its end so long after.
const FOUND_WITHIN: Duration = Duration::from_secs(1);

impl Inner {
    pub(crate) fn verdict(&self, held: &Held, now: Instant) -> Verdict {
        let unheard_ttl = (!self.hears_changes()).then_some(self.settings.outage.unheard_ttl);
        held.verdict(now, &self.generations, self.epoch(), unheard_ttl)
    }

    /// Whether an answer that is valid by its tags is as new as `consistency` asks.
    ///
    /// It is when it was loaded from there on, or when the bumps of that commit have arrived: then it does not depend
    /// on what the commit changed.
    pub(crate) fn satisfies(&self, tenant: TenantId, held: &Held, consistency: Consistency) -> bool {
        self.is_new_enough(tenant, held.entry().as_of(), consistency)
    }

    pub(crate) fn is_new_enough(
        &self,
        tenant: TenantId,
        as_of: LogPosition,
        consistency: Consistency,
    ) -> bool {
        match consistency {
            Consistency::Eventual => true,
            Consistency::AtLeast(position) => {
                as_of.covers_what_is_left_of(position) || self.has_heard_up_to(tenant, position)
            }
            Consistency::Strong => false,
        }
    }

    /// Whether all that was committed in a tenant before a commit, and that commit, are known here.
    ///
    /// Messages come in order, so its own has come after all that was told before. Somebody who is cut off does not tell:
    /// what he may have committed the log of events brings, somewhat later.
    fn has_heard_up_to(&self, tenant: TenantId, commit: LogPosition) -> bool {
        let Some(settled) = self.generations.settled_at(tenant, commit) else {
            return false;
        };
        let are_all_there = self
            .shared
            .as_ref()
            .is_none_or(|shared| !shared.is_anybody_late());
        are_all_there || self.heard.has_followed(settled, settled + FOUND_WITHIN)
    }

    /// A load that began before a change must not answer who asks after it, nor one that began before it was noticed
    /// that changes may have gone unheard.
    pub(crate) fn may_join(&self, tenant: TenantId, flight: &Flight, consistency: Consistency) -> bool {
        let sees = match (consistency, flight.consistency) {
            (Consistency::Eventual, _) => true,
            (Consistency::AtLeast(wanted), Consistency::AtLeast(asked)) if asked.covers(wanted) => true,
            // What is still valid below began since the timeline is known.
            (Consistency::AtLeast(wanted), _) => {
                wanted.timeline < self.timeline() || self.has_heard_up_to(tenant, wanted)
            }
            (Consistency::Strong, _) => false,
        };
        sees && flight.epoch == self.epoch() && self.generations.holds(&flight.snapshot)
    }

    /// Whether an answer's time passed a moment ago at the most.
    pub(crate) fn has_just_expired(
        &self,
        tenant: TenantId,
        held: &Held,
        consistency: Consistency,
        now: Instant,
    ) -> bool {
        held.is_stale(now) && self.is_unchanged(tenant, held, consistency)
    }

    /// Whether an answer is better than nothing while the database is away.
    pub(crate) fn outlasts_outage(
        &self,
        tenant: TenantId,
        held: &Held,
        consistency: Consistency,
        now: Instant,
    ) -> bool {
        held.outlasts_outage(now) && self.is_unchanged(tenant, held, consistency)
    }

    /// Whether an answer is the latest, and as new as `consistency` asks. When changes may have gone unheard, nobody
    /// knows until the shared level has vouched for it.
    fn is_unchanged(&self, tenant: TenantId, held: &Held, consistency: Consistency) -> bool {
        self.generations.holds(held.snapshot())
            && self.hears_changes()
            && held.epoch() == self.epoch()
            && self.satisfies(tenant, held, consistency)
    }

    /// Whether an answer may be served because loading it anew has failed.
    pub(crate) fn may_stand_in(
        &self,
        tenant: TenantId,
        held: &Held,
        consistency: Consistency,
        failure: &LoadFailure,
    ) -> bool {
        let now = Instant::now();
        if failure.is_outage() {
            self.outlasts_outage(tenant, held, consistency, now)
        } else {
            !failure.is_definite() && self.has_just_expired(tenant, held, consistency, now)
        }
    }

    /// Whether the database was away a moment ago.
    pub(crate) fn is_database_away(&self, now: Instant) -> bool {
        let away = *self.away_until.lock().unwrap_or_else(PoisonError::into_inner);
        away.is_some_and(|until| now < until)
    }

    /// Takes note of whether the database was there.
    pub(crate) fn note_database(&self, answer: &Result<Loaded, LoadFailure>) {
        let is_away = answer.as_ref().is_err_and(LoadFailure::is_outage);
        *self.away_until.lock().unwrap_or_else(PoisonError::into_inner) =
            is_away.then(|| Instant::now() + RETRY_DATABASE);
    }

    /// Whether the changes of other processes reach this one now.
    pub(crate) fn hears_changes(&self) -> bool {
        self.shared.as_ref().is_none_or(Shared::is_trusted)
    }

    /// Grows whenever changes may have gone unheard.
    pub(crate) fn epoch(&self) -> u64 {
        self.shared.as_ref().map_or(0, Shared::epoch)
    }
}
