use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::lane::{Lane, Waiting};
use super::limit::AdaptiveLimit;
use super::{
    Arrival, Call, Class, Done, Frequent, GateReport, GateSettings, Outcome, Party, Pass, Reason, Refusal,
    Spike, Ticket, Verdict,
};

/// How much of the way the usual stay moves with each request.
const LEARN: f64 = 0.05;
/// Of those refused, so many parties are told apart.
const MOST_REFUSED: usize = 64;

/// Decides who may go on, who waits, and who is refused.
#[derive(Debug)]
pub struct Gate {
    settings: GateSettings,
    limit: AdaptiveLimit,
    spike: Spike,
    lanes: HashMap<Party, Lane>,
    /// The sum of the lanes' weights.
    weights: f64,
    /// The clock that all lanes share.
    clock: f64,
    /// What a request usually takes behind the gate, in seconds.
    stay: f64,
    in_flight: [u32; Class::COUNT],
    /// How much room is taken, by all but operators.
    taken: u32,
    waiting: [usize; Class::COUNT],
    /// Since when there has always been somebody who waits.
    waited_since: Option<Instant>,
    next_ticket: u64,
    admitted: [u64; Class::COUNT],
    waited: [u64; Class::COUNT],
    refused: [[u64; Reason::COUNT]; Class::COUNT],
    most_refused: Frequent<Party>,
}

impl Gate {
    pub fn new(settings: GateSettings, now: Instant) -> Self {
        Self {
            limit: AdaptiveLimit::new(settings.min_limit, settings.max_limit, settings.tolerance, now),
            spike: Spike::new(settings.spike, now),
            settings,
            lanes: HashMap::new(),
            weights: 0.0,
            clock: 0.0,
            stay: 0.0,
            in_flight: [0; Class::COUNT],
            taken: 0,
            waiting: [0; Class::COUNT],
            waited_since: None,
            next_ticket: 0,
            admitted: [0; Class::COUNT],
            waited: [0; Class::COUNT],
            refused: [[0; Reason::COUNT]; Class::COUNT],
            most_refused: Frequent::new(MOST_REFUSED),
        }
    }

    /// Decides about a request that comes. Others may have to go for it, and are then in `calls`.
    pub fn arrive(&mut self, arrival: Arrival, now: Instant, calls: &mut Vec<Call>) -> Verdict {
        let Arrival { party, class, .. } = arrival;
        if class == Class::Operator {
            return Verdict::Admitted(self.admit_operator(arrival, now));
        }
        if class == Class::Bulk && self.spike.since(now).is_some() {
            return Verdict::Refused(self.refuse(party, class, Reason::Shed));
        }
        self.open_lane(party);
        if self.has_room(arrival) {
            return Verdict::Admitted(self.admit(arrival, now));
        }
        let verdict = if self.would_wait_too_long(party, class, now) || !self.make_place(party, class, calls)
        {
            let reason = self.reason(party);
            Verdict::Refused(self.refuse(party, class, reason))
        } else {
            self.wait(arrival, now)
        };
        self.close_lane(party);
        verdict
    }

    /// Takes a pass back. Those who may go on in its place are in `calls`. `None`: nothing is to be learnt from it.
    #[expect(clippy::needless_pass_by_value, reason = "a pass is good for once")]
    pub fn leave(&mut self, pass: Pass, done: Option<Done>, now: Instant, calls: &mut Vec<Call>) {
        let Arrival { party, class, room } = pass.arrival;
        let in_flight = &mut self.in_flight[class.index()];
        *in_flight = in_flight.saturating_sub(1);
        if let Some(done) = done {
            self.spike.note(done.outcome == Outcome::Failed, now);
        }
        if class == Class::Operator {
            return;
        }
        let seconds = now.saturating_duration_since(pass.since).as_secs_f64();
        if let Some(lane) = self.lanes.get_mut(&party) {
            let gives_room = lane.leave(room, self.settings.together);
            self.taken -= u32::from(gives_room);
            if let Some(charged) = pass.charged {
                lane.charge(charged, seconds);
            }
        }
        self.close_lane(party);
        if let Some(done) = done.filter(|_| pass.charged.is_some()) {
            self.stay += (seconds - self.stay) * LEARN;
            if let Some(took) = done.database.filter(|_| done.outcome == Outcome::Succeeded) {
                self.limit.note(done.operation, took, pass.busy, now);
            }
        }
        self.call(now, calls);
    }

