//! What traces consist of, told to whoever collects them (OpenTelemetry).
//!
//! The spans of `tracing` are told, as far as they lie within a trace that is sampled: whoever begins work in one opens its
//! first span by [`work`] or by a request, and the spans below follow. Where nobody collects there are none, not even an
//! object. Spans wait in a queue that takes so many and loses the rest, so nobody ever waits for a collector.
//!
//! Attributes never have values of tenants: no texts of statements with values, no tokens, no addresses.

mod begin;
mod layer;
mod queue;

use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use opentelemetry::Context;
use opentelemetry::trace::{Span as _, TraceContextExt as _};
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

pub use layer::{Traces, TracesSettings};
pub use opentelemetry::KeyValue;
pub use opentelemetry::trace::{SpanBuilder, SpanKind, Status};
pub use queue::lost;

use crate::request::{TraceContext, TraceId};
use begin::Begins;
pub(crate) use begin::begin;
pub(crate) use layer::layer;

/// Set where spans are collected.
static TOLD: OnceLock<Told> = OnceLock::new();

#[derive(Debug)]
struct Told {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    percent: u8,
}

pub(crate) fn are_collected() -> bool {
    TOLD.get().is_some()
}

/// Whether a trace that begins here is sampled. Where nothing is collected here, others may.
pub(crate) fn samples(trace: TraceId) -> bool {
    TOLD.get().is_none_or(|told| layer::samples(told.percent, trace))
}

/// The span of work that was handed over before: where it is told, it goes on in the trace that was stored with it.
pub fn work(traceparent: Option<&str>, open: impl FnOnce() -> Span) -> Span {
    match sampled(traceparent) {
        Some((_, trace)) => begin(&trace, open),
        None => open(),
    }
}

/// Whether a trace that was stored is told of work that goes on in it.
pub fn is_told(traceparent: &str) -> bool {
    sampled(Some(traceparent)).is_some()
}

/// Tells the trace that was stored with some work of it: it is over, and took so long.
pub fn note_work(
    traceparent: Option<&str>,
    took: Duration,
    status: Status,
    describe: impl FnOnce() -> SpanBuilder,
) {
    if let Some((told, trace)) = sampled(traceparent) {
        let _at = Begins::at(trace);
        told.note(&begin::remote(&trace), took, status, describe());
    }
}

/// Tells of a part of what is under way that is over, and took so long. `describe` is asked only where that is told.
pub fn note(took: Duration, status: Status, describe: impl FnOnce() -> SpanBuilder) {
    let Some(told) = TOLD.get() else { return };
    if let Some(whole) = Context::map_current(|whole| is_sampled(whole).then(|| whole.clone())) {
        told.note(&whole, took, status, describe());
    }
}

/// The `traceparent` that lets another process go on from this span; `None`: nobody is told of it.
pub fn traceparent(span: &Span) -> Option<String> {
    if !are_collected() || span.is_disabled() {
        return None;
    }
    let context = span.context();
    let span = context.span();
    let place = span.span_context();
    place
        .is_sampled()
        .then(|| format!("00-{}-{}-01", place.trace_id(), place.span_id()))
}

/// Hands over what waits, and takes no more; gives up after so long. Blocks its thread.
pub fn shut_down(within: Duration) {
    if let Some(told) = TOLD.get()
        && let Err(error) = told.provider.shutdown_with_timeout(within)
    {
        let error: &dyn std::error::Error = &error;
        tracing::warn!(error, "spans that waited for their collector are lost");
    }
}

fn sampled(traceparent: Option<&str>) -> Option<(&'static Told, TraceContext)> {
    let told = TOLD.get()?;
    let trace = TraceContext::accept(traceparent);
    trace.is_sampled().then_some((told, trace))
}

fn is_sampled(context: &Context) -> bool {
    context.span().span_context().is_sampled()
}

impl Told {
    fn note(&self, whole: &Context, took: Duration, status: Status, part: SpanBuilder) {
        let ended = now();
        let begun = ended.checked_sub(took).unwrap_or(ended);
        let part = part.with_start_time(begun);
        let mut span = part.start_with_context(&self.tracer, whole);
        span.set_status(status);
        span.end_with_timestamp(ended);
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "spans of several processes stand on the collector's one line of time"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

#[cfg(test)]
mod tests;
