//! From the spans of `tracing` to those of OpenTelemetry.

use std::time::Duration;

use opentelemetry::trace::{SpanKind, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SamplingDecision, SdkTracerProvider, ShouldSample as _,
    SpanExporter,
};
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context as Spans, Filter};
use tracing_subscriber::registry::LookupSpan;

use super::begin::{Ids, is_beginning};
use super::queue::{Bounded, Counting};
use super::{TOLD, Told, is_sampled};
use crate::request::TraceId;

/// What libraries say of themselves is not told.
const OURS: &str = "fairlead";
/// As many spans go at once, and so long is waited for more.
const MOST_AT_ONCE: usize = 512;
const WAIT_FOR_MORE: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub struct TracesSettings {
    /// Of so many of a hundred traces that begin here, the spans are told.
    pub percent: u8,
    /// So many spans wait at the most.
    pub queue: usize,
    /// What is said of this process.
    pub resource: Vec<KeyValue>,
}

/// Traces that are to be told.
#[derive(Debug)]
pub struct Traces(pub(super) Told);

impl Traces {
    /// `exporter` is who hands them over, on a thread of its own.
    pub fn new(exporter: impl SpanExporter + 'static, settings: TracesSettings) -> Self {
        let room = settings.queue.max(1);
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(room)
            .with_max_export_batch_size(room.min(MOST_AT_ONCE))
            .with_scheduled_delay(WAIT_FOR_MORE)
            .build();
        let processor = BatchSpanProcessor::new(Counting(exporter), config);
        let provider = SdkTracerProvider::builder()
            .with_id_generator(Ids::default())
            .with_sampler(Sampler::ParentBased(Box::new(by_percent(settings.percent))))
            .with_resource(
                Resource::builder_empty()
                    .with_attributes(settings.resource)
                    .build(),
            )
            .with_span_processor(Bounded::new(processor, room))
            .build();
        let tracer = provider.tracer("fairlead");
        Self(Told {
            provider,
            tracer,
            percent: settings.percent,
        })
    }

    /// From here on spans are told.
    pub(crate) fn begin(self) {
        // Whoever had the process's one subscriber first is told.
        let _ = TOLD.set(self.0);
    }
}

/// Tells spans as they end.
pub(crate) fn layer<S>(traces: &Traces) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    tracing_opentelemetry::layer()
        .with_tracer(traces.0.tracer.clone())
        // Where in the source it is and which thread did it is nobody's question.
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(WithinTraces)
}

pub(super) fn samples(percent: u8, trace: TraceId) -> bool {
    let id = trace.get().into();
    let judged = by_percent(percent).should_sample(None, id, "", &SpanKind::Internal, &[], &[]);
    judged.decision == SamplingDecision::RecordAndSample
}

fn by_percent(percent: u8) -> Sampler {
    Sampler::TraceIdRatioBased(f64::from(percent) / 100.0)
}

/// Lets through the spans of a trace that is sampled, and those that begin one: else whatever looks after itself in the
/// background would be told, too. Events are for the log.
struct WithinTraces;

impl<S: Subscriber> Filter<S> for WithinTraces {
    fn enabled(&self, of: &Metadata<'_>, _: &Spans<'_, S>) -> bool {
        may_be_told(of) && (is_beginning() || Context::map_current(is_sampled))
    }

    fn callsite_enabled(&self, of: &'static Metadata<'static>) -> Interest {
        if may_be_told(of) {
            Interest::sometimes()
        } else {
            Interest::never()
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }
}

fn may_be_told(of: &Metadata<'_>) -> bool {
    of.is_span() && *of.level() <= LevelFilter::DEBUG && of.target().starts_with(OURS)
}
