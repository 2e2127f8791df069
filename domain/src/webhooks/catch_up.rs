//! What is done when more waits for a webhook than there is room for.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use time::{Duration, OffsetDateTime};

use super::{Replay, ReplayState, WebhookId, WebhookSnapshot};
use crate::Id;
use crate::access::Actor;
use crate::events::{Aggregate, EventCursor, Recorded, Source};
use crate::store::{StoreError, UnitOfWork};

/// A room that was full is looked at again after so long: to count what waits reads all of it.
const LOOK_AGAIN: Duration = Duration::seconds(10);
/// Of so many webhooks it is remembered; of others it is counted anew.
const MOST_KNOWN: usize = 10_000;

/// How many more deliveries of each webhook may wait, as far as this process knows: what it counted once, less what it
/// has added since. What was taken since makes room, which is found out when the rest is used up.
#[derive(Debug)]
pub(super) struct Rooms {
    most_pending: u32,
    known: Mutex<HashMap<WebhookId, Room>>,
}

#[derive(Clone, Copy, Debug)]
struct Room {
    left: u32,
    counted_at: OffsetDateTime,
    /// Events were left in the log, and a replay sends them. As long as it does, all others go that way, too.
    is_behind: bool,
}

impl Rooms {
    pub(super) fn new(most_pending: u32) -> Self {
        Self {
            most_pending,
            known: Mutex::default(),
        }
    }

    /// What each of so many webhooks of a tenant has.
    pub(super) fn share(&self, webhooks: u64) -> u32 {
        share(self.most_pending, webhooks)
    }

    /// Takes a place for the delivery of an event, if there is one.
    pub(super) async fn take(
        &self,
        uow: &mut dyn UnitOfWork,
        webhook: WebhookId,
        event: EventCursor,
        share: u32,
    ) -> Result<bool, StoreError> {
        let now = uow.now();
        let known = self.known().get(&webhook).copied();
        if known.is_some_and(|room| room.is_behind) && uow.webhook_replays().extend(webhook, event).await? {
            return Ok(false);
        }
        let is_known = |room: &Room| !room.is_behind && (room.left > 0 || now - room.counted_at < LOOK_AGAIN);
        let mut room = match known.filter(is_known) {
            Some(room) => room,
            None => Room {
                left: share
                    - uow
                        .webhook_deliveries()
                        .count_pending(webhook, share)
                        .await?
                        .min(share),
                counted_at: now,
                is_behind: false,
            },
        };
        let has_room = room.left > 0;
        room.left = room.left.saturating_sub(1);
        room.is_behind = !has_room;
        let mut known = self.known();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(webhook, room);
        Ok(has_room)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<WebhookId, Room>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What each of so many webhooks of a tenant has of what may wait altogether.
pub(super) fn share(most_pending: u32, webhooks: u64) -> u32 {
    let share = u64::from(most_pending) / webhooks.max(1);
    u32::try_from(share).unwrap_or(most_pending).max(1)
}

/// Has a replay send these events, and those between: one that is running, or one that begins now.
pub(super) async fn catch_up_later(
    uow: &mut dyn UnitOfWork,
    id: WebhookId,
    first: EventCursor,
    last: EventCursor,
) -> Result<(), StoreError> {
    if uow.webhook_replays().extend(id, last).await? {
        return Ok(());
    }
    let Some(webhook) = uow.webhooks().find(id).await? else {
        return Ok(());
    };
    let replay = Replay {
        id: Id::from_uuid(uow.next_id()),
        webhook: id,
        place: EventCursor {
            position: first.position - 1,
            ..first
        },
        until: Some(last),
        is_settled: true,
        state: ReplayState::Running,
        deliveries: 0,
        created_at: uow.now(),
    };
    uow.webhook_replays()
        .insert(&replay)
        .await
        .map_err(StoreError::from)?;
    uow.jobs().enqueue(replay.job()).await?;
    uow.record(
        Recorded::new(
            "webhook_replay_started",
            Aggregate::Webhook,
            id.as_uuid(),
            Actor::System,
        )
        .by(Source::System)
        .after(&WebhookSnapshot::from(&webhook)),
    );
    Ok(())
}
