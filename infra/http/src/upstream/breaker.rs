use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use failsafe::{FailurePolicy, Instrument, StateMachine};
use fairlead_domain::clock::Clock;
use fairlead_domain::upstreams::{BreakerState, Hold, ProbeTurn};
use time::OffsetDateTime;

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct BreakerSettings {
    /// As many failures
    pub failures: usize,
    /// within this time open it,
    pub window: Duration,
    /// and after this time it is found out whether the service is back.
    pub recovery: Duration,
    /// A call that does so and has not ended by then is not waited for: the next one does.
    pub probe_timeout: Duration,
}

/// Says who may call a service: the state machine of `failsafe`, and what it leaves to others.
///
/// That lets everybody through while it is half open, has no state that can be read, and hears nothing of calls that
/// their caller gives up. So a probe has a permit here, which comes back or expires, and whose verdict alone counts
/// meanwhile; and its hooks, which it calls outside its own lock, are called under ours, in order.
#[derive(Debug)]
pub(super) struct Breaker {
    settings: BreakerSettings,
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug)]
struct Inner {
    machine: StateMachine<FailuresWithin, Watch>,
    hold: Option<Hold>,
    probe: Option<Probe>,
    probes: u64,
    turn: Turn,
}

/// Whose turn it is to probe, of the processes that share what they know.
#[derive(Clone, Copy, Debug)]
struct Turn {
    whose: ProbeTurn,
    heard: Instant,
    /// Whether a call would have been made were it ours, or is made where it is anybody's.
    is_awaited: bool,
}

/// Whoever hears no more of whose turn it is finds out for itself.
const TURN_COUNTS_FOR: Duration = Duration::from_secs(2);

/// The permit to find out whether the service is back.
#[derive(Clone, Copy, Debug)]
struct Probe {
    number: u64,
    expires: Instant,
}

/// What the machine tells us.
#[derive(Debug)]
struct Seen {
    state: BreakerState,
    since: OffsetDateTime,
    next_probe: Option<OffsetDateTime>,
    opened: u64,
    failures: VecDeque<Instant>,
    /// While the machine is told what another process has found out: for how long the service is not to be called.
    learned: Option<Duration>,
    /// Goes up with each change of the state, and when an operator closes it.
    epoch: u64,
}

/// How a breaker stands.
#[derive(Clone, Debug)]
pub(super) struct Standing {
    pub(super) state: BreakerState,
    pub(super) since: OffsetDateTime,
    pub(super) next_probe: Option<OffsetDateTime>,
    pub(super) awaits_turn: bool,
    pub(super) hold: Option<Hold>,
    pub(super) failures: usize,
    pub(super) opened: u64,
}

/// That a call may be made. Whoever drops it without a verdict has found out nothing.
#[derive(Debug)]
pub(super) struct Admission<'a> {
    breaker: &'a Breaker,
    epoch: u64,
    probe: Option<u64>,
}

impl Breaker {
    pub(super) fn new(name: &'static str, settings: BreakerSettings, clock: Arc<dyn Clock>) -> Self {
        let seen = Arc::new(Mutex::new(Seen {
            state: BreakerState::Closed,
            since: clock.now(),
            next_probe: None,
            opened: 0,
            failures: VecDeque::with_capacity(settings.failures),
            learned: None,
            epoch: 0,
        }));
        let policy = FailuresWithin {
            settings,
            seen: Arc::clone(&seen),
        };
        let watch = Watch {
            name,
            recovery: settings.recovery,
            clock: Arc::clone(&clock),
            seen: Arc::clone(&seen),
        };
        let machine = failsafe::Config::new()
            .failure_policy(policy)
            .instrument(watch)
            .build();
        let inner = Inner {
            machine,
            hold: None,
            probe: None,
            probes: 0,
            turn: Turn {
                whose: ProbeTurn::Anybodys,
                heard: Instant::now(),
                is_awaited: false,
            },
        };
        Self {
            settings,
            clock,
            inner: Mutex::new(inner),
            seen,
        }
    }

