//! One client on its way through a tenant's events.
//!
//! One who comes back with the cursor it saw last is first given what the log has behind it, and then what comes.
//! Whoever is too slow for what comes goes back to the log in the same way. So nothing is missed, nothing comes twice,
//! and no more waits in memory for all clients of a tenant together than is allowed to: nothing for one that wants
//! nothing, or goes through the log.

use std::sync::OnceLock;

use actix_web::web;
use fairlead_domain::access::{Permit, ViewEvents};
use fairlead_domain::consistency::ReadIntent;
use fairlead_domain::events::{
    Envelope, Event, EventCursor, EventFilter, EventPage, EventsDropped, FollowError, Heard, LiveEvents,
    Shown,
};
use fairlead_domain::store::{StoreError, UnitOfWork};

use super::connections::{ConnectionKind, Open};
use super::turns::{Turn, Waiting};
use crate::paging::InvalidCursor;
use crate::state::Services;

/// Events that are told from the log at a time: few enough for many slow clients at once.
const STRETCH: u32 = 50;

/// What has come of a [`Follower::step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    GoesOn,
    /// The process stops.
    Closing,
    /// An operator wants it to end.
    Ended,
    /// What comes next is gone from the log; who comes back with its cursor is told so.
    Dropped,
}

/// Why nothing is told from a cursor on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubscribeError {
    #[error(transparent)]
    Dropped(#[from] EventsDropped),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whether whoever was told an event takes another one just now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    Left,
    Full,
}

pub(crate) struct Follower {
    services: web::Data<Services>,
    permit: Permit<ViewEvents>,
    open: Open,
    live: Box<dyn LiveEvents>,
    /// Which events are wanted; `None`: it has not said.
    wanted: Option<EventFilter>,
    /// All up to here was told, or not wanted.
    last: EventCursor,
    /// The place that the client was named last.
    named: EventCursor,
    /// Whether the log has more than `live` will tell.
    is_behind: bool,
    /// Events of `live` that it had no room for.
    left: usize,
    /// Its place among those that wait for their turn to read the log, and the turn when it has come.
    queued: Option<Waiting>,
    turn: Option<Turn>,
}

impl Follower {
    /// Joins those who follow. Nothing is told before it says what it wants.
    pub(crate) async fn join(
        services: web::Data<Services>,
        permit: Permit<ViewEvents>,
        kind: ConnectionKind,
    ) -> Result<Self, FollowError> {
        let tenant = permit.scope().tenant();
        let followed = services.live.follow(tenant).await?;
        let open = services.connections.open(kind, tenant, permit.actor());
        Ok(Self {
            services,
            permit,
            open,
            live: followed.events,
            wanted: None,
            last: followed.from,
            named: followed.from,
            is_behind: false,
            left: 0,
            queued: None,
            turn: None,
        })
    }

    /// Has it told what it wants from a cursor on. Without one it goes on where it is, or begins now.
    pub(crate) async fn subscribe(
        &mut self,
        wanted: EventFilter,
        from: Option<EventCursor>,
    ) -> Result<(), SubscribeError> {
        self.leave_queue();
        let place = self.live.place();
        if let Some(from) = from.filter(|from| *from != place) {
            self.look_for(from, place, &wanted).await?;
        }
        let place = self.live.hear();
        let begin = if self.wanted.is_some() { self.last } else { place };
        self.last = from.unwrap_or(begin);
        self.is_behind = self.last < place;
        if self.is_behind {
            self.live.rest();
        }
        self.open.note_subscription(Some(wanted.clone()));
        self.wanted = Some(wanted);
        Ok(())
    }

    /// Finds out whether the log has what is behind a cursor, where all up to `place` was told.
    async fn look_for(
        &mut self,
        from: EventCursor,
        place: EventCursor,
        wanted: &EventFilter,
    ) -> Result<(), SubscribeError> {
        self.ready().await;
        let _turn = self.turn.take();
        let mut uow = self.read().await?;
        if from < place {
            if from < uow.events().dropped().await? {
                return Err(EventsDropped.into());
            }
        } else {
            // One that this process has not come to is of another server, unless the process is a little behind.
            uow.events().after(wanted, Some(from), 1).await?.without_gap()?;
        }
        Ok(())
    }

    pub(crate) fn unsubscribe(&mut self) {
        self.leave_queue();
        self.wanted = None;
        self.is_behind = false;
        self.live.rest();
        self.open.note_subscription(None);
    }

    /// Goes on, and tells what is wanted of what it meets. Whoever drops this before it is done misses nothing by it.
    pub(crate) async fn step(
        &mut self,
        mut tell: impl FnMut(&Event, &Shown) -> Room,
    ) -> Result<Step, StoreError> {
        let connection = self.open.connection().clone();
        let step = tokio::select! {
            biased;
            () = connection.to_end() => Step::Ended,
            step = self.next(&mut tell) => step?,
        };
        self.open.note_place(self.left, self.is_behind);
        Ok(step)
    }

