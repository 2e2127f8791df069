//! Sends requests when they are due, whether those before were answered or not.
//!
//! What a request took counts from when it was due: a server that stands still for a second is seen to have kept all
//! waiting that would have come in that second, not only those that had a connection (Tene's "coordinated omission").

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fairlead_domain::performance::LatencySketch;
use fairlead_http::{ApiClient, ApiError};
use fairlead_telemetry::spawn;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

use super::scenario::{Phase, Route};

/// Requests that are due wait for a connection; as many as would be sent in so long. More are not sent, and say so.
const WAIT_AT_MOST: Duration = Duration::from_secs(5);
/// Answers are waited for when nothing more is sent.
const FINISH_WITHIN: Duration = Duration::from_secs(30);

/// What came of the requests of one phase.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    /// That were due.
    pub(super) due: u64,
    /// That were sent: all but those for which there was no connection in time.
    pub(super) sent: u64,
    pub(super) succeeded: u64,
    /// By status.
    pub(super) refused: BTreeMap<u16, u64>,
    /// That are known to have no answer.
    pub(super) broken: u64,
    pub(super) bytes: u64,
    /// From when they were due to the end of the answer, of those that were answered with success.
    pub(super) latency: LatencySketch,
    /// Of these, by route.
    pub(super) by_route: BTreeMap<&'static str, LatencySketch>,
}

impl Tally {
    /// That were due, and did not come to a success.
    pub(super) fn failed(&self) -> u64 {
        self.due.saturating_sub(self.succeeded)
    }

    /// That were sent, and of which nobody knows yet what comes.
    pub(super) fn under_way(&self) -> u64 {
        let refused: u64 = self.refused.values().sum();
        self.sent.saturating_sub(self.succeeded + refused + self.broken)
    }

    /// Without what is under way.
    fn settled(mut self) -> Self {
        let under_way = self.under_way();
        self.due -= under_way;
        self.sent -= under_way;
        self
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.due += other.due;
        self.sent += other.sent;
        self.succeeded += other.succeeded;
        self.broken += other.broken;
        self.bytes += other.bytes;
        for (status, count) in &other.refused {
            *self.refused.entry(*status).or_default() += count;
        }
        self.latency.merge(&other.latency);
        for (route, latency) in &other.by_route {
            self.by_route.entry(route).or_default().merge(latency);
        }
    }
}

/// What is known while it runs.
#[derive(Clone, Debug)]
pub(super) struct Tallies(Arc<Mutex<Vec<Tally>>>);

impl Tallies {
    pub(super) fn new(phases: usize) -> Self {
        Self(Arc::new(Mutex::new(vec![Tally::default(); phases])))
    }

    pub(super) fn locked(&self) -> MutexGuard<'_, Vec<Tally>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request that is due.
struct Due {
    phase: usize,
    at: Instant,
    route: usize,
}

/// What a run asks for, and how.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) client: ApiClient,
    pub(super) routes: Arc<Vec<Route>>,
    pub(super) phases: Vec<Phase>,
    pub(super) connections: usize,
    /// Whether the newest is asked for, which no cache has.
    pub(super) is_newest: bool,
}

/// Runs phase after phase. `goes_on` is asked at the end of each whether there is to be another; returns how many there were.
pub(super) async fn run(
    plan: Plan,
    tallies: &Tallies,
    stop: Arc<AtomicBool>,
    goes_on: impl Fn(&Tally) -> bool,
) -> usize {
    let most = plan.phases.iter().map(|phase| phase.rate).fold(1.0, f64::max);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of requests, as large as it is meant to be"
    )]
    let room = (most * WAIT_AT_MOST.as_secs_f64()).ceil().max(1.0) as usize;
    let (sender, receiver) = mpsc::channel(room);
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let turns: Arc<Vec<AtomicUsize>> = Arc::new(plan.routes.iter().map(|_| AtomicUsize::new(0)).collect());
    let workers: Vec<_> = (0..plan.connections)
        .map(|_| {
            spawn(work(
                plan.clone(),
                Arc::clone(&turns),
                Arc::clone(&receiver),
                tallies.clone(),
            ))
        })
        .collect();

    let mut done = 0;
    let mut route = 0;
    for (number, phase) in plan.phases.iter().enumerate() {
        done = number + 1;
        let began = Instant::now();
        let mut index = 0_u32;
        loop {
            let at = began + Duration::from_secs_f64(f64::from(index) / phase.rate);
            if at >= began + phase.lasts || stop.load(Ordering::Relaxed) {
                break;
            }
            sleep_until(at).await;
            let is_sent = sender
                .try_send(Due {
                    phase: number,
                    at,
                    route,
                })
                .is_ok();
            {
                let tally = &mut tallies.locked()[number];
                tally.due += 1;
                tally.sent += u64::from(is_sent);
            }
            route = (route + 1) % plan.routes.len();
            index += 1;
        }
        if !stop.load(Ordering::Relaxed) {
            sleep_until(began + phase.lasts).await;
        }
        // The last of a phase are answered while the next goes on: they are no failures.
        let so_far = tallies.locked()[number].clone().settled();
        if stop.load(Ordering::Relaxed) || !goes_on(&so_far) {
            break;
        }
    }
    drop(sender);
    // Whoever still waits then has no answer.
    let finish = async {
        for worker in workers {
            let _ = worker.await;
        }
    };
    let _ = timeout(FINISH_WITHIN, finish).await;
    done
}

/// One connection: a request at a time, the one that has been due for longest.
async fn work(
    plan: Plan,
    turns: Arc<Vec<AtomicUsize>>,
    receiver: Arc<tokio::sync::Mutex<mpsc::Receiver<Due>>>,
    tallies: Tallies,
) {
    loop {
        let next = receiver.lock().await.recv().await;
        let Some(due) = next else { return };
        let route = &plan.routes[due.route];
        let turn = turns[due.route].fetch_add(1, Ordering::Relaxed);
        let path = &route.paths[turn % route.paths.len()];
        let answered = plan.client.measure(path, plan.is_newest).await;
        let took = due.at.elapsed();
        let mut tallies = tallies.locked();
        let tally = &mut tallies[due.phase];
        match answered {
            Ok((status, bytes)) if (200..300).contains(&status) => {
                tally.succeeded += 1;
                tally.bytes += bytes;
                tally.latency.note(took);
                tally.by_route.entry(route.name).or_default().note(took);
            }
            Ok((status, _)) => *tally.refused.entry(status).or_default() += 1,
            Err(_) => tally.broken += 1,
        }
    }
}

/// Asks once for each kind, and leaves out what this credential may not ask. Returns what was left out, and why.
pub(super) async fn probe(
    client: &ApiClient,
    routes: Vec<Route>,
) -> Result<(Vec<Route>, Vec<String>), ApiError> {
    let (mut kept, mut left_out) = (Vec::new(), Vec::new());
    for route in routes {
        match client.measure(&route.paths[0], false).await? {
            (200..300, _) => kept.push(route),
            (status, _) => left_out.push(format!("{} was left out: it is answered by {status}", route.name)),
        }
    }
    Ok((kept, left_out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_way_has_not_failed_yet() {
        let tally = Tally {
            due: 100,
            sent: 90,
            succeeded: 70,
            refused: BTreeMap::from([(503, 4)]),
            broken: 1,
            ..Tally::default()
        };

        assert_eq!(tally.under_way(), 15);
        let settled = tally.settled();
        // Ten were not sent, four refused, and one had no answer.
        assert_eq!((settled.due, settled.failed(), settled.under_way()), (85, 15, 0));
    }
}
