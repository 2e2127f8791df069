use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::Id;

pub(super) fn tenant(number: u128) -> Party {
    Party::Tenant(Id::from_uuid(Uuid::from_u128(number)))
}

/// A gate whose limit stays what it is.
fn settings(limit: u32) -> GateSettings {
    GateSettings {
        min_limit: limit,
        max_limit: limit,
        tolerance: 2.0,
        max_wait: Duration::from_millis(200),
        max_waiting: 64,
        together: Together { abreast: 2, most: 10 },
        bulk_share: 0.5,
        spike: SpikeSettings {
            begins_at: 0.10,
            ends_at: 0.02,
            window: Duration::from_secs(10),
        },
        weights: HashMap::new(),
    }
}

/// A gate, and all that is behind it and in front of it.
#[derive(Debug)]
struct Scene {
    gate: Gate,
    now: Instant,
    behind: VecDeque<(Party, Class, Pass)>,
    waits: Vec<(Ticket, Party, Class)>,
    refused: Vec<(Party, Refusal)>,
}

impl Scene {
    fn new(settings: GateSettings) -> Self {
        let now = Instant::now();
        Self {
            gate: Gate::new(settings, now),
            now,
            behind: VecDeque::new(),
            waits: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// `true`: it is behind the gate.
    fn arrive(&mut self, party: Party, class: Class) -> bool {
        self.arrive_in(party, class, Room::Own)
    }

    fn arrive_in(&mut self, party: Party, class: Class, room: Room) -> bool {
        let mut calls = Vec::new();
        let arrival = Arrival { party, class, room };
        let verdict = self.gate.arrive(arrival, self.now, &mut calls);
        let is_in = matches!(verdict, Verdict::Admitted(_));
        match verdict {
            Verdict::Admitted(pass) => self.behind.push_back((party, class, pass)),
            Verdict::Waits { ticket, .. } => self.waits.push((ticket, party, class)),
            Verdict::Refused(refusal) => self.refused.push((party, refusal)),
        }
        self.take(calls);
        is_in
    }

    /// Whoever is longest behind the gate is done.
    fn finish(&mut self, outcome: Outcome) {
        let Some((_, _, pass)) = self.behind.pop_front() else {
            return;
        };
        let done = Done {
            operation: 1,
            outcome,
            database: Some(Duration::from_millis(1)),
        };
        let mut calls = Vec::new();
        self.gate.leave(pass, Some(done), self.now, &mut calls);
        self.take(calls);
    }

    fn take(&mut self, calls: Vec<Call>) {
        for Call { ticket, verdict } in calls {
            let place = self
                .waits
                .iter()
                .position(|(waits, ..)| *waits == ticket)
                .unwrap();
            let (_, party, class) = self.waits.remove(place);
            match verdict {
                Ok(pass) => self.behind.push_back((party, class, pass)),
                Err(refusal) => self.refused.push((party, refusal)),
            }
        }
    }

    fn of(&self, party: Party) -> usize {
        self.behind.iter().filter(|(of, ..)| *of == party).count()
    }

    fn last_refusal(&self) -> Reason {
        self.refused.last().unwrap().1.reason
    }

    fn pass_time(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }
}

const A: u128 = 1;
const B: u128 = 2;
const C: u128 = 3;

#[test]
fn operators_get_through_whatever_is_going_on_and_take_no_room() {
    let mut scene = Scene::new(settings(4));
    while scene.arrive(tenant(A), Class::Interactive) {}

    for _ in 0..100 {
        assert!(scene.arrive(tenant(B), Class::Operator));
    }
    assert_eq!(scene.gate.report(scene.now).in_flight, [100, 4, 0]);
}

#[test]
fn what_is_worked_on_together_takes_room_together() {
    let mut scene = Scene::new(settings(4));
    let reads = |scene: &mut Scene, party| scene.arrive_in(tenant(party), Class::Interactive, Room::Shared);

    // Two statements of ten each.
    for _ in 0..20 {
        assert!(reads(&mut scene, A));
    }
    for _ in 0..2 {
        assert!(scene.arrive(tenant(B), Class::Interactive));
    }
    assert!(!scene.arrive(tenant(A), Class::Interactive), "all room is taken");
    assert!(!reads(&mut scene, A), "more than go together");
    assert_eq!(scene.gate.report(scene.now).in_flight[1], 22);

    // Those that leave first leave none: others go on with the same statements.
    for _ in 0..18 {
        scene.finish(Outcome::Succeeded);
    }
    assert_eq!((scene.of(tenant(A)), scene.waits.len()), (2, 2));
    for waits in [1, 0] {
        scene.finish(Outcome::Succeeded);
        assert_eq!(scene.waits.len(), waits);
    }
    while !scene.behind.is_empty() {
        scene.finish(Outcome::Succeeded);
    }
    let report = scene.gate.report(scene.now);
    assert_eq!((report.taken, report.parties), (0, 0));
}

#[test]
fn those_that_go_together_are_called_together() {
    let mut scene = Scene::new(settings(1));
    assert!(scene.arrive(tenant(A), Class::Interactive));
    for _ in 0..10 {
        assert!(!scene.arrive_in(tenant(A), Class::Interactive, Room::Shared));
    }

    scene.finish(Outcome::Succeeded);

    // A second statement would need room, and there is none.
    assert_eq!((scene.of(tenant(A)), scene.waits.len()), (1, 9));

    let mut scene = Scene::new(settings(2));
    for _ in 0..2 {
        assert!(scene.arrive(tenant(A), Class::Interactive));
    }
    for _ in 0..10 {
        assert!(!scene.arrive_in(tenant(A), Class::Interactive, Room::Shared));
    }
    for waits in [9, 0] {
        scene.finish(Outcome::Succeeded);
        assert_eq!(scene.waits.len(), waits, "with the second, all others go");
    }
    assert_eq!(scene.gate.report(scene.now).taken, 2);
}

#[test]
fn bulk_work_has_what_is_left_and_goes_first() {
    let mut scene = Scene::new(settings(8));
    for _ in 0..20 {
        scene.arrive(tenant(A), Class::Bulk);
    }
    assert_eq!(scene.of(tenant(A)), 4, "half of the limit");

    for _ in 0..4 {
        assert!(scene.arrive(tenant(B), Class::Interactive));
    }
    assert!(!scene.arrive(tenant(A), Class::Interactive));
    scene.finish(Outcome::Succeeded);

    let report = scene.gate.report(scene.now);
    assert_eq!(
        report.in_flight,
        [0, 5, 3],
        "the one that waited, and no bulk work"
    );
    assert!(report.waiting[Class::Bulk.index()] > 0);
}

#[test]
fn who_asks_little_does_not_wait_for_who_asks_much() {
    let mut scene = Scene::new(settings(8));
    for _ in 0..50 {
        scene.arrive(tenant(A), Class::Interactive);
    }
    assert_eq!(scene.of(tenant(A)), 8);

    // From what is kept for such,
    assert!(scene.arrive(tenant(B), Class::Interactive));
    assert!(scene.arrive(tenant(B), Class::Interactive));
    // and when that is used up, before all who wait for longer.
    assert!(!scene.arrive(tenant(C), Class::Interactive));
    for _ in 0..3 {
        scene.pass_time(10);
        scene.finish(Outcome::Succeeded);
    }
    assert_eq!(scene.of(tenant(C)), 1);
    assert_eq!(scene.gate.report(scene.now).in_flight[1], 8);
}

#[test]
fn who_waits_gets_room_by_weight() {
    let heavy = Id::from_uuid(Uuid::from_u128(B));
    let mut scene = Scene::new(GateSettings {
        weights: HashMap::from([(heavy, 3)]),
        max_wait: Duration::from_hours(1),
        ..settings(4)
    });
    let mut done = [0, 0];
    for _ in 0..400 {
        for party in [A, B] {
            while scene
                .waits
                .iter()
                .filter(|(_, of, _)| *of == tenant(party))
                .count()
                < 8
            {
                scene.arrive(tenant(party), Class::Interactive);
            }
        }
        scene.pass_time(1);
        let first = scene.behind.front().unwrap().0;
        done[usize::from(first == tenant(B))] += 1;
        scene.finish(Outcome::Succeeded);
    }

    let ratio = f64::from(done[1]) / f64::from(done[0]);
    assert!((2.5..3.5).contains(&ratio), "{done:?}");
}

#[test]
fn shares_are_of_time_and_not_of_requests() {
    let mut scene = Scene::new(GateSettings {
        max_wait: Duration::from_hours(1),
        ..settings(1)
    });
    // A's requests take ten times as long.
    let mut time = [0, 0];
    for _ in 0..2_000 {
        for party in [A, B] {
            while scene
                .waits
                .iter()
                .filter(|(_, of, _)| *of == tenant(party))
                .count()
                < 4
            {
                scene.arrive(tenant(party), Class::Interactive);
            }
        }
        let is_heavy = scene.behind.front().unwrap().0 == tenant(A);
        let took = if is_heavy { 10 } else { 1 };
        time[usize::from(!is_heavy)] += took;
        scene.pass_time(took);
        scene.finish(Outcome::Succeeded);
    }

    #[expect(clippy::cast_precision_loss, reason = "a few thousand milliseconds")]
    let ratio = time[0] as f64 / time[1] as f64;
    assert!((0.7..1.4).contains(&ratio), "{time:?}");
}

#[test]
fn a_refusal_says_whose_fault_it_is() {
    let mut scene = Scene::new(GateSettings {
        max_waiting: 4,
        ..settings(4)
    });
    for _ in 0..9 {
        scene.arrive(tenant(A), Class::Interactive);
    }
    assert_eq!(scene.last_refusal(), Reason::Overloaded, "there is nobody else");

    assert!(scene.arrive(tenant(B), Class::Interactive));
    scene.arrive(tenant(A), Class::Interactive);
    assert_eq!(scene.last_refusal(), Reason::OverShare);
    let most = scene.gate.report(scene.now).most_refused;
    assert_eq!(most, [(tenant(A), 2)]);
}

#[test]
fn who_has_most_waiting_gives_up_a_place_for_who_has_none() {
    let mut scene = Scene::new(GateSettings {
        max_waiting: 4,
        ..settings(4)
    });
    for _ in 0..8 {
        scene.arrive(tenant(A), Class::Interactive);
    }
    for _ in 0..2 {
        scene.arrive(tenant(B), Class::Interactive);
    }
    let waits = |scene: &Scene, party| {
        scene
            .waits
            .iter()
            .filter(|(_, of, _)| *of == tenant(party))
            .count()
    };

    assert_eq!((waits(&scene, A), waits(&scene, B)), (3, 1));
    assert_eq!(scene.refused.len(), 1);
    assert_eq!(scene.refused[0].0, tenant(A));
}

#[test]
fn who_would_wait_too_long_is_told_at_once() {
    let mut scene = Scene::new(GateSettings {
        max_waiting: 100_000,
        ..settings(4)
    });
    // Every request takes 40 ms, so 100 are done in a second.
    for _ in 0..200 {
        while scene.behind.len() < 4 {
            assert!(scene.arrive(tenant(A), Class::Interactive));
        }
        scene.pass_time(40);
        for _ in 0..4 {
            scene.finish(Outcome::Succeeded);
        }
    }
    for _ in 0..100 {
        scene.arrive(tenant(A), Class::Interactive);
    }

    // In half of 200 ms the turn of 10 comes.
    assert_eq!(scene.waits.len(), 10);
    assert_eq!(scene.refused.len(), 100 - 4 - 10);
}

#[test]
fn who_has_waited_long_enough_is_refused_and_who_is_gone_is_forgotten() {
    let mut scene = Scene::new(settings(1));
    for _ in 0..3 {
        scene.arrive(tenant(A), Class::Interactive);
    }
    let tickets: Vec<_> = scene.waits.drain(..).map(|(ticket, ..)| ticket).collect();

    assert_eq!(
        scene.gate.time_out(&tickets[0]).map(|refusal| refusal.reason),
        Some(Reason::Overloaded)
    );
    assert!(scene.gate.withdraw(&tickets[1]));
    assert!(!scene.gate.withdraw(&tickets[1]), "it is not there twice");
    let report = scene.gate.report(scene.now);
    assert_eq!(report.waiting, [0; 3]);
    assert_eq!(report.refused[Class::Interactive.index()], [1, 0, 0]);
    scene.finish(Outcome::Succeeded);
    assert_eq!(scene.gate.report(scene.now).parties, 0, "nobody is kept in mind");
}

#[test]
fn while_many_requests_fail_bulk_work_is_refused() {
    let mut scene = Scene::new(settings(4));
    for _ in 0..30 {
        scene.arrive(tenant(A), Class::Interactive);
        scene.finish(Outcome::Failed);
    }

    assert!(scene.gate.is_shedding(scene.now));
    assert!(!scene.arrive(tenant(A), Class::Bulk));
    assert_eq!(scene.last_refusal(), Reason::Shed);
    assert!(scene.arrive(tenant(A), Class::Interactive));
    scene.pass_time(11_000);
    assert!(scene.arrive(tenant(A), Class::Bulk), "it is over");
    assert_eq!(scene.gate.report(scene.now).shed_spells, 1);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Arrive(u128, Class),
    Finish,
    Pass(u64),
    GoAway(usize),
    TimeOut(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let class = prop_oneof![
        1 => Just(Class::Operator),
        6 => Just(Class::Interactive),
        3 => Just(Class::Bulk),
    ];
    let step = prop_oneof![
        8 => (0u128..5, class).prop_map(|(party, class)| Step::Arrive(party, class)),
        6 => Just(Step::Finish),
        2 => (0u64..50).prop_map(Step::Pass),
        1 => (0usize..8).prop_map(Step::GoAway),
        1 => (0usize..8).prop_map(Step::TimeOut),
    ];
    proptest::collection::vec(step, 1..400)
}

proptest! {
    #[test]
    fn nobody_is_lost_and_nothing_goes_beyond_its_bounds(limit in 1u32..12, steps in steps()) {
        let settings = GateSettings { max_waiting: 6, ..settings(limit) };
        let mut scene = Scene::new(settings);
        for step in steps {
            match step {
                Step::Arrive(party, class) => {
                    scene.arrive(tenant(party), class);
                }
                Step::Finish => scene.finish(Outcome::Succeeded),
                Step::Pass(millis) => scene.pass_time(millis),
                Step::GoAway(place) if place < scene.waits.len() => {
                    let (ticket, ..) = scene.waits.remove(place);
                    prop_assert!(scene.gate.withdraw(&ticket));
                }
                Step::TimeOut(place) if place < scene.waits.len() => {
                    let (ticket, ..) = scene.waits.remove(place);
                    prop_assert!(scene.gate.time_out(&ticket).is_some());
                }
                Step::GoAway(_) | Step::TimeOut(_) => {}
            }
            let report = scene.gate.report(scene.now);
            for class in Class::ALL {
                let behind = scene.behind.iter().filter(|(_, of, _)| *of == class).count();
                let waits = scene.waits.iter().filter(|(_, _, of)| *of == class).count();
                prop_assert_eq!(report.in_flight[class.index()] as usize, behind);
                prop_assert_eq!(report.waiting[class.index()], waits);
            }
            let busy = report.in_flight[1] + report.in_flight[2];
            prop_assert!(busy <= limit + limit.div_ceil(4));
            prop_assert!(scene.waits.len() <= 6);
            // Nobody waits beside an empty place.
            if report.waiting[Class::Interactive.index()] > 0 {
                prop_assert!(busy >= limit, "{busy} of {limit} are busy");
            }
            if scene.waits.is_empty() && scene.behind.is_empty() {
                prop_assert_eq!(report.parties, 0);
            }
        }
        while !scene.behind.is_empty() {
            scene.finish(Outcome::Succeeded);
        }
        prop_assert!(scene.waits.is_empty(), "who waits is called in the end");
        prop_assert_eq!(scene.gate.report(scene.now).parties, 0);
    }
}
