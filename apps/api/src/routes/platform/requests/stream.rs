//! What a process measures, as a stream: server-sent events.
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>

use actix_web::web::{self, Bytes};
use actix_web::{HttpRequest, HttpResponse, get};
use futures_util::stream::unfold;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Interval;

use super::dashboard::DashboardView;
use crate::Services;
use crate::authentication::{KeptCredential, Operator, Standing};
use crate::performance::LIVE_STREAMS;
use crate::problem::{Kind, Problem};
use crate::routes::events::stay;
use crate::spec::{Problematic, Problems};

/// As many streams are open as may be.
#[derive(Debug)]
struct NoPlace;

impl From<NoPlace> for Problem {
    fn from(_: NoPlace) -> Self {
        let detail = format!("{LIVE_STREAMS} streams of figures are open at this process; close one of them");
        Self::client(Kind::TooManyStreams, detail).retry_after(10)
    }
}

impl Problematic for NoPlace {
    const KINDS: &'static [Kind] = &[Kind::TooManyStreams];
}

/// Follow how this process fares, as a stream.
///
/// Server-sent events: `dashboard`, at once and every three seconds, with what the dashboard tells. The stream ends with the
/// credential, and when the server stops; a client that comes back misses nothing but the time between. Nothing is asked of
/// the database.
#[utoipa::path(
    tag = "platform",
    operation_id = "streamPerformance",
    responses(
        (
            status = 200,
            description = "How the process fares.",
            body = String,
            content_type = "text/event-stream",
        ),
        Problems<NoPlace>,
    ),
    extensions(("x-permit" = json!("Operator"))),
)]
#[get("/performance/stream")]
pub(super) async fn stream(
    request: HttpRequest,
    services: web::Data<Services>,
    _operator: Operator,
) -> Result<HttpResponse, Problem> {
    let places = services.performance.live_streams.clone();
    let place = places.try_acquire_owned().map_err(|_| NoPlace)?;
    let stream = Figures {
        credential: KeptCredential::of(&request)?,
        services,
        // As often as the credential is looked at.
        ticks: stay::ticks(),
        is_first: true,
        is_over: false,
        _place: place,
    };
    Ok(stay::event_stream().streaming(Box::pin(unfold(stream, Figures::next))))
}

/// A stream under way.
struct Figures {
    services: web::Data<Services>,
    credential: KeptCredential,
    ticks: Interval,
    is_first: bool,
    is_over: bool,
    /// Of so many.
    _place: OwnedSemaphorePermit,
}

impl Figures {
    /// Waits until there is something to tell again, and finds out whether it may be told.
    async fn turn(
        ticks: &mut Interval,
        is_first: bool,
        credential: &KeptCredential,
        services: &Services,
    ) -> Standing {
        ticks.tick().await;
        if is_first {
            return Standing::May;
        }
        stay::still_operates(credential, services).await
    }

    async fn next(mut self) -> Option<(Result<Bytes, Problem>, Self)> {
        if self.is_over {
            return None;
        }
        let mut closed = self.services.performance.closed();
        let (is_closed, standing) = tokio::select! {
            biased;
            // Its sender is in the services, which are here. Nobody waits for a check when the server stops.
            _ = closed.wait_for(|closed| *closed) => (true, Standing::May),
            standing = Self::turn(&mut self.ticks, self.is_first, &self.credential, &self.services) => (false, standing),
        };
        let retry = stay::retry();
        let mut text = String::new();
        if self.is_first || is_closed {
            text.push_str(&retry);
        }
        self.is_over = is_closed;
        self.is_first = false;
        match standing {
            Standing::May if is_closed => text.push('\n'),
            Standing::May => {
                let figures = serde_json::to_string(&DashboardView::new(&self.services));
                let figures = figures.expect("views are plain data with string keys");
                // JSON has no line breaks.
                text.push_str("event: dashboard\ndata: ");
                text.push_str(&figures);
                text.push_str("\n\n");
            }
            Standing::Unknown => {
                text.push_str(&retry);
                text.push_str(": whether the credential counts cannot be found out just now\n\n");
                self.is_over = true;
            }
            Standing::MayNot => {
                text.push_str(": the credential has expired, or was revoked\n\n");
                self.is_over = true;
            }
        }
        Some((Ok(Bytes::from(text)), self))
    }
}
