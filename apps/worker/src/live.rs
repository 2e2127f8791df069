//! Tells those who follow a tenant's events of them, in this process.
//!
//! While anybody follows, one task reads the log of all tenants as it grows, whether this process leads or not, and
//! passes each event on to those of its tenant that hear. Nothing waits for who is slow: each tenant has a [`Ring`] of
//! what some have yet to take, and who falls further behind is told so and finds the rest in the log. So memory is
//! bounded, for a tenant and for all, and nobody's slowness is another's. Where there is an observer the same task reads
//! always, if not as often.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::fmt;
use std::iter::Peekable;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::events::{
    Event, EventCursor, EventObserver, FollowError, Followed, Heard, LiveEvents, LiveLog, Stretch,
};
use fairlead_domain::identity::TenantId;
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};

use crate::backoff::Backoff;
use crate::feed::STRETCH;
use crate::looks::{APART, LOOK_EVERY, Looks};
use crate::ring::{self, Hearer, Ring};
use crate::signal::Waiter;

/// What the events of all tenants that wait for who is slow may take. When it is more, those of the tenants with the
/// most go, until half of it is left.
const MOST_BYTES: usize = 64 << 20;
/// Events that are told at a time, and what they may take: a bulk of thousands would overrun the ring of everybody,
/// however fast.
const PART: usize = ring::MOST_EVENTS / 2;
const PART_BYTES: usize = ring::MOST_BYTES / 2;
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
    /// What waits in the rings of all tenants.
    waiting_bytes: Arc<AtomicUsize>,
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

impl Told {
    /// How far those who follow have been told.
    fn place(&self) -> EventCursor {
        self.place
            .expect("the task does not stop telling while there is a follower")
    }
}

struct Followers {
    count: usize,
    ring: Arc<Ring>,
}

