//! Tells those who follow a tenant's events of them, in this process.
//!
//! While anybody follows, one task reads the log of all tenants as it grows, whether this process leads or not, and
//! passes each event on to those of its tenant. Nothing waits for who is slow: each tenant has a ring of its latest
//! events, and who falls further behind is told so and finds the rest in the log. So memory is bounded, and nobody's
//! slowness is another's. Where there is an observer the same task reads always, if not as often.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::events::{
    Event, EventCursor, EventObserver, FollowError, Followed, Heard, LiveEvent, LiveEvents, LiveLog, Stretch,
};
use fairlead_domain::identity::TenantId;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::feed::STRETCH;
use crate::looks::{LOOK_EVERY, Looks};
use crate::signal::Waiter;

/// Events of a tenant that may wait for who is slow.
const RING: usize = 256;
/// Events that are told at a time: a bulk of thousands would overrun the ring of everybody, however fast.
const PART: usize = RING / 2;
const BETWEEN_PARTS: Duration = Duration::from_millis(1);
/// The task begins to read for the first who follows within a moment, unless the database is away.
const BEGIN_WITHIN: Duration = Duration::from_secs(5);
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    most: Duration::from_secs(2),
};

/// One who sees all events of all tenants, in this process.
#[derive(Clone, Debug)]
pub struct Observing {
    pub observer: Arc<dyn EventObserver>,
    /// All events behind it are wanted.
    pub from: EventCursor,
}

/// How many may follow at once.
#[derive(Clone, Copy, Debug)]
pub struct FollowLimits {
    pub all: usize,
    pub of_tenant: usize,
}

/// Those who follow, and how far they have been told. Its clones are the same one.
#[derive(Clone)]
pub struct Live(Arc<Shared>);

struct Shared {
    limits: FollowLimits,
    told: Mutex<Told>,
    reached: Mutex<Option<EventCursor>>,
    /// There is somebody to tell.
    wanted: Notify,
    /// Goes up when the task begins to tell.
    begun: watch::Sender<u64>,
    closing: watch::Sender<bool>,
}

#[derive(Default)]
struct Told {
    followers: usize,
    tenants: HashMap<TenantId, Followers>,
    /// All up to here is told; `None` while nobody is.
    place: Option<EventCursor>,
    /// Nobody is told anything any more.
    is_closed: bool,
}

struct Followers {
    count: usize,
    events: broadcast::Sender<Arc<LiveEvent>>,
}

impl Live {
    pub fn new(limits: FollowLimits) -> Self {
        Self(Arc::new(Shared {
            limits,
            told: Mutex::default(),
            reached: Mutex::default(),
            wanted: Notify::new(),
            begun: watch::Sender::new(0),
            closing: watch::Sender::new(false),
        }))
    }

    /// Sends all who follow away; nobody may from now on.
    pub fn close(&self) {
        self.0.closing.send_replace(true);
        // Who waits for the next event hears that there is none, and need not wait for the news as well.
        let mut told = self.told();
        told.is_closed = true;
        told.tenants.clear();
    }

    /// How many follow.
    pub(crate) fn followers(&self) -> usize {
        self.told().followers
    }

    fn is_telling(&self) -> bool {
        self.told().place.is_some()
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self, tenant: TenantId) -> Result<Follower, FollowError> {
        let limits = self.0.limits;
        let mut told = self.told();
        if told.is_closed {
            return Err(FollowError::Closing);
        }
        if told.followers >= limits.all {
            return Err(FollowError::TooMany(limits.all));
        }
        let followers = told.tenants.entry(tenant).or_insert_with(|| Followers {
            count: 0,
            events: broadcast::channel(RING).0,
        });
        if followers.count >= limits.of_tenant {
            return Err(FollowError::TooManyOfTenant(limits.of_tenant));
        }
        followers.count += 1;
        let events = followers.events.subscribe();
        told.followers += 1;
        drop(told);
        Ok(Follower {
            events,
            closing: self.0.closing.subscribe(),
            live: self.clone(),
            tenant,
        })
    }

    fn leave(&self, tenant: TenantId) {
        let mut told = self.told();
        told.followers -= 1;
        if let Some(followers) = told.tenants.get_mut(&tenant) {
            followers.count -= 1;
            if followers.count == 0 {
                told.tenants.remove(&tenant);
            }
        }
    }

    /// All up to here was read, and told to all whom it concerns.
    fn reached(&self) -> Option<EventCursor> {
        *self.0.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_reached(&self, place: EventCursor) {
        *self.0.reached.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
    }

    fn begin(&self, place: EventCursor) {
        self.told().place = Some(place);
        self.0.begun.send_modify(|times| *times = times.wrapping_add(1));
    }

    /// Passes events on, with a moment for those who take them as they come. Returns whether anybody still follows.
    async fn tell(&self, events: Vec<Event>) -> bool {
        let mut parts = events.into_iter();
        loop {
            if !self.tell_part(parts.by_ref().take(PART)) {
                return false;
            }
            if parts.len() == 0 {
                return true;
            }
            sleep(BETWEEN_PARTS).await;
        }
    }

    fn tell_part(&self, events: impl Iterator<Item = Event>) -> bool {
        let mut told = self.told();
        if told.followers == 0 {
            told.place = None;
            return false;
        }
        for event in events {
            told.place = Some(event.cursor);
            if let Some(followers) = told.tenants.get(&event.tenant) {
                // There are some, or they leave just now.
                let _ = followers.events.send(Arc::new(LiveEvent {
                    event,
                    shown: OnceLock::new(),
                }));
            }
        }
        true
    }
}

#[async_trait]
impl LiveLog for Live {
    async fn follow(&self, tenant: TenantId) -> Result<Followed, FollowError> {
        let mut begun = self.0.begun.subscribe();
        let mut closing = self.0.closing.subscribe();
        let follower = self.join(tenant)?;
        loop {
            // The task does not stop telling while there is a follower, so this place holds for this one.
            let place = self.told().place;
            if let Some(from) = place {
                return Ok(Followed {
                    from,
                    events: Box::new(follower),
                });
            }
            self.0.wanted.notify_one();
            tokio::select! {
                _ = closing.wait_for(|is_closing| *is_closing) => return Err(FollowError::Closing),
                begins = timeout(BEGIN_WITHIN, begun.changed()) => match begins {
                    Ok(Ok(())) => {}
                    _ => return Err(FollowError::Unavailable),
                },
            }
        }
    }
}

/// One who follows.
struct Follower {
    events: broadcast::Receiver<Arc<LiveEvent>>,
    closing: watch::Receiver<bool>,
    live: Live,
    tenant: TenantId,
}

#[async_trait]
impl LiveEvents for Follower {
    async fn next(&mut self) -> Heard {
        if self.is_closing() {
            return Heard::Closing;
        }
        match self.events.recv().await {
            Ok(event) => Heard::Event(event),
            Err(RecvError::Lagged(_)) => Heard::Missed,
            Err(RecvError::Closed) => Heard::Closing,
        }
    }

