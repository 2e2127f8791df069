//! The log as a stream that goes on: server-sent events.
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, get};
use fairlead_domain::access::ViewEvents;
use fairlead_domain::events::{Event, EventFilter, EventsDropped, FollowError, Shown};
use fairlead_domain::store::StoreError;
use futures_util::stream::try_unfold;
use tokio::time::{Instant, Interval};
use utoipa::IntoParams;

use super::filter::{self, EventFilterParameters};
use super::stay::{self, CHUNK, retry};
use crate::Services;
use crate::authentication::{KeptCredential, Permitted, Standing};
use crate::paging::CursorKey;
use crate::problem::{Kind, Problem};
use crate::query::{FromQuery, QueryOf, QueryReader};
use crate::realtime::{ConnectionKind, Follower, Room, Step};
use crate::spec::Problems;

/// A stream is never silent for longer, so that whatever stands between does not take it for dead.
const PING_EVERY: Duration = Duration::from_secs(20);
const LAST_EVENT_ID: &str = "last-event-id";

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
    responses(
        (
            status = 200,
            description = "The events, each as soon as it is durable.",
            body = String,
            content_type = "text/event-stream",
        ),
        Problems<FollowError>,
        Problems<EventsDropped>,
    ),
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
    let credential = KeptCredential::of(&request)?;
    let cursors = services.cursors.of(permit.scope());
    let from = cursor.map(|cursor| cursors.open_event(&cursor)).transpose()?;
    let mut follower = Follower::join(services, permit.into_inner(), ConnectionKind::Stream).await?;
    follower.subscribe(filter, from).await?;
    let stream = EventStream {
        credential,
        follower,
        ticks: stay::ticks(),
        sent: None,
        is_over: false,
    };
    Ok(stay::event_stream().streaming(Box::pin(try_unfold(stream, EventStream::next))))
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
    credential: KeptCredential,
    follower: Follower,
    ticks: Interval,
    /// When something was sent last; `None` before the first.
    sent: Option<Instant>,
    is_over: bool,
}

/// What is about to be sent.
#[derive(Default)]
struct Chunk {
    text: String,
    events: u64,
}

impl EventStream {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, Infallible> {
        // Whoever asks for more has taken what was there.
        self.follower.open().note_heard();
        let mut chunk = Chunk::default();
        if self.sent.is_none() {
            // Whoever is cut off before the first event comes back to where this begins.
            chunk.text = format!("{}id: {}\n\n", retry(), self.place());
        }
        while chunk.text.is_empty() && !self.is_over {
            if self.follower.is_behind() {
                self.catch_up(&mut chunk).await;
            } else {
                self.wait(&mut chunk).await;
            }
        }
        self.follower.leave_queue();
        if chunk.text.is_empty() {
            return Ok(None);
        }
        self.sent = Some(Instant::now());
        self.follower.open().note_sent(chunk.events, chunk.text.len());
        Ok(Some((Bytes::from(chunk.text), self)))
    }

    /// Reads a stretch of the log to its end, for one who may see it still.
    async fn catch_up(&mut self, chunk: &mut Chunk) {
        tokio::select! {
            biased;
            _ = self.ticks.tick() => return self.check(chunk).await,
            () = self.follower.ready() => {}
        }
        let step = self.follower.step(|event, shown| chunk.add(event, shown)).await;
        self.heed(step, chunk);
    }

    /// Waits for what comes.
    async fn wait(&mut self, chunk: &mut Chunk) {
        let step = tokio::select! {
            biased;
            _ = self.ticks.tick() => return self.check(chunk).await,
            step = self.follower.step(|event, shown| chunk.add(event, shown)) => step,
        };
        self.heed(step, chunk);
    }

    fn heed(&mut self, step: Result<Step, StoreError>, chunk: &mut Chunk) {
        match step {
            Ok(Step::GoesOn) => {}
            Ok(Step::Closing | Step::Ended | Step::Dropped) => self.send_away(None, chunk),
            Err(error) => {
                let connection = self.follower.open().connection();
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, connection.id = %connection.id, "a client cannot be told of events");
                self.send_away(Some("the events cannot be read just now"), chunk);
            }
        }
    }

    /// Has the client come back later, and tells it from where to go on: it may have come far without an event.
    fn send_away(&mut self, why: Option<&str>, Chunk { text, .. }: &mut Chunk) {
        writeln!(text, "{}id: {}", retry(), self.place()).expect("a String takes any text");
        if let Some(why) = why {
            writeln!(text, ": {why}").expect("a String takes any text");
        }
        text.push('\n');
        self.is_over = true;
    }

    fn place(&mut self) -> String {
        let cursor = self.follower.cursor();
        cursor.expect("a stream says what it wants before it begins")
    }

    /// Ends the stream of one who may not follow any more, and shows others that it lives.
    async fn check(&mut self, chunk: &mut Chunk) {
        if self.is_over {
            return;
        }
        let standing = tokio::select! {
            biased;
            // Whoever is sent away does not wait for a database that does not answer: the next step tells why.
            () = self.follower.is_to_leave() => return,
            standing = stay::still_may(&self.credential, self.follower.services()) => standing,
        };
        if standing == Standing::Unknown {
            self.send_away(
                Some("whether the credential counts cannot be found out just now"),
                chunk,
            );
        } else if standing == Standing::MayNot {
            chunk
                .text
                .push_str(": the credential has expired, or was revoked\n\n");
            self.is_over = true;
        } else if self
            .sent
            .is_some_and(|sent| sent.elapsed() + stay::CHECK_EVERY > PING_EVERY)
        {
            // With the id: whoever wants few events need not be given the others again to see that they are none.
            write!(chunk.text, "id: {}\n: ping\n\n", self.place()).expect("a String takes any text");
        }
    }
}

impl Chunk {
    fn add(&mut self, event: &Event, shown: &Shown) -> Room {
        let Event { event_type, .. } = event;
        let Shown { data, cursor, .. } = shown;
        // JSON has no line breaks.
        write!(self.text, "id: {cursor}\nevent: {event_type}\ndata: {data}\n\n")
            .expect("a String takes any text");
        self.events += 1;
        if self.text.len() < CHUNK {
            Room::Left
        } else {
            Room::Full
        }
    }
}
