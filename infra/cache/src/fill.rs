//! What happens behind a miss: the shared level is asked, else the answer is loaded, and kept in both.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use fairlead_domain::cache::{Entry, Found, Freshness, LoadFailure, Loaded, Loader, Source, Tag};
use fairlead_domain::consistency::{Consistency, LogPosition};
use fairlead_domain::store::StoreError;
use fairlead_telemetry::request::Place;
use fairlead_telemetry::{request, spawn};
use tokio::time::{sleep, timeout};

use crate::cache::{Inner, in_memory, jittered};
use crate::flights::Flight;
use crate::memory::{Held, Life, NewHeld, Pool};
use crate::meters::Operation;
use crate::shared::{Fence, Opened, Question, Shared, State};

/// Before all epochs of a shared level, and the only one without.
const NO_EPOCH: u64 = 0;
/// A database that is well ends a load in time by itself.
const GRACE: Duration = Duration::from_secs(1);
/// How often a process looks whether the one that loads has brought the answer.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Starts a load that goes on when those who wait for it give up, and when the time of who asked first is over: what it
/// costs is put down to that request, but it answers all who join. Until it is over, what that request takes up is not
/// given back, though its client may have gone: the database works all the same.
pub(crate) fn start(inner: Arc<Inner>, flight: Arc<Flight>, tags: Box<[Tag]>, loader: Arc<dyn Loader>) {
    let deadline = Instant::now() + inner.settings.load_limit;
    // However it ends, those who wait are told, and the next one may take off.
    let listed = Listed { inner, flight };
    let request = request::current();
    let place = request.as_ref().and_then(|request| request.hold());
    let work = async move {
        let fill = Fill {
            inner: &listed.inner,
            flight: &listed.flight,
            tags: &tags,
        };
        fill.run(&*loader, place).await;
    };
    match request {
        Some(request) => spawn(request::scope(request.part(deadline), work)),
        None => spawn(work),
    };
}

/// A flight on the list; dropping it takes it off.
struct Listed {
    inner: Arc<Inner>,
    flight: Arc<Flight>,
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.inner.flights.remove(&self.flight);
        self.flight.give_up();
    }
}

/// One flight, from its start to its landing.
struct Fill<'a> {
    inner: &'a Arc<Inner>,
    flight: &'a Arc<Flight>,
    tags: &'a [Tag],
}

