use std::collections::VecDeque;
use std::time::Instant;

use super::{Class, Room, Together};

/// How much of the way the usual cost of a party's requests moves with each.
const LEARN: f64 = 0.1;

/// What one party has behind the gate and in front of it.
///
/// There is a lane for as long as there is either, so lanes are no more than requests.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) weight: f64,
    /// How much room it takes behind the gate.
    pub(super) taken: u32,
    /// Those behind the gate that share room.
    sharing: u32,
    /// What it has had, in seconds behind the gate for each unit of weight, on the clock that all lanes share: start-time
    /// fair queuing (Goyal, Vin, Cheng: Start-time Fair Queuing, 1996), charged again when a request's true cost is known.
    pub(super) had: f64,
    /// What a request of it usually takes, in seconds.
    cost: f64,
    waiting: [VecDeque<Waiting>; Class::COUNT],
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    pub(super) number: u64,
    pub(super) until: Instant,
    pub(super) room: Room,
}

impl Lane {
    /// A party that comes has no claim to what it did not ask for before.
    pub(super) fn new(weight: u32, clock: f64, cost: f64) -> Self {
        Self {
            weight: f64::from(weight.max(1)),
            taken: 0,
            sharing: 0,
            had: clock,
            cost,
            waiting: Default::default(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.taken == 0 && self.waiting.iter().all(VecDeque::is_empty)
    }

    pub(super) fn waiting(&self, class: Class) -> usize {
        self.waiting[class.index()].len()
    }

    pub(super) fn all_waiting(&self) -> usize {
        self.waiting.iter().map(VecDeque::len).sum()
    }

    pub(super) fn wait(&mut self, class: Class, waiting: Waiting) {
        self.waiting[class.index()].push_back(waiting);
    }

    pub(super) fn first(&mut self, class: Class) -> Option<Waiting> {
        self.waiting[class.index()].pop_front()
    }

    /// Whoever came last.
    pub(super) fn last(&mut self, class: Class) -> Option<Waiting> {
        self.waiting[class.index()].pop_back()
    }

    /// Takes one out, wherever it stands; returns whether it was there.
    pub(super) fn withdraw(&mut self, class: Class, number: u64) -> bool {
        let waiting = &mut self.waiting[class.index()];
        let place = waiting.iter().position(|waiting| waiting.number == number);
        place.and_then(|place| waiting.remove(place)).is_some()
    }

    /// Whether one more would take room.
    pub(super) fn would_take_room(&self, room: Room, together: Together) -> bool {
        match room {
            Room::Own => true,
            Room::Shared => together.takes_room(self.sharing + 1),
        }
    }

    /// Whether the first that waits would take none.
    pub(super) fn is_next_without_room(&self, class: Class, together: Together) -> bool {
        let next = self.waiting[class.index()].front();
        next.is_some_and(|next| !self.would_take_room(next.room, together))
    }

    /// Lets one in; returns whether it takes room.
    pub(super) fn enter(&mut self, room: Room, together: Together) -> bool {
        let takes_room = self.would_take_room(room, together);
        self.sharing += u32::from(room == Room::Shared);
        self.taken += u32::from(takes_room);
        takes_room
    }

    /// Lets one out; returns whether that leaves room.
    pub(super) fn leave(&mut self, room: Room, together: Together) -> bool {
        self.sharing -= u32::from(room == Room::Shared);
        // As if it had been the last to come.
        let leaves_room = self.would_take_room(room, together);
        self.taken -= u32::from(leaves_room);
        leaves_room
    }

    /// Charges what one usually takes; returns the charge, and where the clock stands now.
    pub(super) fn charge_ahead(&mut self, clock: f64) -> (f64, f64) {
        let start = self.had.max(clock);
        self.had = start + self.cost / self.weight;
        (self.cost, start)
    }

    /// Charges what one has taken that was `charged` ahead.
    pub(super) fn charge(&mut self, charged: f64, seconds: f64) {
        self.had += (seconds - charged) / self.weight;
        self.cost += (seconds - self.cost) * LEARN;
    }
}