    async fn next(&mut self, tell: &mut impl FnMut(&Event, &Shown) -> Room) -> Result<Step, StoreError> {
        if self.wanted.is_none() {
            self.live.closing().await;
            return Ok(Step::Closing);
        }
        if !self.is_behind {
            return Ok(self.listen(tell).await);
        }
        // What comes while the log is read is heard, if this is the last of the log.
        self.live.hear();
        self.ready().await;
        let turn = self.turn.take();
        let page = tokio::select! {
            biased;
            () = self.live.closing() => return Ok(Step::Closing),
            page = self.stretch() => page?,
        };
        drop(turn);
        if page.is_cut {
            return Ok(Step::Dropped);
        }
        self.tell_of_log(&page, tell);
        if self.is_behind {
            self.live.rest();
        }
        Ok(Step::GoesOn)
    }

    /// Waits until the next step may read the log, or there is to be none. Whoever stops waiting keeps its place, and must
    /// [leave it](Self::leave_queue) before it waits for its client: nobody else would have the turn.
    pub(crate) async fn ready(&mut self) {
        if self.turn.is_some() {
            return;
        }
        let connection = self.open.connection().clone();
        let tenant = self.permit.scope().tenant();
        let turns = &self.services.catch_up_turns;
        let queued = self.queued.get_or_insert_with(|| turns.queue(tenant));
        let turn = tokio::select! {
            biased;
            () = connection.to_end() => return,
            () = self.live.closing() => return,
            turn = queued => turn,
        };
        self.queued = None;
        self.turn = Some(turn);
    }

    pub(crate) fn leave_queue(&mut self) {
        self.queued = None;
        self.turn = None;
    }

    /// Waits until the process stops or an operator wants it to end.
    pub(crate) async fn is_to_leave(&self) {
        tokio::select! {
            () = self.open.connection().to_end() => {}
            () = self.live.closing() => {}
        }
    }

    /// Whether the next step reads the log. It should not be dropped again and again, then: it would never come to an
    /// end where the database is slow.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// The cursor behind all that was told; `None` for one that has not said what it wants: it knows better than we
    /// where it stands.
    pub(crate) fn cursor(&mut self) -> Option<String> {
        self.wanted.as_ref()?;
        self.named = self.last;
        Some(self.seal(self.last))
    }

    /// The same, if it was not named before.
    pub(crate) fn new_cursor(&mut self) -> Option<String> {
        if self.last > self.named {
            self.cursor()
        } else {
            None
        }
    }

    /// Reads a cursor that was told in this tenant.
    pub(crate) fn open_cursor(&self, cursor: &str) -> Result<EventCursor, InvalidCursor> {
        let cursors = self.services.cursors.of(self.permit.scope());
        cursors.open_event(cursor)
    }

    pub(crate) fn services(&self) -> &Services {
        &self.services
    }

    pub(crate) fn permit(&self) -> &Permit<ViewEvents> {
        &self.permit
    }

    pub(crate) fn open(&self) -> &Open {
        &self.open
    }

    /// Reads what the log has next.
    async fn stretch(&self) -> Result<EventPage, StoreError> {
        let wanted = self
            .wanted
            .as_ref()
            .expect("whoever catches up has said what it wants");
        let mut uow = self.read().await?;
        uow.events().after(wanted, Some(self.last), STRETCH).await
    }

    /// All that `live` does not tell was committed before: the primary shows it.
    async fn read(&self) -> Result<Box<dyn UnitOfWork>, StoreError> {
        let scope = self.permit.scope();
        self.services.store.read(scope, ReadIntent::STRONG).await
    }

    fn tell_of_log(&mut self, page: &EventPage, tell: &mut impl FnMut(&Event, &Shown) -> Room) {
        for event in &page.events {
            self.last = event.cursor;
            self.named = event.cursor;
            if tell(event, &self.show(event)) == Room::Full {
                // The rest is read again.
                return;
            }
        }
        self.last = page.next;
        self.is_behind = page.has_more;
    }

    /// Waits for what comes, and tells all that is there.
    async fn listen(&mut self, tell: &mut impl FnMut(&Event, &Shown) -> Room) -> Step {
        let mut next = Some(self.live.next().await);
        self.left = 0;
        while let Some(heard) = next {
            match heard {
                Heard::Event(live) if live.event.cursor > self.last => {
                    self.last = live.event.cursor;
                    let wanted = self.wanted.as_ref();
                    if wanted.is_some_and(|wanted| wanted.matches(&live.event)) {
                        self.named = self.last;
                        let shown = live.shown.get_or_init(|| self.show(&live.event));
                        if tell(&live.event, shown) == Room::Full {
                            self.left = self.live.waiting();
                            break;
                        }
                    }
                }
                // It was read from the log.
                Heard::Event(_) => {}
                Heard::Missed => {
                    self.is_behind = true;
                    self.live.rest();
                    break;
                }
                Heard::Closing => return Step::Closing,
            }
            next = self.live.try_next();
        }
        Step::GoesOn
    }

    fn show(&self, event: &Event) -> Shown {
        Shown {
            data: Envelope(event).to_json(),
            cursor: self.seal(event.cursor),
            message: OnceLock::new(),
        }
    }

    fn seal(&self, cursor: EventCursor) -> String {
        self.services.cursors.of(self.permit.scope()).seal_event(cursor)
    }
}
