//! The first span of a trace's work here, at the place that was given to it before.

use std::cell::Cell;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::request::TraceContext;

thread_local! {
    /// The place of the span that this thread begins.
    static PLACE: Cell<Option<TraceContext>> = const { Cell::new(None) };
}

/// Opens a span at this place of a trace that is sampled, whatever else is under way.
pub(crate) fn begin(place: &TraceContext, open: impl FnOnce() -> Span) -> Span {
    let _around = remote(place).attach();
    let _begins = Begins::at(*place);
    let span = open();
    // Its ids are taken now, and not when it is entered.
    let _ = span.context();
    span
}

pub(super) fn is_beginning() -> bool {
    PLACE.get().is_some()
}

/// What the span of this place is a part of: the span of another process, if it is of any.
pub(super) fn remote(place: &TraceContext) -> Context {
    let Some(parent) = place.parent() else {
        return Context::new();
    };
    Context::new().with_remote_span_context(SpanContext::new(
        place.trace_id().get().into(),
        parent.get().into(),
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    ))
}

/// For as long as it is there, the span that is begun is at this place.
pub(super) struct Begins;

impl Begins {
    pub(super) fn at(place: TraceContext) -> Self {
        PLACE.set(Some(place));
        Self
    }
}

impl Drop for Begins {
    fn drop(&mut self) {
        PLACE.set(None);
    }
}

/// Takes the ids of a place that others have been told; all others are random.
#[derive(Debug, Default)]
pub(super) struct Ids(RandomIdGenerator);

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        PLACE
            .get()
            .map_or_else(|| self.0.new_trace_id(), |place| place.trace_id().get().into())
    }

    fn new_span_id(&self) -> SpanId {
        PLACE
            .get()
            .map_or_else(|| self.0.new_span_id(), |place| place.span_id().get().into())
    }
}