impl Live {
    pub fn new(limits: FollowLimits) -> Self {
        Self(Arc::new(Shared {
            limits,
            told: Mutex::default(),
            waiting_bytes: Arc::default(),
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
        for followers in told.tenants.values() {
            followers.ring.close();
        }
    }

    /// How many follow.
    pub(crate) fn followers(&self) -> usize {
        self.told().followers
    }

    /// What the events take that wait for who is slow, with what clients are shown of them.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.0.waiting_bytes.load(Ordering::Relaxed)
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
            ring: Arc::new(Ring::new(Arc::clone(&self.0.waiting_bytes))),
        });
        if followers.count >= limits.of_tenant {
            return Err(FollowError::TooManyOfTenant(limits.of_tenant));
        }
        followers.count += 1;
        let ring = Arc::clone(&followers.ring);
        told.followers += 1;
        drop(told);
        Ok(Follower {
            ring,
            hearer: None,
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

    /// Goes on from a place of another server. Who follows is at places that it has not come to, and finds that out in the
    /// log.
    fn begin_anew(&self, place: EventCursor) {
        let mut told = self.told();
        if told.place.is_some() {
            told.place = Some(place);
        }
        for followers in told.tenants.values() {
            followers.ring.miss();
        }
    }

    /// Passes events on, with a moment for those who take them as they come. Returns whether anybody still follows.
    async fn tell(&self, events: Vec<Event>) -> bool {
        let mut events = events.into_iter().peekable();
        loop {
            if !self.tell_part(&mut events) {
                return false;
            }
            if events.peek().is_none() {
                return true;
            }
            sleep(BETWEEN_PARTS).await;
        }
    }

    fn tell_part(&self, events: &mut Peekable<impl Iterator<Item = Event>>) -> bool {
        let mut told = self.told();
        if told.followers == 0 {
            told.place = None;
            return false;
        }
        let (mut count, mut bytes) = (0, 0);
        while let Some(event) = events.next_if(|next| {
            count += 1;
            bytes += ring::bytes_of(next);
            count == 1 || (count <= PART && bytes <= PART_BYTES)
        }) {
            told.place = Some(event.cursor);
            if let Some(followers) = told.tenants.get(&event.tenant) {
                followers.ring.tell(event);
                if self.waiting_bytes() > MOST_BYTES {
                    self.drop_largest(&told);
                }
            }
        }
        true
    }

    /// Half of the bound at once: the tenants are gone through once for many events, however many they are.
    fn drop_largest(&self, told: &Told) {
        let rings = told.tenants.values().map(|followers| &followers.ring);
        let mut rings: Vec<_> = rings.map(|ring| (ring.bytes(), ring)).collect();
        rings.sort_unstable_by_key(|(bytes, _)| Reverse(*bytes));
        for (_, ring) in rings {
            if self.waiting_bytes() <= MOST_BYTES / 2 {
                return;
            }
            ring.clear();
        }
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
    ring: Arc<Ring>,
    /// `None`: it does not hear what comes.
    hearer: Option<Hearer>,
    closing: watch::Receiver<bool>,
    live: Live,
    tenant: TenantId,
}

#[async_trait]
impl LiveEvents for Follower {
    fn hear(&mut self) -> EventCursor {
        // While nothing is told: so all behind this place is heard, and nothing from before it.
        let told = self.live.told();
        self.hearer = Some(self.ring.hear());
        told.place()
    }

    fn rest(&mut self) {
        self.hearer = None;
    }

    async fn next(&mut self) -> Heard {
        if self.is_closing() {
            return Heard::Closing;
        }
        if let Some(hearer) = &mut self.hearer {
            return hearer.next().await;
        }
        self.closing().await;
        Heard::Closing
    }

    fn try_next(&mut self) -> Option<Heard> {
        if self.is_closing() {
            return Some(Heard::Closing);
        }
        self.hearer.as_mut()?.try_next()
    }

    fn place(&self) -> EventCursor {
        self.live.told().place()
    }

    fn waiting(&self) -> usize {
        self.hearer.as_ref().map_or(0, Hearer::waiting)
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

/// The history of the server that the log is read from. A replica that takes over begins another, in which numbers of
/// transactions that it had not come to are given anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Timeline {
    #[default]
    Unknown,
    Known(u32),
    /// It is another's from now on, of which nothing was read yet.
    Left,
}

impl Timeline {
    fn is_another(self, stretch: &Stretch) -> bool {
        let of_stretch = stretch.as_of.timeline;
        matches!(self, Self::Known(known) if of_stretch != 0 && of_stretch != known)
    }

    fn note(&mut self, stretch: &Stretch) {
        if stretch.as_of.timeline != 0 {
            *self = Self::Known(stretch.as_of.timeline);
        } else if *self == Self::Left {
            *self = Self::Unknown;
        }
    }
}

/// Returns when nobody follows any more, nor observes.
async fn tell_from(mut place: EventCursor, worker: &crate::Shared, waiter: &mut Waiter) {
    let mut looks = Looks::default();
    let mut failures = 0;
    let mut timeline = Timeline::default();
    loop {
        let written = worker.log.written();
        match worker.log.read(place, STRETCH).await {
            Ok(stretch) if stretch.is_ahead || timeline.is_another(&stretch) => {
                tracing::warn!(
                    is_ahead = stretch.is_ahead,
                    "another server has taken over the log of events, and may not have come as far as was told of it; \
                     those who follow look again"
                );
                looks.note_more();
                let Some(end) = end(worker).await else {
                    continue;
                };
                place = end;
                timeline = Timeline::Left;
                worker.live.begin_anew(place);
            }
            Ok(stretch) => {
                failures = 0;
                if let Some(Observing { observer, .. }) = &worker.observing {
                    // Behind the end that it goes on from, so that all up to there was committed before.
                    if timeline == Timeline::Left {
                        observer.observe_anew();
                    }
                    observer.observe(&stretch);
                }
                timeline.note(&stretch);
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
            waiter.woken_within(pause, APART).await
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

#[cfg(test)]
mod tests {
    use fairlead_domain::Id;
    use uuid::Uuid;

    use super::*;
    use crate::ring::tests::event_of;

    fn follower(live: &Live, tenant: TenantId) -> Follower {
        let mut follower = live.join(tenant).expect("there is room");
        follower.hear();
        follower
    }

    #[tokio::test]
    async fn what_waits_for_all_tenants_is_bounded_and_those_with_the_most_miss_some() {
        let live = Live::new(FollowLimits {
            all: 1000,
            of_tenant: 1,
        });
        live.begin(EventCursor::START);
        let tenants: Vec<TenantId> = (1..=100)
            .map(|number| Id::from_uuid(Uuid::from_u128(number)))
            .collect();
        let mut followers: Vec<Follower> = tenants.iter().map(|tenant| follower(&live, *tenant)).collect();
        let quiet = Id::from_uuid(Uuid::from_u128(1000));
        let mut of_quiet = follower(&live, quiet);
        assert!(live.tell(vec![event_of(quiet, 1, 10)]).await);

        let mut most = 0;
        for position in 2..40 {
            let events = tenants.iter().map(|tenant| event_of(*tenant, position, 40_000));
            assert!(live.tell(events.collect()).await);
            most = most.max(live.waiting_bytes());
        }

        assert!(
            (MOST_BYTES / 2..=MOST_BYTES).contains(&most),
            "{most} bytes waited"
        );
        assert!(matches!(of_quiet.next().await, Heard::Event(_)));
        let missed = |follower: &mut Follower| matches!(follower.try_next(), Some(Heard::Missed));
        let have_missed = followers.iter_mut().map(missed).filter(|missed| *missed).count();
        assert!(have_missed >= 50, "{have_missed} of 100");
        drop((followers, of_quiet));
        assert_eq!(live.waiting_bytes(), 0);
    }

    #[tokio::test]
    async fn who_follows_looks_into_the_log_again_when_that_is_of_another_server() {
        let live = Live::new(FollowLimits { all: 1, of_tenant: 1 });
        live.begin(EventCursor {
            xid: 900,
            position: 9,
        });
        let tenant = Id::from_uuid(Uuid::from_u128(1));
        let mut follower = follower(&live, tenant);

        live.begin_anew(EventCursor::START);

        assert!(matches!(follower.next().await, Heard::Missed));
        assert_eq!(follower.hear(), EventCursor::START);
        assert!(live.tell(vec![event_of(tenant, 1, 10)]).await);
        assert!(matches!(follower.next().await, Heard::Event(_)));
        assert!(follower.try_next().is_none());
        assert_eq!(live.waiting_bytes(), 0);
    }
}
