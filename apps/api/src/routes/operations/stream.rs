//! An operation as a stream: server-sent events.
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use std::fmt::Write as _;
use std::time::Duration;

use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, get};
use fairlead_domain::consistency::{ReadIntent, Workload};
use fairlead_domain::events::FollowError;
use fairlead_domain::operations::{Operation, OperationKind, OperationsPermit};
use futures_util::stream::unfold;
use tokio::time::{Instant, Interval};
use utoipa::IntoParams;

use super::view::OperationView;
use crate::Services;
use crate::authentication::{Authenticated, KeptCredential, Standing};
use crate::path::PathId;
use crate::problem::Problem;
use crate::realtime::{News, Sight, Watcher};
use crate::routes::events::stay::{self, retry};
use crate::spec::Problems;

/// A stream is never silent for longer, so that whatever stands between does not take it for dead.
const PING_EVERY: Duration = Duration::from_secs(20);
/// The id of the last event. A client that comes back with it has seen all.
const ENDED: &str = "ended";

/// What a browser sends when it comes back.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "documents a header")]
struct LastEventId {
    /// `ended`: the client has seen all, and is told not to come back.
    #[param(rename = "Last-Event-ID", nullable = false)]
    last_event_id: Option<String>,
}

/// Watch an operation as a stream.
///
/// Server-sent events: `operation` with the operation as it is now and whenever it has come on, at most four times a
/// second, and at last `ended` with the operation as it ended. The stream ends with that, with the credential, and when
/// the server stops; a client that comes back is told how the operation is then.
#[utoipa::path(
    tag = "operations",
    operation_id = "streamOperation",
    params(("id" = uuid::Uuid, Path, description = "The operation's id."), LastEventId),
    responses(
        (
            status = 200,
            description = "How the operation comes on.",
            body = String,
            content_type = "text/event-stream",
        ),
        (status = 204, description = "It has ended, and the client has seen that: do not come back."),
        Problems<FollowError>,
    ),
    extensions(("x-permit" = json!(["ImportLeads", "ExportLeads", "ScoreLeads"]))),
)]
#[get("/operations/{id}/stream")]
pub(super) async fn stream(
    request: HttpRequest,
    services: web::Data<Services>,
    caller: Authenticated,
    id: PathId<Operation>,
) -> Result<HttpResponse, Problem> {
    let permit = OperationsPermit::of(&caller.0)?;
    let intent = ReadIntent {
        consistency: services.consistency.asked(&request, permit.scope())?,
        workload: Workload::Interactive,
    };
    let mut uow = services.store.read(permit.scope(), intent).await?;
    let found = uow.operations().look(id.0, permit.kinds()).await?;
    let operation = found.ok_or_else(Problem::not_found)?;
    drop(uow);
    let last_seen = request.headers().get("last-event-id");
    if last_seen.is_some_and(|last| last == ENDED) && operation.has_ended() {
        return Ok(HttpResponse::NoContent().finish());
    }
    let stream = OperationStream {
        kind: operation.record().kind,
        credential: KeptCredential::of(&request)?,
        watcher: Watcher::join(services, &permit, operation).await?,
        ticks: stay::ticks(),
        sent: None,
        is_over: false,
    };
    Ok(stay::event_stream().streaming(Box::pin(unfold(stream, OperationStream::next))))
}

/// A stream under way.
struct OperationStream {
    kind: OperationKind,
    credential: KeptCredential,
    watcher: Watcher,
    ticks: Interval,
    /// When something was sent last; `None` before the first.
    sent: Option<Instant>,
    is_over: bool,
}

impl OperationStream {
    async fn next(mut self) -> Option<(Result<Bytes, Problem>, Self)> {
        // Whoever asks for more has taken what was there.
        self.watcher.open().note_heard();
        let mut text = String::new();
        if self.sent.is_none() {
            text = retry();
        }
        let mut events = 0;
        while events == 0 && (text.is_empty() || self.sent.is_none()) && !self.is_over {
            let news = tokio::select! {
                biased;
                _ = self.ticks.tick() => None,
                news = self.watcher.next() => Some(news),
            };
            match news {
                None => self.check(&mut text).await,
                Some(News::Sight(Sight::Is(operation))) => {
                    self.is_over = operation.has_ended();
                    tell(&operation, &mut text);
                    events = 1;
                }
                // It was cleared away, as one that ended long ago is.
                Some(News::Sight(Sight::Gone)) => self.is_over = true,
                Some(News::Leave) => {
                    text.push_str(&retry());
                    text.push('\n');
                    self.is_over = true;
                }
            }
        }
        if text.is_empty() {
            return None;
        }
        self.sent = Some(Instant::now());
        self.watcher.open().note_sent(events, text.len());
        Some((Ok(Bytes::from(text)), self))
    }

    /// Ends the stream of one who may not watch any more, and shows others that it lives.
    async fn check(&mut self, text: &mut String) {
        let kind = self.kind;
        let may =
            |caller: &_| OperationsPermit::of(caller).is_ok_and(|permit| permit.kinds().contains(&kind));
        let standing = tokio::select! {
            biased;
            // Whoever is sent away does not wait for a database that does not answer: what comes next tells why.
            () = self.watcher.is_to_leave() => return,
            standing = stay::still_may_so(&self.credential, self.watcher.services(), may) => standing,
        };
        if standing == Standing::Unknown {
            text.push_str(&retry());
            text.push_str(": whether the credential counts cannot be found out just now\n\n");
            self.is_over = true;
        } else if standing == Standing::MayNot {
            text.push_str(": the credential has expired, or was revoked\n\n");
            self.is_over = true;
        } else if self
            .sent
            .is_some_and(|sent| sent.elapsed() + stay::CHECK_EVERY > PING_EVERY)
        {
            text.push_str(": ping\n\n");
        }
    }
}

fn tell(operation: &Operation, text: &mut String) {
    let data = serde_json::to_string(&OperationView::from(operation));
    let data = data.expect("views are plain data with string keys");
    let head = if operation.has_ended() {
        format!("id: {ENDED}\nevent: ended\n")
    } else {
        "event: operation\n".to_owned()
    };
    // JSON has no line breaks.
    write!(text, "{head}data: {data}\n\n").expect("a String takes any text");
}
