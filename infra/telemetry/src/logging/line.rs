use std::error::Error;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use serde_json::Value;
use time::OffsetDateTime;
use tracing::Level;
use tracing::field::{Field, Visit};

use crate::request::RequestContext;

/// One event, ready to be written.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) timestamp: OffsetDateTime,
    pub(super) level: Level,
    pub(super) target: String,
    pub(super) message: String,
    pub(super) request: Option<Arc<RequestContext>>,
    /// Of the spans, outermost first, then of the event.
    pub(super) fields: Vec<(&'static str, Value)>,
}

/// Fields of a span or an event in the order they were recorded; each name once, with its latest value.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(pub(super) Vec<(&'static str, Value)>);

impl Fields {
    pub(super) fn set(&mut self, name: &'static str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }

    /// Takes a field out as text; `None` when it is not there.
    pub(super) fn take_text(&mut self, name: &str) -> Option<String> {
        let position = self.0.iter().position(|(known, _)| *known == name)?;
        Some(match self.0.remove(position).1 {
            Value::String(text) => text,
            other => other.to_string(),
        })
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field.name(), Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), Value::from(value));
    }

    /// Our errors do not repeat their cause, so the whole chain is written.
    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            // Writing to a `String` cannot fail.
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        self.set(field.name(), Value::String(text));
    }
}
