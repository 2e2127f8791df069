//! What traces consist of, told to whoever collects them (OTLP).
//!
//! Parts of a request are noted while it is worked on, and handed over together when it is over: to a queue that takes so many
//! and loses the rest, so nobody ever waits for a collector. Where nobody collects, nothing is noted.

mod collected;
mod otlp;
mod span;

use std::borrow::Cow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

pub(crate) use collected::Collected;
pub use span::{Attribute, Span, SpanKind};

use crate::request::{TraceContext, TraceId};

/// As many spans go at once, and so long is waited for more.
const MOST_AT_ONCE: usize = 512;
const WAIT_FOR_MORE: Duration = Duration::from_secs(1);

static TOLD: OnceLock<Told> = OnceLock::new();

struct Told {
    queue: mpsc::Sender<Span>,
    percent: u8,
    lost: AtomicU64,
}

/// Spans that are to be collected.
#[derive(Debug)]
pub struct Spans {
    queue: mpsc::Receiver<Span>,
    resource: Vec<(&'static str, String)>,
}

/// Has spans noted from now on: of so many of a hundred traces that begin here, and of those that others want sampled. At most
/// `queued` wait to be collected. `None`: somebody else of this process collects them already.
pub fn collect(percent: u8, queued: usize, resource: Vec<(&'static str, String)>) -> Option<Spans> {
    let (sender, receiver) = mpsc::channel(queued.max(1));
    let told = Told {
        queue: sender,
        percent,
        lost: AtomicU64::new(0),
    };
    TOLD.set(told).ok()?;
    Some(Spans {
        queue: receiver,
        resource,
    })
}

/// Takes note of spans that their collector did not take.
pub fn note_lost(count: usize) {
    if let Some(told) = TOLD.get() {
        told.lost.fetch_add(count as u64, Ordering::Relaxed);
    }
}

/// How many spans came to no collector, since the start: there was no room for them, or they were not taken.
pub fn lost() -> u64 {
    TOLD.get().map_or(0, |told| told.lost.load(Ordering::Relaxed))
}

/// Whether a trace that begins here is sampled. Where nothing is collected here, others may.
pub(crate) fn samples(trace: TraceId) -> bool {
    TOLD.get()
        .is_none_or(|told| trace.get() % 100 < u128::from(told.percent))
}

pub(crate) fn are_collected() -> bool {
    TOLD.get().is_some()
}

/// Hands spans over; what there is no room for is lost, and counted.
pub(crate) fn tell(spans: impl IntoIterator<Item = Span>) {
    let Some(told) = TOLD.get() else { return };
    for span in spans {
        // Full, or closed with the server that is told.
        if told.queue.try_send(span).is_err() {
            told.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Tells of work that was done behind a request, in the trace of that; `traceparent` is what was stored with it.
pub fn tell_work(
    traceparent: Option<&str>,
    name: impl FnOnce() -> Cow<'static, str>,
    took: Duration,
    attributes: Vec<(&'static str, Attribute)>,
    has_failed: bool,
) {
    if !are_collected() {
        return;
    }
    let trace = TraceContext::accept(traceparent);
    if !trace.is_sampled() {
        return;
    }
    tell([Span {
        trace_id: trace.trace_id(),
        id: trace.span_id(),
        parent: trace.parent(),
        name: name(),
        kind: SpanKind::Consumer,
        began: collected::now().saturating_sub(took),
        took,
        attributes,
        has_failed,
    }]);
}

impl Spans {
    /// The next ones, as an `ExportTraceServiceRequest` of Protocol Buffers, and how many they are; waits for the first, and
    /// a moment for more.
    pub async fn next(&mut self) -> Option<(Vec<u8>, usize)> {
        let mut spans = vec![self.queue.recv().await?];
        let more = async {
            while spans.len() < MOST_AT_ONCE {
                match self.queue.recv().await {
                    Some(span) => spans.push(span),
                    None => break,
                }
            }
        };
        // Those that came by then are there.
        let _ = timeout(WAIT_FOR_MORE, more).await;
        Some((otlp::request(&self.resource, &spans), spans.len()))
    }
}
