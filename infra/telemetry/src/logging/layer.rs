use std::cell::RefCell;
use std::mem::take;

use time::OffsetDateTime;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::line::{Fields, Writer};
use super::render::Renderer;
use crate::request;

thread_local! {
    /// Where the thread makes its lines, one after the other.
    static LINE: RefCell<Vec<u8>> = RefCell::default();
}

/// The buffer of a line that was longer is not kept.
const LONGEST_KEPT: usize = 16 << 10;

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
    W: Fn(Level, &[u8]) + 'static,
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
        // Taken, not borrowed: what shows a field may itself log.
        // While the thread ends there is none.
        let mut line = LINE
            .try_with(|line| take(&mut *line.borrow_mut()))
            .unwrap_or_default();
        line.clear();
        let metadata = event.metadata();
        self.renderer.begin(&mut line, written_at(), *metadata.level());
        let mut writer = Writer::new(self.renderer, &mut line);
        event.record(&mut writer);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(outer) = span.extensions().get::<Fields>() {
                writer.inherit(outer);
            }
        }
        // Records of the `log` crate arrive with their true origin in a field.
        let origin = writer.target.take();
        let target = origin.as_deref().unwrap_or(metadata.target());
        self.renderer
            .end(&mut line, target, request::current().as_deref());
        (self.write)(*metadata.level(), &line);
        if line.capacity() <= LONGEST_KEPT {
            let _ = LINE.try_with(|kept| *kept.borrow_mut() = line);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a line tells when it was written, whatever clock the product is given"
)]
fn written_at() -> OffsetDateTime {
    OffsetDateTime::now_utc()
}