    /// Refuses one who has waited long enough; `None`: it was called meanwhile.
    pub fn time_out(&mut self, ticket: &Ticket) -> Option<Refusal> {
        let Arrival { party, class, .. } = ticket.arrival;
        let reason = self.reason(party);
        self.withdraw(ticket).then(|| self.refuse(party, class, reason))
    }

    /// Forgets one who has waited and is gone; returns `false` when it was called meanwhile.
    pub fn withdraw(&mut self, ticket: &Ticket) -> bool {
        let Arrival { party, class, .. } = ticket.arrival;
        let Some(lane) = self.lanes.get_mut(&party) else {
            return false;
        };
        let was_there = lane.withdraw(class, ticket.number);
        if was_there {
            self.note_gone(class);
            self.close_lane(party);
        }
        was_there
    }

    /// Whether so many requests fail that what is kept is better than another attempt.
    pub fn is_shedding(&mut self, now: Instant) -> bool {
        self.spike.since(now).is_some()
    }

    pub fn report(&mut self, now: Instant) -> GateReport {
        let since = self.spike.since(now);
        GateReport {
            limit: self.limit.get(),
            min_limit: self.settings.min_limit,
            max_limit: self.settings.max_limit.max(self.settings.min_limit),
            slowdown: self.limit.slowdown(),
            taken: self.taken,
            in_flight: self.in_flight,
            waiting: self.waiting,
            admitted: self.admitted,
            waited: self.waited,
            refused: self.refused,
            parties: self.lanes.len(),
            stay: Duration::from_secs_f64(self.stay.max(0.0)),
            shedding_for: since.map(|since| now.saturating_duration_since(since)),
            shed_spells: self.spike.begun(),
            error_rate: self.spike.error_rate(now),
            most_refused: self.most_refused.top(MOST_REFUSED),
        }
    }

    fn admit_operator(&mut self, arrival: Arrival, now: Instant) -> Pass {
        let class = Class::Operator;
        self.in_flight[class.index()] += 1;
        self.admitted[class.index()] += 1;
        Pass {
            arrival,
            since: now,
            charged: None,
            busy: 0,
        }
    }

    fn admit(&mut self, arrival: Arrival, now: Instant) -> Pass {
        let Arrival { party, class, room } = arrival;
        self.in_flight[class.index()] += 1;
        self.admitted[class.index()] += 1;
        let mut charged = None;
        if let Some(lane) = self.lanes.get_mut(&party)
            && lane.enter(room, self.settings.together)
        {
            self.taken += 1;
            let (cost, clock) = lane.charge_ahead(self.clock);
            self.clock = self.clock.max(clock);
            charged = Some(cost);
        }
        Pass {
            arrival,
            since: now,
            charged,
            busy: self.taken,
        }
    }

    fn refuse(&mut self, party: Party, class: Class, reason: Reason) -> Refusal {
        self.refused[class.index()][reason.index()] += 1;
        self.most_refused.count(party);
        let seconds = match class {
            Class::Operator | Class::Interactive => 1,
            Class::Bulk => 5,
        };
        Refusal {
            reason,
            class,
            retry_after: Duration::from_secs(seconds),
        }
    }

