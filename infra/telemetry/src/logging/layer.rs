use time::OffsetDateTime;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Scope};

use super::line::{Fields, Line};
use super::render::Renderer;
use crate::request;

/// Turns events into lines and hands each to `write`.
#[derive(Debug)]
pub(super) struct LineLayer<W> {
    renderer: Renderer,
    write: W,
}

impl<W> LineLayer<W> {
    pub(super) fn new(renderer: Renderer, write: W) -> Self {
        Self { renderer, write }
    }
}

impl<S, W> Layer<S> for LineLayer<W>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: Fn(&[u8]) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().replace(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(Scope::from_root) {
            if let Some(outer) = span.extensions().get::<Fields>() {
                for (name, value) in &outer.0 {
                    fields.set(name, value.clone());
                }
            }
        }
        event.record(&mut fields);
        (self.write)(&self.renderer.render(&line(event, fields)));
    }
}

fn line(event: &Event<'_>, mut fields: Fields) -> Line {
    let metadata = event.metadata();
    // Records of the `log` crate arrive with their true origin in fields.
    let origin = fields.take_text("log.target");
    for noise in ["log.module_path", "log.file", "log.line"] {
        fields.take_text(noise);
    }
    Line {
        timestamp: written_at(),
        level: *metadata.level(),
        target: origin.unwrap_or_else(|| metadata.target().to_owned()),
        message: fields.take_text("message").unwrap_or_default(),
        request: request::current(),
        fields: fields.0,
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a line tells when it was written, whatever clock the product is given"
)]
fn written_at() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
