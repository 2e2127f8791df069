use async_trait::async_trait;
use uuid::Uuid;

use super::{Aggregate, Event, EventCursor};
use crate::store::StoreError;

/// Which events of a tenant are wanted.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    /// Of these types; all, when there are none.
    pub types: Vec<String>,
    pub aggregate: Option<AggregateFilter>,
}

/// Events about one kind of thing, or about one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AggregateFilter {
    pub aggregate: Aggregate,
    pub id: Option<Uuid>,
}

impl EventFilter {
    pub fn matches(&self, event: &Event) -> bool {
        let is_about = |wanted: AggregateFilter| {
            wanted.aggregate.as_str() == event.aggregate_type
                && wanted.id.is_none_or(|id| id == event.aggregate_id)
        };
        (self.types.is_empty() || self.types.contains(&event.event_type))
            && self.aggregate.is_none_or(is_about)
    }
}

/// A stretch of a tenant's log.
#[derive(Clone, Debug)]
pub struct EventPage {
    /// In the order of their cursors.
    pub events: Vec<Event>,
    /// Where the next stretch begins. Never before the cursor that was given.
    pub next: EventCursor,
    /// Whether there are more already.
    pub has_more: bool,
    /// Whether some behind the cursor that was given are gone, because they were older than events are kept.
    pub is_cut: bool,
}

impl EventPage {
    /// For those who may not miss an event.
    pub fn without_gap(self) -> Result<Self, EventsDropped> {
        if self.is_cut { Err(EventsDropped) } else { Ok(self) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "events behind this cursor are gone: they were older than events are kept, or their log has begun anew"
)]
pub struct EventsDropped;

/// The log of one tenant.
#[async_trait]
pub trait Events: Send {
    /// Reads up to `limit` events behind `after`, the oldest first; `None`: behind all that was dropped.
    ///
    /// What is still being committed, and all behind it, is left for the next time, so a caller that goes on at
    /// [`EventPage::next`] meets each event once.
    ///
    /// Looks at no more than some thousands of events, wanted or not, so that it takes no longer where few are wanted of
    /// many. A page with fewer than `limit`, or none, may have more behind it: it says so.
    async fn after(
        &mut self,
        filter: &EventFilter,
        after: Option<EventCursor>,
        limit: u32,
    ) -> Result<EventPage, StoreError>;

    /// The place of the last event that is gone because it was older than events are kept; before all events where
    /// nothing is.
    async fn dropped(&mut self) -> Result<EventCursor, StoreError>;

    /// One event, wherever in the log it is.
    async fn find(&mut self, id: Uuid) -> Result<Option<Event>, StoreError>;

    /// Those of `ids` that are kept, in the order of their cursors.
    async fn find_all(&mut self, ids: &[Uuid]) -> Result<Vec<Event>, StoreError>;
}
