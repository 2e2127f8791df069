//! A server in silico: some processors that all requests behind the gate share, and requests that come at random, from the
//! same seed each time. It shows what the gate does to goodput and to neighbours, apart from any machine.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::tests::tenant;
use super::*;

const PROCESSORS: f64 = 4.0;
/// What a request takes of one processor.
const WORK: f64 = 0.002;
const TICK: f64 = 0.00025;
/// After this the limit has found its place.
const WARM: f64 = 3.0;
const SECONDS: f64 = 4.0;

/// What more is behind the gate than there are processors costs each request: switching, caches, locks.
const FRICTION: f64 = 0.002;
/// Clients give up then.
const PATIENCE: f64 = 0.25;
/// More connections than this are not accepted.
const CONNECTIONS: usize = 1_000;

#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    served: u32,
    /// Answered while the client was still there.
    in_time: u32,
    refused: u32,
    most_refusal_seconds: f64,
    p95: f64,
}

struct Running {
    from: usize,
    came: f64,
    began: f64,
    left: f64,
    pass: Option<Pass>,
}

/// Numbers that look random, and are the same each time.
struct Dice(u64);

impl Dice {
    /// From 0 up to 1.
    fn roll(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        f64::from(u32::try_from(self.0 >> 33).unwrap()) / f64::from(1u32 << 31)
    }
}

struct World {
    start: Instant,
    now: f64,
    gate: Option<Gate>,
    running: Vec<Running>,
    /// From whom, when they came, and until when they wait.
    waits: HashMap<Ticket, (usize, f64, Instant)>,
    seen: Vec<Seen>,
    times: Vec<Vec<f64>>,
}

impl World {
    fn new(parties: usize, gated: bool) -> Self {
        let start = Instant::now();
        let settings = || GateSettings {
            min_limit: 4,
            max_limit: 256,
            tolerance: 2.0,
            max_wait: Duration::from_millis(200),
            max_waiting: 1024,
            together: Together {
                abreast: 4,
                most: 100,
            },
            bulk_share: 0.5,
            spike: SpikeSettings {
                begins_at: 1.1,
                ends_at: 0.0,
                window: Duration::from_secs(10),
            },
            weights: HashMap::new(),
        };
        Self {
            start,
            now: 0.0,
            gate: gated.then(|| Gate::new(settings(), start)),
            running: Vec::new(),
            waits: HashMap::new(),
            seen: vec![Seen::default(); parties],
            times: vec![Vec::new(); parties],
        }
    }

    fn at(&self) -> Instant {
        self.start + Duration::from_secs_f64(self.now)
    }

    fn is_counted(&self) -> bool {
        self.now > WARM
    }

    fn begin(&mut self, from: usize, came: f64, pass: Option<Pass>) {
        self.running.push(Running {
            from,
            came,
            began: self.now,
            left: WORK,
            pass,
        });
    }

    fn arrive(&mut self, from: usize) {
        let (at, mut calls) = (self.at(), Vec::new());
        let Some(gate) = &mut self.gate else {
            if self.running.len() < CONNECTIONS {
                self.begin(from, self.now, None);
            }
            return;
        };
        let party = tenant(u128::try_from(from).unwrap());
        let arrival = Arrival {
            party,
            class: Class::Interactive,
            room: Room::Own,
        };
        match gate.arrive(arrival, at, &mut calls) {
            Verdict::Admitted(pass) => self.begin(from, self.now, Some(pass)),
            Verdict::Waits { ticket, until } => {
                self.waits.insert(ticket, (from, self.now, until));
            }
            Verdict::Refused(_) => self.refuse(from, self.now),
        }
        self.take(calls);
    }

    fn refuse(&mut self, from: usize, came: f64) {
        if self.is_counted() {
            let seen = &mut self.seen[from];
            seen.refused += 1;
            seen.most_refusal_seconds = seen.most_refusal_seconds.max(self.now - came);
        }
    }

    fn take(&mut self, calls: Vec<Call>) {
        for Call { ticket, verdict } in calls {
            let (from, came, _) = self.waits.remove(&ticket).unwrap();
            match verdict {
                Ok(pass) => self.begin(from, came, Some(pass)),
                Err(_) => self.refuse(from, came),
            }
        }
    }

