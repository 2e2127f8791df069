use actix_web::{HttpResponse, get};
use async_trait::async_trait;
use fairlead_domain::access::ViewEvents;
use fairlead_domain::cache::{CacheKey, Tag};
use fairlead_domain::events::{EventFilter, EventsDropped};
use fairlead_domain::paging::{DEFAULT_LIMIT, MAX_LIMIT};
use utoipa::IntoParams;

use super::filter::{self, EventFilterParameters};
use super::view::{EventView, EventsView};
use crate::paging::CursorKey;
use crate::problem::Problem;
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::read::{Question, Read, Reading};
use crate::representation::Representation;
use crate::spec::{IfNoneMatch, Problems};

/// What an [`EventsQuery`] is read from beside the filter, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
struct EventsParameters {
    /// Where to go on: `nextCursor` of an answer before. Without it the log is read from the oldest event that is kept.
    #[param(
        min_length = 44,
        max_length = 44,
        pattern = "^[A-Za-z0-9_-]{44}$",
        nullable = false
    )]
    cursor: Option<String>,
    /// How many events are answered at the most.
    #[param(minimum = 1, maximum = 200, default = 50, nullable = false)]
    limit: Option<u32>,
}

/// Which events are wanted, from where on.
#[derive(Debug)]
pub(super) struct EventsQuery {
    filter: EventFilter,
    cursor: Option<String>,
    limit: u32,
}

impl FromQuery for EventsQuery {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            filter: filter::read(query),
            cursor: query.text("cursor", CursorKey::EVENTS_LENGTH),
            limit: query.integer("limit", 1..=MAX_LIMIT).unwrap_or(DEFAULT_LIMIT),
        }
    }
}

#[async_trait]
impl Question for EventsQuery {
    fn key(&self) -> Option<CacheKey> {
        // Whoever asks again asks for what is new.
        None
    }

    fn tags(&self) -> Vec<Tag> {
        Vec::new()
    }

    async fn load(&self, from: &mut Reading<'_>) -> Result<Representation, Problem> {
        let after = self.cursor.as_ref();
        let after = after.map(|cursor| from.cursors.open_event(cursor)).transpose()?;
        let page = from.uow.events().after(&self.filter, after, self.limit).await?;
        let page = page.without_gap()?;
        Ok(Representation::by_digest(&EventsView {
            next_cursor: from.cursors.seal_event(page.next),
            has_more: page.has_more,
            items: page.events.into_iter().map(EventView).collect(),
        }))
    }
}

/// Follow the log of events.
///
/// The events of the tenant as CloudEvents, the oldest first, and what was done upon a change behind it. `nextCursor`
/// is always there: ask again with it, and you get what has happened since.
///
/// A page looks at some thousands of events at the most. Where few of them are wanted it may have fewer than `limit`, or
/// none, and say by `hasMore` that there are more to look at: go on from `nextCursor`.
#[utoipa::path(
    tag = "events",
    operation_id = "listEvents",
    params(EventFilterParameters, EventsParameters, IfNoneMatch),
    responses(
        (status = 200, description = "A stretch of the log.", body = EventsView),
        Problems<EventsDropped>,
    ),
    extensions(("x-permit" = json!("ViewEvents"))),
)]
#[get("/events")]
pub(super) async fn list(
    read: Read<ViewEvents>,
    query: QueryOf<EventsQuery>,
) -> Result<HttpResponse, Problem> {
    read.answer(query.0).await
}
