//! Who stands at the gate in front of the database ([`fairlead_domain::admission`]), and has requests wait that must.
//!
//! The edge asks it for each request that is not answered from memory, once it is known who asks. Here is also how an
//! operation passes the gate, and in which words clients hear that they do not.

mod operation;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fairlead_domain::admission::{
    Arrival, Call, Class, Done, Gate, GateReport, GateSettings, Outcome, Pass, Reason, Refusal, Ticket,
    Verdict,
};
use fairlead_telemetry::request::{self, Place};
use tokio::sync::oneshot;
use tokio::time::timeout_at;

pub(crate) use operation::{Extent, handling};

use crate::problem::{Kind, Problem};
use crate::rate_limits::{RefusalLog, whole_seconds};

/// Lets requests through the gate, or not. All clones stand at the same one.
#[derive(Clone, Debug)]
pub struct Gatekeeper(Arc<Post>);

#[derive(Debug)]
struct Post {
    book: Mutex<Book>,
    /// As of the last request; saves the lock where nothing is wrong.
    may_shed: AtomicBool,
    /// Answers that were kept beyond their time, and given instead of new ones.
    stand_ins: AtomicU64,
    refusals: RefusalLog,
}

#[derive(Debug)]
struct Book {
    gate: Gate,
    /// Rung for those who wait.
    bells: HashMap<Ticket, oneshot::Sender<Result<Pass, Refusal>>>,
    calls: Vec<Call>,
}

impl Book {
    /// Tells all that were called.
    fn ring(&mut self) {
        for Call { ticket, verdict } in self.calls.drain(..) {
            if let Some(bell) = self.bells.remove(&ticket) {
                // Whoever does not listen any more finds out by its bell being gone, and leaves (see `Waiting`).
                let _ = bell.send(verdict);
            }
        }
    }

    fn leave(&mut self, pass: Pass, done: Option<Done>) {
        self.gate.leave(pass, done, Instant::now(), &mut self.calls);
        self.ring();
    }
}

impl Gatekeeper {
    pub fn new(settings: GateSettings) -> Self {
        let now = Instant::now();
        Self(Arc::new(Post {
            book: Mutex::new(Book {
                gate: Gate::new(settings, now),
                bells: HashMap::new(),
                calls: Vec::new(),
            }),
            may_shed: AtomicBool::new(false),
            stand_ins: AtomicU64::new(0),
            refusals: RefusalLog::new(now),
        }))
    }

