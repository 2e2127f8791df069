use std::borrow::Cow;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::{Attribute, Span, SpanKind, are_collected, tell};
use crate::request::TraceContext;

/// As many parts of a request are told; there are fewer, unless it goes round in circles.
const MOST: usize = 128;

/// What a request consists of, told when this value is dropped.
#[derive(Debug)]
pub(crate) struct Collected {
    trace: TraceContext,
    since: Instant,
    /// The same moment, since 1970-01-01.
    began: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    name: Cow<'static, str>,
    attributes: Vec<(&'static str, Attribute)>,
    kind: Option<SpanKind>,
    has_failed: bool,
    /// Until it was described; it may be held for longer.
    took: Duration,
    parts: Vec<Span>,
    left_out: i64,
}

impl Collected {
    /// `None`: nobody wants to know.
    pub(crate) fn of(trace: &TraceContext) -> Option<Box<Self>> {
        (are_collected() && trace.is_sampled()).then(|| {
            Box::new(Self {
                trace: *trace,
                since: Instant::now(),
                began: now(),
                state: Mutex::default(),
            })
        })
    }

    /// Says what it is, for those who group traces: without ids.
    pub(crate) fn describe(
        &self,
        name: Cow<'static, str>,
        kind: SpanKind,
        attributes: Vec<(&'static str, Attribute)>,
        has_failed: bool,
    ) {
        let mut state = self.lock();
        state.name = name;
        state.kind = Some(kind);
        state.attributes = attributes;
        state.has_failed = has_failed;
        state.took = self.since.elapsed();
    }

    /// Takes note of a part that is over now.
    pub(crate) fn note(&self, mut part: Span, took: Duration) {
        part.began = (self.began + self.since.elapsed()).saturating_sub(took);
        part.took = took;
        let mut state = self.lock();
        if state.parts.len() < MOST {
            state.parts.push(part);
        } else {
            state.left_out += 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Collected {
    fn drop(&mut self) {
        let state = std::mem::take(&mut *self.lock());
        // What nobody has described is a part of something else.
        let whole = state.kind.map(|kind| {
            let mut attributes = state.attributes;
            if state.left_out > 0 {
                attributes.push(("fairlead.spans.left_out", state.left_out.into()));
            }
            Span {
                trace_id: self.trace.trace_id(),
                id: self.trace.span_id(),
                parent: self.trace.parent(),
                name: state.name,
                kind,
                began: self.began,
                took: state.took,
                attributes,
                has_failed: state.has_failed,
            }
        });
        if whole.is_some() {
            tell(whole.into_iter().chain(state.parts));
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "spans of several processes stand on the collector's one line of time"
)]
pub(super) fn now() -> Duration {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
}