impl Fill<'_> {
    /// Gives `place` back once nothing is asked of the database any more.
    async fn run(&self, loader: &dyn Loader, place: Option<Arc<Place>>) {
        let Some(shared) = &self.inner.shared else {
            let landing = self.load(None, loader).await;
            drop(place);
            self.land(landing.map(|landing| landing.found));
            return;
        };
        let opened = match self.ask(shared).await {
            Asked::Answered(found) => return self.land(Ok(found)),
            // Whoever waits has it now; what follows brings the next one.
            Asked::Stale(found, opened) => {
                self.flight.land(Ok(found));
                Some(opened)
            }
            Asked::Load(opened) => opened,
        };
        let mut is_gone = false;
        let landing = self.load(opened.as_ref(), loader).await;
        drop(place);
        match landing {
            Ok(Landing { found, keeps }) => {
                self.land(Ok(found));
                // What is known here to have changed meanwhile need not be offered.
                let is_valid = self.inner.generations.holds(&self.flight.snapshot);
                let policy = self.question().policy;
                let offered = keeps.filter(|keeps| is_valid && shared.takes(&keeps.answer, policy));
                if let (Some(opened), Some(keeps)) = (&opened, offered) {
                    self.offer(shared, opened, &keeps).await;
                    return;
                }
            }
            Err(failure) => {
                is_gone = failure.is_definite();
                self.land(Err(failure));
            }
        }
        let Some(opened) = opened else { return };
        if is_gone {
            shared.forget(self.flight.key.tenant, &self.flight.key.key).await;
        }
        if let Some(lease) = opened.lease {
            shared.give_back(self.question(), lease).await;
        }
    }

    /// Keeps an answer in the shared level, and gives the lease back with it.
    async fn offer(&self, shared: &Shared, opened: &Opened, keeps: &Keeps) {
        let began = Instant::now();
        let Keeps {
            answer,
            cost,
            fresh_for,
        } = keeps;
        shared
            .store(self.question(), opened, answer, *cost, *fresh_for)
            .await;
        self.inner
            .meters
            .note_time(Operation::SharedWrite, began.elapsed());
    }

    /// Tells those who wait. The next one who asks finds the answer in memory, or takes off anew.
    fn land(&self, landing: Result<Found, LoadFailure>) {
        if landing.as_ref().is_err_and(LoadFailure::is_definite) {
            let key = &self.flight.key;
            self.inner.memory.remove(key.tenant, &key.key);
        }
        self.flight.land(landing);
        self.inner.flights.remove(self.flight);
    }

    fn question(&self) -> Question<'_> {
        let key = &self.flight.key;
        Question {
            tenant: key.tenant,
            key: &key.key,
            tags: self.tags,
            policy: self.inner.policy(key.key.namespace()),
        }
    }

    /// Asks the shared level; waits for a moment while another process loads the answer.
    async fn ask(&self, shared: &Shared) -> Asked {
        let give_up = Instant::now() + shared.lease_wait();
        loop {
            let held = self
                .inner
                .memory
                .get(self.flight.key.tenant, &self.flight.key.key);
            let held = held.filter(|held| self.inner.generations.holds(held.snapshot()));
            let proof = held.as_ref().and_then(|held| held.proof());
            let is_over = held.as_ref().is_some_and(|held| held.is_over(Instant::now()));
            let known = proof.filter(|_| !is_over).unwrap_or_default();

            let began = Instant::now();
            let Some(mut opened) = shared.open(self.question(), known).await else {
                return Asked::Load(None);
            };
            self.inner
                .meters
                .note_time(Operation::SharedRead, began.elapsed());
            // Nothing has changed though something may have gone unheard.
            if let Some(held) = held.as_ref().filter(|_| proof == Some(&*opened.generations)) {
                held.vouch(self.flight.epoch);
            }
            match std::mem::replace(&mut opened.state, State::Missing) {
                State::Same => {
                    return match held.filter(|held| self.is_new_enough(held.entry().as_of())) {
                        Some(held) => Asked::Answered(in_memory(&held, Freshness::Fresh)),
                        None => Asked::Load(Some(opened)),
                    };
                }
                State::Kept {
                    loaded,
                    cost,
                    life,
                    left,
                } if self.is_new_enough(loaded.as_of) => {
                    let found = self.take_over(&opened, loaded, cost, self.rest_of_life(life, left));
                    if found.freshness == Freshness::Fresh || opened.lease.is_none() {
                        return Asked::Answered(found);
                    }
                    return Asked::Stale(found, opened);
                }
                State::Kept { .. } => return Asked::Load(Some(opened)),
                State::Missing if opened.lease.is_some() || Instant::now() >= give_up => {
                    return Asked::Load(Some(opened));
                }
                State::Missing => sleep(LOOK_AGAIN).await,
            }
        }
    }

    /// Whether what the shared level vouches for is as new as those who wait ask. It may have been kept by who does not
    /// know of a new timeline yet.
    fn is_new_enough(&self, as_of: LogPosition) -> bool {
        let tenant = self.flight.key.tenant;
        self.inner.is_of_timeline(as_of) && self.inner.is_new_enough(tenant, as_of, self.flight.consistency)
    }

    /// What is left of an answer's life that was loaded elsewhere: it goes on from there, it does not begin again.
    fn rest_of_life(&self, whole: Duration, left: Duration) -> Life {
        let now = Instant::now();
        Life {
            // May lie before the machine's start.
            loaded_at: now.checked_sub(whole.saturating_sub(left)).unwrap_or(now),
            ..self.life(whole.saturating_sub(self.question().policy.stale))
        }
    }

    /// Takes an answer over from the shared level.
    fn take_over(&self, opened: &Opened, loaded: Loaded, cost: Duration, life: Life) -> Found {
        let entry = Arc::new(Entry::new(loaded));
        self.keep(&entry, Some(opened), life, cost);
        let age = life.loaded_at.elapsed();
        Found {
            entry,
            source: Source::Shared,
            freshness: if age < life.fresh {
                Freshness::Fresh
            } else {
                Freshness::Stale
            },
            age,
        }
    }

    async fn load(&self, opened: Option<&Opened>, loader: &dyn Loader) -> Result<Landing, LoadFailure> {
        let tenant = self.flight.key.tenant;
        let ground = self
            .inner
            .required(tenant, self.flight.consistency, &self.flight.snapshot);
        let required = ground.consistency;
        let required = match opened.map(|opened| opened.fence) {
            None | Some(Fence::Open) => required,
            Some(Fence::At(position)) => self.inner.required_of_others(required, position),
            Some(Fence::Unknown { .. }) => Consistency::Strong,
        };
        let began = Instant::now();
        let asked = self.flight.consistency;
        let answer = match self.read(loader, required).await {
            // Only the cache wants the primary, because nobody knows what was written last, and the primary is gone. A
            // replica has what the caller asks for; whether it has all else nobody can tell, so it is not kept.
            Err(failure)
                if failure.is_outage() && required == Consistency::Strong && asked != Consistency::Strong =>
            {
                let answer = self.read(loader, asked).await.map_err(|_| failure)?;
                return Ok(Landing {
                    found: fresh(Arc::new(Entry::new(answer))),
                    keeps: None,
                });
            }
            answer => answer?,
        };
        let cost = began.elapsed();
        self.inner.note_seen(tenant, ground, answer.as_of);
        if !self.inner.is_of_timeline(answer.as_of) {
            return Ok(Landing {
                found: fresh(Arc::new(Entry::new(answer))),
                keeps: None,
            });
        }

        let entry = Arc::new(Entry::new(answer.clone()));
        let fresh_for = jittered(self.question().policy.ttl);
        self.keep(&entry, opened, self.life(fresh_for), cost);
        Ok(Landing {
            found: fresh(entry),
            keeps: Some(Keeps {
                answer,
                cost,
                fresh_for,
            }),
        })
    }

    async fn read(&self, loader: &dyn Loader, required: Consistency) -> Result<Loaded, LoadFailure> {
        let began = Instant::now();
        let limit = self.inner.settings.load_limit + GRACE;
        let answer = timeout(limit, loader.load(required)).await;
        let answer = answer.unwrap_or_else(|_| Err(StoreError::TimedOut.into()));
        self.inner.meters.note_time(Operation::Load, began.elapsed());
        self.inner.note_database(&answer);
        answer
    }

    fn life(&self, fresh: Duration) -> Life {
        Life {
            loaded_at: Instant::now(),
            fresh,
            stale: self.question().policy.stale,
            outage: self.inner.settings.outage.database_away,
        }
    }

    /// Keeps an answer in memory, unless something it depends on changed meanwhile.
    fn keep(&self, entry: &Arc<Entry>, opened: Option<&Opened>, life: Life, cost: Duration) {
        let inner = self.inner;
        let key = &self.flight.key;
        let account = inner.memory.account(key.tenant);
        if !inner.generations.holds(&self.flight.snapshot) {
            inner.meters.refused_fills.fetch_add(1, Ordering::Relaxed);
            account.meter.refused.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let held = NewHeld {
            key: Arc::clone(key),
            entry: Arc::clone(entry),
            tags: self.tags.into(),
            snapshot: self.flight.snapshot.clone(),
            proof: opened.map(|opened| opened.generations.clone()),
            // What was loaded without asking the shared level is not trusted once that is back.
            epoch: if opened.is_some() {
                self.flight.epoch
            } else {
                NO_EPOCH
            },
            life,
            cost,
            account: Arc::clone(&account),
            ledger: self.flight.ledger.get().cloned(),
            compressed_from: inner.settings.memory.compressed_from,
        };
        let pool = inner.memory.insert(Held::from(held));
        if pool.is_some() {
            account.meter.kept.fetch_add(1, Ordering::Relaxed);
        }
        if pool == Some(Pool::Common) {
            inner.sweep();
        }
    }
}

/// What a load has brought.
struct Landing {
    found: Found,
    /// What may be kept of it.
    keeps: Option<Keeps>,
}

struct Keeps {
    answer: Loaded,
    cost: Duration,
    fresh_for: Duration,
}

/// What the shared level said.
enum Asked {
    Answered(Found),
    /// Its time is over, and this process may load it anew.
    Stale(Found, Opened),
    Load(Option<Opened>),
}

pub(crate) fn fresh(entry: Arc<Entry>) -> Found {
    Found {
        entry,
        source: Source::Loader,
        freshness: Freshness::Fresh,
        age: Duration::ZERO,
    }
}