    fn wait(&mut self, arrival: Arrival, now: Instant) -> Verdict {
        let Arrival { party, class, room } = arrival;
        let (number, until) = (self.next_ticket, now + self.settings.max_wait);
        self.next_ticket += 1;
        if let Some(lane) = self.lanes.get_mut(&party) {
            lane.wait(class, Waiting { number, until, room });
        }
        self.waiting[class.index()] += 1;
        self.waited_since.get_or_insert(now);
        let ticket = Ticket { number, arrival };
        Verdict::Waits { ticket, until }
    }

    fn waiting(&self, class: Class) -> usize {
        self.waiting[class.index()]
    }

    /// Beyond this no bulk work begins.
    fn bulk_limit(&self) -> f64 {
        (f64::from(self.limit.get()) * self.settings.bulk_share).max(1.0)
    }

    fn has_room(&self, arrival: Arrival) -> bool {
        let Arrival { party, class, room } = arrival;
        let lane = self.lanes.get(&party);
        if lane.is_some_and(|lane| !lane.would_take_room(room, self.settings.together)) {
            return true;
        }
        let (busy, limit) = (self.taken, self.limit.get());
        if self.waiting(Class::Interactive) == 0 {
            let may = match class {
                Class::Operator => true,
                Class::Interactive => busy < limit,
                Class::Bulk => f64::from(busy) < self.bulk_limit() && self.waiting(Class::Bulk) == 0,
            };
            if may {
                return true;
            }
        }
        // Whoever has less than its share does not wait for those who have more: a quarter of the limit is there for it
        // when all the rest is taken.
        let reserve = limit.div_ceil(4);
        class == Class::Interactive
            && busy < limit + reserve
            && lane.is_some_and(|lane| {
                self.has_company(lane) && lane.waiting(class) == 0 && f64::from(lane.taken) < self.share(lane)
            })
    }

    fn has_company(&self, lane: &Lane) -> bool {
        self.weights > lane.weight
    }

    /// How many of a party may be behind the gate when all ask as much as they can.
    fn share(&self, lane: &Lane) -> f64 {
        (f64::from(self.limit.get()) * lane.weight / self.weights.max(lane.weight)).max(1.0)
    }

    /// Whether it can be told now that it would take too long. So a refusal comes at once, and who may wait mostly gets
    /// through.
    fn would_wait_too_long(&self, party: Party, class: Class, now: Instant) -> bool {
        // Those who wait at a rush are served soon after it; where somebody always waits, more would only wait longer.
        let is_standing = self
            .waited_since
            .is_some_and(|since| now.saturating_duration_since(since) >= self.settings.max_wait);
        let allowed = self.settings.max_wait / if is_standing { 4 } else { 2 };
        let each = self.stay / f64::from(self.limit.get());
        if each <= 0.0 {
            return false;
        }
        let most = allowed.as_secs_f64() / each;
        let Some(own) = self.lanes.get(&party) else {
            return false;
        };
        // What its own party has before it, it has before it in any case; of others, as many as have their turn meanwhile.
        let turn = count(own.waiting(class)) + 1.0;
        if turn > most {
            return true;
        }
        let mut ahead = 0.0;
        for lane in self.lanes.values() {
            let turns = turn * lane.weight / own.weight;
            ahead += count(lane.waiting(class)).min(turns);
            if class == Class::Bulk {
                ahead += count(lane.waiting(Class::Interactive));
            }
            if ahead + 1.0 > most {
                return true;
            }
        }
        false
    }

