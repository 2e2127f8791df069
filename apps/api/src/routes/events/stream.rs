//! The log as a stream that goes on: server-sent events.
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>
//!
//! One who comes back with the id it saw last is first given what the log has behind it, and then what comes. Whoever
//! is too slow for what comes goes back to the log in the same way. So nothing is missed, nothing comes twice, and
//! no more than a few hundred events wait in memory, for all clients of a tenant together.

use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::time::Duration;

use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, get};
use fairlead_domain::access::{Permit, ViewEvents};
use fairlead_domain::consistency::ReadIntent;
use fairlead_domain::events::{Envelope, Event, EventCursor, EventFilter, Heard, LiveEvents};
use futures_util::FutureExt as _;
use futures_util::stream::try_unfold;
use tokio::time::{Instant, MissedTickBehavior, interval};
use utoipa::IntoParams;

use super::filter::{self, EventFilterParameters};
use crate::Services;
use crate::authentication::{Permitted, still_may};
use crate::paging::CursorKey;
use crate::problem::{Kind, Problem};
use crate::query::{FromQuery, QueryOf, QueryReader};

/// Whether the credential still counts is asked so often: a session that ends anywhere ends its streams within 5 s.
const CHECK_EVERY: Duration = Duration::from_secs(3);
/// Events that are read from the log at a time: few enough for many slow clients at once.
const STRETCH: u32 = 50;
/// A stream is never silent for longer, so that whatever stands between does not take it for dead.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Events that are there already are sent together up to so many bytes.
const CHUNK: usize = 32 << 10;
const LAST_EVENT_ID: &str = "last-event-id";
const MEDIA_TYPE: &str = "text/event-stream";
/// How long a client waits before it comes back, in milliseconds: not all of them as long, who are sent away together.
const RETRY_MS: RangeInclusive<u32> = 500..=3_000;

/// What a [`StreamQuery`] is read from beside the filter, for the specification.
#[derive(IntoParams)]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
#[expect(dead_code, reason = "documents parameters")]
struct StreamParameters {
    /// Where to begin: `nextCursor` of the log, or an id of the stream. Without it the stream begins now.
    #[param(
        min_length = 44,
        max_length = 44,
        pattern = "^[A-Za-z0-9_-]{44}$",
        nullable = false
    )]
    cursor: Option<String>,
}

/// What a browser sends when it comes back.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "documents a header")]
struct LastEventId {
    /// The id of the last event that was seen; it counts before `cursor`.
    #[param(
        rename = "Last-Event-ID",
        min_length = 44,
        max_length = 44,
        pattern = "^[A-Za-z0-9_-]{44}$",
        nullable = false
    )]
    last_event_id: Option<String>,
}

#[derive(Debug)]
pub(super) struct StreamQuery {
    filter: EventFilter,
    cursor: Option<String>,
}

impl FromQuery for StreamQuery {
    fn read(query: &mut QueryReader) -> Self {
        Self {
            filter: filter::read(query),
            cursor: query.text("cursor", CursorKey::EVENTS_LENGTH),
        }
    }
}

/// Follow the log as a stream.
///
/// Server-sent events: each has the type of the event, the event in the envelope of the log, and an id to come back
/// with. The stream ends when the credential does, and when the server stops; a client that comes back with the last id
/// misses nothing.
#[utoipa::path(
    tag = "events",
    operation_id = "streamEvents",
    params(EventFilterParameters, StreamParameters, LastEventId),
    responses((
        status = 200,
        description = "The events, each as soon as it is durable.",
        body = String,
        content_type = "text/event-stream",
    )),
    extensions(("x-permit" = json!("ViewEvents"))),
)]
#[get("/events/stream")]
pub(super) async fn stream(
    request: HttpRequest,
    services: web::Data<Services>,
    permit: Permitted<ViewEvents>,
    query: QueryOf<StreamQuery>,
) -> Result<HttpResponse, Problem> {
    let StreamQuery { filter, cursor } = query.0;
    let cursor = last_event_id(&request)?.or(cursor);
    let cursors = services.cursors.of(permit.scope());
    let from = cursor.map(|cursor| cursors.open_event(&cursor)).transpose()?;
    let followed = services.live.follow(permit.scope().tenant()).await?;
    let mut ticks = interval(CHECK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stream = EventStream {
        request,
        services,
        permit: permit.into_inner(),
        filter,
        last: from.unwrap_or(followed.from),
        is_behind: from.is_some_and(|from| from < followed.from),
        live: followed.events,
        ticks,
        sent: None,
        is_over: false,
    };
    Ok(HttpResponse::Ok()
        .content_type(MEDIA_TYPE)
        .insert_header((header::CACHE_CONTROL, "no-store"))
        // nginx would gather what should go out at once.
        .insert_header(("x-accel-buffering", "no"))
        .streaming(Box::pin(try_unfold(stream, EventStream::next))))
}

fn retry() -> String {
    format!("retry: {}\n", rand::random_range(RETRY_MS))
}

fn last_event_id(request: &HttpRequest) -> Result<Option<String>, Problem> {
    let Some(value) = request.headers().get(LAST_EVENT_ID) else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(id) => Ok(Some(id.to_owned())),
        Err(_) => Err(Problem::bare(Kind::InvalidCursor)),
    }
}