    /// Asks whether a call may be made; `None`: not now.
    pub(super) fn admit(&self) -> Option<Admission<'_>> {
        let mut inner = self.inner();
        if inner.hold.is_some() || !inner.machine.is_call_permitted() {
            return None;
        }
        let (state, epoch) = {
            let seen = lock(&self.seen);
            (seen.state, seen.epoch)
        };
        if state == BreakerState::Closed {
            return Some(Admission {
                breaker: self,
                epoch,
                probe: None,
            });
        }
        let now = Instant::now();
        if inner.is_probed(now) || !inner.may_probe(now) {
            return None;
        }
        inner.probes += 1;
        let number = inner.probes;
        inner.probe = Some(Probe {
            number,
            expires: now + self.settings.probe_timeout,
        });
        // Other processes leave it to this call from the next round on.
        if inner.turn.whose == ProbeTurn::Anybodys {
            inner.turn.is_awaited = true;
        }
        Some(Admission {
            breaker: self,
            epoch,
            probe: Some(number),
        })
    }

    /// Whether a call might be made now, for those who need not prepare one in vain.
    pub(super) fn admits(&self) -> bool {
        let mut inner = self.inner();
        let state = lock(&self.seen).state;
        let now = Instant::now();
        inner.hold.is_none()
            && match state {
                BreakerState::Closed => true,
                BreakerState::HalfOpen => !inner.is_probed(now) && inner.may_probe(now),
                BreakerState::Open => false,
            }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.standing().state == BreakerState::Closed
    }

    pub(super) fn hold(&self, hold: Hold) {
        self.inner().hold = Some(hold);
    }

    /// Ends whatever keeps it open.
    pub(super) fn close(&self) {
        let mut inner = self.inner();
        inner.hold = None;
        inner.probe = None;
        inner.machine.reset();
        // What is under way says nothing about the service from now on, also where it was not open.
        lock(&self.seen).epoch += 1;
    }

    /// Opens it for so long, because another process has found out that the service is not well.
    pub(super) fn learn_open(&self, left: Duration) {
        let mut inner = self.inner();
        if left.is_zero() || lock(&self.seen).state == BreakerState::Open {
            return;
        }
        inner.probe = None;
        lock(&self.seen).learned = Some(left);
        inner.machine.on_error();
        lock(&self.seen).learned = None;
    }

    /// Closes it, because another process has found out that the service is well. What an operator keeps open stays so.
    pub(super) fn learn_closed(&self) {
        let mut inner = self.inner();
        if lock(&self.seen).state != BreakerState::Closed {
            inner.probe = None;
            inner.machine.reset();
        }
    }

    /// Ends what an operator has begun, here or elsewhere, and nothing else.
    pub(super) fn let_go(&self) {
        self.inner().hold = None;
    }

    pub(super) fn give_turn(&self, whose: ProbeTurn) {
        self.inner().turn = Turn {
            whose,
            heard: Instant::now(),
            is_awaited: false,
        };
    }

    pub(super) fn standing(&self) -> Standing {
        let inner = self.inner();
        let seen = lock(&self.seen);
        let now = Instant::now();
        let is_recent = |failure: &&Instant| now.duration_since(**failure) < self.settings.window;
        let mut standing = Standing {
            state: seen.state,
            since: seen.since,
            next_probe: seen.next_probe,
            awaits_turn: inner.turn.is_awaited,
            hold: inner.hold.clone(),
            failures: seen.failures.iter().filter(is_recent).count(),
            opened: seen.opened,
        };
        if let Some(hold) = &standing.hold {
            standing.state = BreakerState::Open;
            standing.since = hold.since;
            standing.next_probe = hold.until;
        }
        standing
    }

    /// The state, without a hold that is over, and half open if it is time, whether anybody calls or not.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        let mut inner = lock(&self.inner);
        let is_over = |hold: &Hold| hold.until.is_some_and(|until| until <= self.clock.now());
        if inner.hold.as_ref().is_some_and(is_over) {
            inner.hold = None;
        }
        if inner.hold.is_none() {
            inner.machine.is_call_permitted();
        }
        inner
    }
}

impl Inner {
    /// Whether somebody is finding out whether the service is back.
    fn is_probed(&self, now: Instant) -> bool {
        self.probe.is_some_and(|probe| now < probe.expires)
    }

    /// Whether it is this process that finds out; if not, that it would is noted.
    fn may_probe(&mut self, now: Instant) -> bool {
        let turn = &mut self.turn;
        if turn.whose != ProbeTurn::Others || now.duration_since(turn.heard) >= TURN_COUNTS_FOR {
            return true;
        }
        turn.is_awaited = true;
        false
    }
}