    /// Finds a place to wait. Where all are taken, one is given up by bulk work, or else by whoever has most of them;
    /// returns whether there is one.
    fn make_place(&mut self, party: Party, class: Class, calls: &mut Vec<Call>) -> bool {
        if self.waiting.iter().sum::<usize>() < self.settings.max_waiting {
            return true;
        }
        let from = if self.waiting(Class::Bulk) > 0 {
            Class::Bulk
        } else {
            Class::Interactive
        };
        let own = self.lanes.get(&party).map_or(0, |lane| lane.waiting(class));
        let longest = self.lanes.iter().max_by_key(|(_, lane)| lane.waiting(from));
        let Some((other, length)) = longest.map(|(other, lane)| (*other, lane.waiting(from))) else {
            return false;
        };
        let is_fair = match (class, from) {
            (Class::Interactive, Class::Bulk) => true,
            (Class::Bulk, Class::Interactive) => false,
            _ => length > own + 1,
        };
        if !is_fair {
            return false;
        }
        let reason = self.reason(other);
        let last = self.lanes.get_mut(&other).and_then(|lane| lane.last(from));
        let Some(Waiting { number, room, .. }) = last else {
            return false;
        };
        self.note_gone(from);
        let arrival = Arrival {
            party: other,
            class: from,
            room,
        };
        let ticket = Ticket { number, arrival };
        let verdict = Err(self.refuse(other, from, reason));
        calls.push(Call { ticket, verdict });
        if other != party {
            self.close_lane(other);
        }
        true
    }

    fn reason(&self, party: Party) -> Reason {
        match self.lanes.get(&party) {
            Some(lane)
                if self.has_company(lane)
                    && f64::from(lane.taken) + count(lane.all_waiting()) > self.share(lane) =>
            {
                Reason::OverShare
            }
            _ => Reason::Overloaded,
        }
    }

    /// Calls whoever may go on.
    fn call(&mut self, now: Instant, calls: &mut Vec<Call>) {
        loop {
            let busy = self.taken;
            let class = if busy >= self.limit.get() {
                return;
            } else if self.waiting(Class::Interactive) > 0 {
                Class::Interactive
            } else if self.waiting(Class::Bulk) > 0 && f64::from(busy) < self.bulk_limit() {
                Class::Bulk
            } else {
                return;
            };
            let waits = self.lanes.iter().filter(|(_, lane)| lane.waiting(class) > 0);
            let next = waits.min_by(|(_, one), (_, other)| one.had.total_cmp(&other.had));
            let Some(party) = next.map(|(party, _)| *party) else {
                return;
            };
            self.call_first(party, class, now, calls);
            let together = self.settings.together;
            while let Some(lane) = self.lanes.get(&party)
                && lane.is_next_without_room(class, together)
            {
                self.call_first(party, class, now, calls);
            }
            self.close_lane(party);
        }
    }

    /// Calls the first of a party that waits.
    fn call_first(&mut self, party: Party, class: Class, now: Instant, calls: &mut Vec<Call>) {
        let first = self.lanes.get_mut(&party).and_then(|lane| lane.first(class));
        let Some(Waiting { number, until, room }) = first else {
            return;
        };
        self.note_gone(class);
        let arrival = Arrival { party, class, room };
        let ticket = Ticket { number, arrival };
        let verdict = if until <= now {
            let reason = self.reason(party);
            Err(self.refuse(party, class, reason))
        } else {
            self.waited[class.index()] += 1;
            Ok(self.admit(arrival, now))
        };
        calls.push(Call { ticket, verdict });
    }

    /// One waits no more.
    fn note_gone(&mut self, class: Class) {
        let waiting = &mut self.waiting[class.index()];
        *waiting = waiting.saturating_sub(1);
        if self.waiting.iter().sum::<usize>() == 0 {
            self.waited_since = None;
        }
    }

    fn open_lane(&mut self, party: Party) {
        if self.lanes.contains_key(&party) {
            return;
        }
        let weight = match party {
            Party::Tenant(tenant) => self.settings.weights.get(&tenant).copied().unwrap_or(1),
            Party::Strangers => 1,
        };
        let lane = Lane::new(weight, self.clock, self.stay);
        self.weights += lane.weight;
        self.lanes.insert(party, lane);
    }

    /// Forgets a party that has nothing here any more.
    fn close_lane(&mut self, party: Party) {
        let is_empty = self.lanes.get(&party).is_some_and(Lane::is_empty);
        if is_empty && let Some(lane) = self.lanes.remove(&party) {
            self.weights -= lane.weight;
        }
    }
}

fn count(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}