    /// All that are at work share the processors.
    fn work(&mut self) {
        let busy = f64::from(u32::try_from(self.running.len()).unwrap());
        let friction = 1.0 + FRICTION * (busy - PROCESSORS).max(0.0);
        let speed = (PROCESSORS / busy.max(1.0)).min(1.0) / friction;
        for request in &mut self.running {
            request.left -= TICK * speed;
        }
        let (done, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.running)
            .into_iter()
            .partition(|request| request.left <= 0.0);
        self.running = rest;
        for request in done {
            self.finish(request);
        }
    }

    fn finish(&mut self, request: Running) {
        let took = self.now + TICK - request.came;
        if self.is_counted() {
            let seen = &mut self.seen[request.from];
            seen.served += 1;
            seen.in_time += u32::from(took <= PATIENCE);
            self.times[request.from].push(took);
        }
        let (at, mut calls) = (self.at(), Vec::new());
        if let Some((gate, pass)) = self.gate.as_mut().zip(request.pass) {
            let done = Done {
                operation: 1,
                outcome: Outcome::Succeeded,
                database: Some(Duration::from_secs_f64(self.now + TICK - request.began)),
            };
            gate.leave(pass, Some(done), at, &mut calls);
        }
        self.take(calls);
    }

    fn give_up(&mut self) {
        let at = self.at();
        let late = self.waits.iter().filter(|(_, (.., until))| *until <= at);
        let late: Vec<_> = late.map(|(ticket, _)| *ticket).collect();
        for ticket in late {
            if self
                .gate
                .as_mut()
                .is_some_and(|gate| gate.time_out(&ticket).is_some())
            {
                let (from, came, _) = self.waits.remove(&ticket).unwrap();
                self.refuse(from, came);
            }
        }
    }

    fn report(mut self) -> Vec<Seen> {
        for (seen, times) in self.seen.iter_mut().zip(&mut self.times) {
            times.sort_by(f64::total_cmp);
            seen.p95 = times.get(times.len() * 95 / 100).copied().unwrap_or_default();
        }
        self.seen
    }
}

/// Runs requests of parties, so many a second of each, with a gate or without.
fn run(rates: &[f64], gated: bool) -> Vec<Seen> {
    let mut world = World::new(rates.len(), gated);
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    while world.now < WARM + SECONDS {
        for (from, rate) in rates.iter().enumerate() {
            let mut due = rate * TICK;
            while dice.roll() < due {
                due -= 1.0;
                world.arrive(from);
            }
        }
        world.work();
        world.give_up();
        world.now += TICK;
    }
    world.report()
}

/// As many as the processors can do in a second.
const PEAK: f64 = PROCESSORS / WORK;

#[test]
fn at_three_times_saturation_as_much_is_done_as_can_be_and_in_time() {
    let gated = run(&[PEAK * 3.0], true)[0];
    let open = run(&[PEAK * 3.0], false)[0];

    let goodput = f64::from(gated.in_time) / SECONDS / PEAK;
    assert!(goodput >= 0.9, "{goodput:.3} of the peak: {gated:?}");
    assert!(gated.p95 <= 0.1, "{gated:?}");
    let without = f64::from(open.in_time) / SECONDS / PEAK;
    assert!(
        without < 0.1,
        "without a gate nobody is answered in time: {open:?}"
    );
    // Nearly all who are refused are so when they come.
    assert!(gated.most_refusal_seconds <= 0.2, "{gated:?}");
}

#[test]
fn below_saturation_nobody_is_refused() {
    for share in [0.3, 0.6, 0.85] {
        let seen = run(&[PEAK * share], true)[0];
        assert_eq!(seen.refused, 0, "at {share} of the peak: {seen:?}");
    }
}

#[test]
fn a_tenant_that_asks_fifty_times_its_share_waits_for_itself() {
    let share = PEAK / 17.0;
    let fair = run(&[share, share], true);
    let noisy = run(&[share * 50.0, share], true);
    let open = run(&[share * 50.0, share], false);

    assert_eq!(noisy[1].refused, 0, "{noisy:?}");
    // What the processors are shared by, all feel; but nobody waits for another's queue.
    assert!(noisy[1].p95 <= 0.012, "{noisy:?}, {fair:?}");
    assert!(open[1].p95 > PATIENCE, "{open:?}");
    assert!(
        f64::from(noisy[0].served + noisy[1].served) / SECONDS >= 0.9 * PEAK,
        "{noisy:?}"
    );
}