/// A stream under way.
struct EventStream {
    /// Holds the credential.
    request: HttpRequest,
    services: web::Data<Services>,
    permit: Permit<ViewEvents>,
    filter: EventFilter,
    /// All up to here was sent, or not wanted.
    last: EventCursor,
    /// Whether the log has more than `live` will tell.
    is_behind: bool,
    live: Box<dyn LiveEvents>,
    ticks: tokio::time::Interval,
    /// When something was sent last; `None` before the first.
    sent: Option<Instant>,
    is_over: bool,
}

impl EventStream {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, Problem> {
        let mut text = String::new();
        if self.sent.is_none() {
            // Whoever is cut off before the first event comes back to where this begins.
            text = format!("{}id: {}\n\n", retry(), self.seal(self.last));
        }
        while text.is_empty() && !self.is_over {
            if self.is_behind && self.live.is_closing() {
                self.send_away(&mut text);
            } else if self.is_behind {
                self.catch_up(&mut text).await?;
                if self.ticks.tick().now_or_never().is_some() {
                    self.check(&mut text).await;
                }
            } else {
                self.listen(&mut text).await;
            }
        }
        if text.is_empty() {
            return Ok(None);
        }
        self.sent = Some(Instant::now());
        Ok(Some((Bytes::from(text), self)))
    }

    /// Writes what the log has, a stretch at a time.
    async fn catch_up(&mut self, text: &mut String) -> Result<(), Problem> {
        // All that `live` does not tell was committed before: the primary shows it.
        let scope = self.permit.scope();
        let mut uow = self.services.store.read(scope, ReadIntent::STRONG).await?;
        let page = uow.events().after(&self.filter, self.last, STRETCH).await?;
        drop(uow);
        for event in &page.events {
            self.write(event, text);
        }
        self.last = page.next;
        self.is_behind = page.has_more;
        Ok(())
    }

    /// Waits for what comes, and writes it.
    async fn listen(&mut self, text: &mut String) {
        let heard = tokio::select! {
            biased;
            _ = self.ticks.tick() => {
                self.check(text).await;
                return;
            }
            heard = self.live.next() => heard,
        };
        let mut next = Some(heard);
        while let Some(heard) = next {
            match heard {
                Heard::Event(event) if event.cursor > self.last => {
                    self.last = event.cursor;
                    if self.filter.matches(&event) {
                        self.write(&event, text);
                    }
                }
                // It was read from the log.
                Heard::Event(_) => {}
                Heard::Missed => {
                    self.is_behind = true;
                    return;
                }
                Heard::Closing => {
                    self.send_away(text);
                    return;
                }
            }
            next = (text.len() < CHUNK)
                .then(|| self.live.next().now_or_never())
                .flatten();
        }
    }

    fn send_away(&mut self, text: &mut String) {
        text.push_str(&retry());
        text.push('\n');
        self.is_over = true;
    }

    /// Ends the stream of one who may not follow any more, and shows others that it lives.
    async fn check(&mut self, text: &mut String) {
        if !still_may::<ViewEvents>(&self.request, &self.services).await {
            text.push_str(": the credential has expired, or was revoked\n\n");
            self.is_over = true;
        } else if self
            .sent
            .is_some_and(|sent| sent.elapsed() + CHECK_EVERY > PING_EVERY)
        {
            // With the id: whoever wants few events need not be given the others again to see that they are none.
            write!(text, "id: {}\n: ping\n\n", self.seal(self.last)).expect("a String takes any text");
        }
    }

    fn write(&self, event: &Event, text: &mut String) {
        let id = self.seal(event.cursor);
        let Event { event_type, .. } = event;
        // JSON has no line breaks.
        let data = Envelope(event).to_json();
        write!(text, "id: {id}\nevent: {event_type}\ndata: {data}\n\n").expect("a String takes any text");
    }

    fn seal(&self, cursor: EventCursor) -> String {
        self.services.cursors.of(self.permit.scope()).seal_event(cursor)
    }
}