impl Admission<'_> {
    pub(super) fn is_probe(&self) -> bool {
        self.probe.is_some()
    }

    /// Whether the call may still be made.
    pub(super) fn stands(&self) -> bool {
        self.counts().is_some_and(|inner| inner.hold.is_none())
    }

    /// The service is well.
    pub(super) fn succeed(self) {
        if let Some(inner) = self.counts() {
            inner.machine.on_success();
        }
    }

    /// The service is not well.
    pub(super) fn fail(self) {
        if let Some(inner) = self.counts() {
            inner.machine.on_error();
        }
    }

    /// A call from before the breaker opened or closed says nothing about the service as it is now, nor does a probe that
    /// expired.
    fn counts(&self) -> Option<MutexGuard<'_, Inner>> {
        let inner = self.breaker.inner();
        let is_of_now = lock(&self.breaker.seen).epoch == self.epoch;
        let is_latest = self.probe.is_none() || inner.probe.map(|probe| probe.number) == self.probe;
        (is_of_now && is_latest).then_some(inner)
    }
}

impl Drop for Admission<'_> {
    fn drop(&mut self) {
        if self.probe.is_some() {
            let mut inner = self.breaker.inner();
            if inner.probe.map(|probe| probe.number) == self.probe {
                inner.probe = None;
            }
        }
    }
}

/// So many failures within so much time, whatever else was well meanwhile.
#[derive(Debug)]
struct FailuresWithin {
    settings: BreakerSettings,
    seen: Arc<Mutex<Seen>>,
}

impl FailurePolicy for FailuresWithin {
    fn record_success(&mut self) {}

    fn mark_dead_on_failure(&mut self) -> Option<Duration> {
        let BreakerSettings {
            failures: allowed,
            window,
            recovery,
            ..
        } = self.settings;
        let now = Instant::now();
        let mut seen = lock(&self.seen);
        if seen.learned.is_some() {
            return seen.learned;
        }
        let is_probe = seen.state == BreakerState::HalfOpen;
        let failures = &mut seen.failures;
        failures.push_back(now);
        if failures.len() > allowed {
            failures.pop_front();
        }
        let is_recent = |failure: &Instant| now.duration_since(*failure) < window;
        let are_too_many = failures.len() == allowed && failures.iter().all(is_recent);
        // Without a time of ours the machine opens it for as long as before: where another process had told of the failure,
        // for what was left of that one's time, which may be next to nothing.
        (are_too_many || is_probe).then_some(recovery)
    }

    fn revived(&mut self) {
        lock(&self.seen).failures.clear();
    }
}

/// Takes note of what the machine does, and tells those who read the log.
#[derive(Debug)]
struct Watch {
    name: &'static str,
    recovery: Duration,
    clock: Arc<dyn Clock>,
    seen: Arc<Mutex<Seen>>,
}

impl Watch {
    fn note(&self, state: BreakerState) -> MutexGuard<'_, Seen> {
        let mut seen = lock(&self.seen);
        if seen.state != state {
            seen.state = state;
            seen.since = self.clock.now();
            seen.next_probe = None;
            seen.epoch += 1;
        }
        seen
    }
}

impl Instrument for Watch {
    fn on_call_rejected(&self) {}

    fn on_open(&self) {
        let mut seen = self.note(BreakerState::Open);
        seen.next_probe = Some(seen.since + seen.learned.unwrap_or(self.recovery));
        if seen.learned.is_some() {
            tracing::warn!(
                upstream = self.name,
                "a circuit breaker opened, as in another process: the service is not called for now"
            );
            return;
        }
        seen.opened += 1;
        tracing::warn!(
            upstream = self.name,
            "a circuit breaker opened: the service is not called for now"
        );
    }

    fn on_half_open(&self) {
        let mut seen = self.note(BreakerState::HalfOpen);
        seen.next_probe = Some(seen.since);
        tracing::info!(
            upstream = self.name,
            "a circuit breaker is half open: one call finds out"
        );
    }

    /// Also when the machine is made.
    fn on_closed(&self) {
        let was = lock(&self.seen).state;
        drop(self.note(BreakerState::Closed));
        if was != BreakerState::Closed {
            tracing::info!(
                upstream = self.name,
                "a circuit breaker closed: the service is called again"
            );
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