    /// Waits until there is room, which is not for long.
    pub(crate) async fn admit(&self, arrival: Arrival) -> Result<Inside, Refusal> {
        let waiting = {
            let mut book = self.book();
            let Book { gate, calls, .. } = &mut *book;
            let verdict = gate.arrive(arrival, Instant::now(), calls);
            book.ring();
            match verdict {
                Verdict::Admitted(pass) => return Ok(self.inside(pass)),
                Verdict::Refused(refusal) => Err(refusal),
                Verdict::Waits { ticket, until } => {
                    let (bell, heard) = oneshot::channel();
                    book.bells.insert(ticket, bell);
                    Ok((ticket, heard, until))
                }
            }
        };
        let verdict = match waiting {
            Ok((ticket, heard, until)) => {
                let waiting = Waiting {
                    keeper: self,
                    ticket,
                    heard,
                };
                waiting.until(until).await
            }
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = &verdict {
            self.tell(refusal);
        }
        verdict.map(|pass| self.inside(pass))
    }

    /// Whether so many requests fail that what is kept is better than another attempt.
    pub(crate) fn is_shedding(&self) -> bool {
        if !self.0.may_shed.load(Ordering::Relaxed) {
            return false;
        }
        let is_shedding = self.book().gate.is_shedding(Instant::now());
        self.0.may_shed.store(is_shedding, Ordering::Relaxed);
        is_shedding
    }

    /// Takes note of an answer that was kept beyond its time, and given instead of a new one.
    pub(crate) fn note_stand_in(&self) {
        self.0.stand_ins.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stand_ins(&self) -> u64 {
        self.0.stand_ins.load(Ordering::Relaxed)
    }

    pub(crate) fn report(&self) -> GateReport {
        self.book().gate.report(Instant::now())
    }

    fn inside(&self, pass: Pass) -> Inside {
        Inside(Arc::new(Stay {
            keeper: self.clone(),
            pass: Some(pass),
            done: OnceLock::new(),
        }))
    }

    fn leave(&self, pass: Pass, done: Option<Done>) {
        let failed = done.is_some_and(|done| done.outcome == Outcome::Failed);
        let mut book = self.book();
        book.leave(pass, done);
        // Only a failure begins it.
        if failed && book.gate.is_shedding(Instant::now()) {
            self.0.may_shed.store(true, Ordering::Relaxed);
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing in here panics midway through a change that others would see.
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those who run this are told once in a while.
    fn tell(&self, refusal: &Refusal) {
        let Some(requests) = self.0.refusals.count(Instant::now()) else {
            return;
        };
        let report = self.report();
        tracing::warn!(
            requests,
            reason = refusal.reason.as_str(),
            class = refusal.class.as_str(),
            admission.limit = report.limit,
            admission.slowdown = report.slowdown,
            "more is asked than can be done",
        );
    }
}

/// A request that waits in front of the gate. Dropping it takes it away from there.
#[derive(Debug)]
struct Waiting<'k> {
    keeper: &'k Gatekeeper,
    ticket: Ticket,
    heard: oneshot::Receiver<Result<Pass, Refusal>>,
}

impl Waiting<'_> {
    async fn until(mut self, until: Instant) -> Result<Pass, Refusal> {
        if let Ok(Ok(verdict)) = timeout_at(until.into(), &mut self.heard).await {
            return verdict;
        }
        let mut book = self.keeper.book();
        book.bells.remove(&self.ticket);
        if let Some(refusal) = book.gate.time_out(&self.ticket) {
            return Err(refusal);
        }
        drop(book);
        // It was called at this very moment.
        self.heard.try_recv().unwrap_or(Err(Refusal {
            reason: Reason::Overloaded,
            class: Class::Interactive,
            retry_after: Duration::from_secs(1),
        }))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut book = self.keeper.book();
        if book.bells.remove(&self.ticket).is_some() {
            book.gate.withdraw(&self.ticket);
        }
        // It was called, and nobody took notice.
        if let Ok(Ok(pass)) = self.heard.try_recv() {
            book.leave(pass, None);
        }
    }
}

/// A request behind the gate. It is answered, or dropping this gives it up; it leaves then, unless somebody still works
/// for it.
#[derive(Debug)]
pub(crate) struct Inside(Arc<Stay>);

/// Of a request, behind the gate. Dropping it takes the request away from there.
#[derive(Debug)]
struct Stay {
    keeper: Gatekeeper,
    pass: Option<Pass>,
    /// What became of the request; `None`: nothing that is to be learnt from.
    done: OnceLock<Option<Done>>,
}

impl Inside {
    /// The room that the request takes, for whoever works for it: also when it is given up, it is taken until that is done.
    pub(crate) fn place(&self) -> Arc<Place> {
        Arc::clone(&self.0) as _
    }

    /// The request is answered.
    pub(crate) fn leave(self, done: Done) {
        self.0.done.get_or_init(|| Some(done));
    }

    /// The request takes no room.
    pub(crate) fn make_room(self) {
        self.0.done.get_or_init(|| None);
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        // It was given up: by its client, which says nothing of us, or because it panicked or its time was over.
        self.0.done.get_or_init(|| {
            let is_late =
                request::current().is_some_and(|context| context.time_left() == Some(Duration::ZERO));
            (is_late || thread::panicking()).then_some(Done {
                operation: 0,
                outcome: Outcome::Failed,
                database: None,
            })
        });
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        if let Some(pass) = self.pass.take() {
            self.keeper.leave(pass, self.done.take().flatten());
        }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let seconds = whole_seconds(refusal.retry_after).max(1);
        match refusal.reason {
            Reason::Overloaded | Reason::Shed => Self::bare(Kind::Overloaded),
            Reason::OverShare => Self::client(
                Kind::OverShare,
                "more is asked than can be done at once, and this tenant asks for more than its share of it",
            ),
        }
        .retry_after(seconds)
    }
}

#[cfg(test)]
mod tests {
    use fairlead_domain::admission::{Party, Room, SpikeSettings, Together};
    use futures_util::FutureExt as _;

    use super::*;

    fn keeper(limit: u32, max_wait: Duration) -> Gatekeeper {
        Gatekeeper::new(GateSettings {
            min_limit: limit,
            max_limit: limit,
            tolerance: 2.0,
            max_wait,
            max_waiting: 64,
            together: Together {
                abreast: 2,
                most: 100,
            },
            bulk_share: 0.5,
            spike: SpikeSettings {
                begins_at: 0.1,
                ends_at: 0.02,
                window: Duration::from_secs(10),
            },
            weights: HashMap::new(),
        })
    }

    const LONG: Duration = Duration::from_mins(1);

    fn done(outcome: Outcome) -> Done {
        Done {
            operation: 1,
            outcome,
            database: None,
        }
    }

    fn counts(keeper: &Gatekeeper) -> (u32, usize) {
        let report = keeper.report();
        (report.in_flight[1], report.waiting[1])
    }

    fn arrival(class: Class) -> Arrival {
        Arrival {
            party: Party::Strangers,
            class,
            room: Room::Own,
        }
    }

    async fn admit(keeper: &Gatekeeper) -> Result<Inside, Refusal> {
        keeper.admit(arrival(Class::Interactive)).await
    }

    #[actix_web::test]
    async fn who_waits_goes_on_when_another_leaves() {
        let keeper = keeper(1, LONG);
        let first = admit(&keeper).await.unwrap();

        let (second, ()) = tokio::join!(admit(&keeper), async {
            assert_eq!(counts(&keeper), (1, 1));
            first.leave(done(Outcome::Succeeded));
        });

        assert_eq!(counts(&keeper), (1, 0));
        drop(second);
        assert_eq!(counts(&keeper), (0, 0));
    }

    #[actix_web::test]
    async fn who_waits_for_too_long_is_refused() {
        let keeper = keeper(1, Duration::from_millis(10));
        let _first = admit(&keeper).await.unwrap();

        let second = admit(&keeper).await;

        assert_eq!(second.unwrap_err().reason, Reason::Overloaded);
        assert_eq!(counts(&keeper), (1, 0));
    }

    #[actix_web::test]
    async fn who_gives_up_leaves_nothing_behind() {
        let keeper = keeper(1, LONG);
        let first = admit(&keeper).await.unwrap();
        {
            let mut gives_up = Box::pin(admit(&keeper));
            assert!((&mut gives_up).now_or_never().is_none());
            let mut is_called = Box::pin(admit(&keeper));
            assert!((&mut is_called).now_or_never().is_none());
            assert_eq!(counts(&keeper), (1, 2));
            drop(gives_up);
            assert_eq!(counts(&keeper), (1, 1));
            drop(first);
            assert_eq!(counts(&keeper), (1, 0), "it is called, and does not know yet");
        }

        assert_eq!(counts(&keeper), (0, 0));
        assert!(keeper.book().bells.is_empty());
    }

    #[actix_web::test]
    async fn who_is_given_up_takes_room_until_nobody_works_for_it() {
        let keeper = keeper(1, LONG);
        let first = admit(&keeper).await.unwrap();
        let work = first.place();

        drop(first);
        assert_eq!(counts(&keeper), (1, 0), "the database still works for it");
        let (second, ()) = tokio::join!(admit(&keeper), async {
            assert_eq!(counts(&keeper), (1, 1));
            drop(work);
        });

        assert_eq!(counts(&keeper), (1, 0));
        second.unwrap().leave(done(Outcome::Succeeded));
        assert_eq!(counts(&keeper), (0, 0));
    }

    #[actix_web::test]
    async fn many_failures_are_noticed_without_a_look_at_the_book() {
        let keeper = keeper(1, LONG);
        assert!(!keeper.is_shedding());
        for _ in 0..30 {
            admit(&keeper).await.unwrap().leave(done(Outcome::Failed));
        }

        assert!(keeper.is_shedding());
        let bulk = keeper.admit(arrival(Class::Bulk)).await;
        assert_eq!(bulk.unwrap_err().reason, Reason::Shed);
    }
}