    fn try_next(&mut self) -> Option<Heard> {
        if self.is_closing() {
            return Some(Heard::Closing);
        }
        match self.events.try_recv() {
            Ok(event) => Some(Heard::Event(event)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Lagged(_)) => Some(Heard::Missed),
            Err(TryRecvError::Closed) => Some(Heard::Closing),
        }
    }

    fn place(&self) -> EventCursor {
        let place = self.live.told().place;
        place.expect("the task does not stop telling while there is a follower")
    }

    fn waiting(&self) -> usize {
        self.events.len()
    }

    async fn closing(&self) {
        let mut closing = self.closing.clone();
        // The sender is kept for as long as there is a follower.
        let _ = closing.wait_for(|is_closing| *is_closing).await;
    }

    fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.live.leave(self.tenant);
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower")
            .field("tenant", &self.tenant)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("followers", &self.followers())
            .finish_non_exhaustive()
    }
}

/// Reads the log while anybody follows it, until the task is aborted.
pub(crate) async fn tell(worker: Arc<crate::Shared>) {
    let live = &worker.live;
    let mut waiter = worker.signal.waiter();
    // After a panic it goes on where it was: who follows must not miss what came between, nor be told of the past.
    let reached = live.reached();
    if let Some(Observing { from, .. }) = &worker.observing {
        tell_from(reached.unwrap_or(*from), &worker, &mut waiter).await;
    } else if let Some(reached) = reached.filter(|_| live.is_telling()) {
        tell_from(reached, &worker, &mut waiter).await;
    }
    loop {
        live.0.wanted.notified().await;
        let Some(place) = end(&worker).await else {
            continue;
        };
        live.note_reached(place);
        live.begin(place);
        tell_from(place, &worker, &mut waiter).await;
    }
}

/// Where the log ends, as soon as that can be read; `None` when nobody waits for it any more.
async fn end(worker: &crate::Shared) -> Option<EventCursor> {
    let mut failures = 0;
    loop {
        match worker.log.end().await {
            Ok(place) => return Some(place),
            Err(error) => {
                failures += 1;
                if failures == 1 {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "the end of the log of events cannot be read");
                }
                sleep(BACKOFF.after(failures)).await;
            }
        }
        if worker.live.followers() == 0 {
            return None;
        }
    }
}

/// Returns when nobody follows any more, nor observes.
async fn tell_from(mut place: EventCursor, worker: &crate::Shared, waiter: &mut Waiter) {
    let mut looks = Looks::default();
    let mut failures = 0;
    loop {
        let written = worker.log.written();
        match worker.log.read(place, STRETCH).await {
            Ok(stretch) => {
                failures = 0;
                if let Some(Observing { observer, .. }) = &worker.observing {
                    observer.observe(&stretch);
                }
                let Stretch {
                    events,
                    is_held,
                    is_quiet,
                    ..
                } = stretch;
                let found = events.len();
                let is_at_end = found < STRETCH as usize;
                if is_at_end && !is_held {
                    looks.note_all(written, is_quiet);
                } else {
                    looks.note_more();
                }
                place = events.last().map_or(place, |last| last.cursor);
                if worker.live.is_telling() {
                    if !worker.live.tell(events).await && worker.observing.is_none() {
                        return;
                    }
                } else if is_at_end && worker.live.followers() > 0 {
                    worker.live.begin(place);
                }
                worker.live.note_reached(place);
                if is_at_end {
                    let pause = looks.rest(is_held, found > 0);
                    rest(worker, waiter, &looks, pause).await;
                }
            }
            Err(error) => {
                failures += 1;
                looks.note_more();
                if failures == 1 {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "those who follow events wait for the database");
                }
                sleep(BACKOFF.after(failures)).await;
            }
        }
    }
}

/// Waits until there may be something to tell. Who only observes is in no hurry, and reads more at a time.
async fn rest(worker: &crate::Shared, waiter: &mut Waiter, looks: &Looks, pause: Duration) {
    loop {
        let is_woken = if worker.live.is_telling() {
            waiter.woken_within(pause).await
        } else {
            // Or until somebody wants to follow.
            timeout(LOOK_EVERY, worker.live.0.wanted.notified()).await.is_ok()
        };
        let nothing_until = looks.nothing_until(worker.log.written());
        let Some(moment) = nothing_until.filter(|_| !is_woken) else {
            return;
        };
        if let Some(Observing { observer, .. }) = &worker.observing {
            observer.observe_nothing(moment);
        }
    }
}
