use std::sync::{Arc, Mutex};

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;

const SENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

/// Returns what is told while `work` is done; of traces that begin here, all would be.
fn told(work: impl FnOnce()) -> Vec<SpanData> {
    let kept = Kept::default();
    let settings = TracesSettings {
        percent: 100,
        queue: 64,
        resource: Vec::new(),
    };
    let traces = Traces::new(kept.clone(), settings);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer(&traces)), work);
    traces.0.provider.force_flush().unwrap();
    kept.0.lock().unwrap().clone()
}

#[test]
fn the_first_span_is_at_the_place_that_others_were_told_and_the_next_are_its_parts() {
    let place = TraceContext::continue_from(SENT).unwrap();

    let spans = told(|| {
        let first = begin(&place, || tracing::debug_span!("first", otel.kind = "server"));
        let _entered = first.enter();
        let _part = tracing::debug_span!("part", rows = 3).entered();
        tracing::info!("events are for the log");
    });

    let [part, first] = &spans[..] else {
        panic!("{spans:#?}")
    };
    assert_eq!(first.span_context.trace_id(), place.trace_id().get().into());
    assert_eq!(first.span_context.span_id(), place.span_id().get().into());
    assert_eq!(first.parent_span_id, place.parent().unwrap().get().into());
    assert_eq!(first.span_kind, SpanKind::Server);
    assert_eq!(part.parent_span_id, first.span_context.span_id());
    assert_eq!(part.attributes, [KeyValue::new("rows", 3)]);
    assert_eq!(part.events.len() + first.events.len(), 0);
}

#[test]
fn outside_a_trace_that_is_sampled_nothing_is_told() {
    let place = TraceContext::continue_from(SENT).unwrap();

    let spans = told(|| {
        tracing::debug_span!("before").in_scope(|| drop(tracing::debug_span!("part")));
        drop(begin(&place, || tracing::debug_span!("first")));
        drop(tracing::debug_span!("after"));
    });

    let names: Vec<_> = spans.iter().map(|span| &*span.name).collect();
    assert_eq!(names, ["first"]);
}

#[test]
fn so_many_of_a_hundred_traces_are_told() {
    let ids: Vec<_> = (0..1000).map(|_| TraceContext::begin().trace_id()).collect();
    let share = |percent| ids.iter().filter(|id| layer::samples(percent, **id)).count();

    assert_eq!((share(0), share(100)), (0, 1000));
    assert!((50..200).contains(&share(10)), "{}", share(10));
}
