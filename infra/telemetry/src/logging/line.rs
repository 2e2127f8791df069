//! One line, written field by field as the event is visited: nothing is collected in between.

use std::error::Error;
use std::fmt;

use serde_json::Value;
use tracing::field::{Field, Visit};

use super::render::{Renderer, Scalar};

/// What describes a record of the `log` crate besides its message and its target.
const NOISE: [&str; 3] = ["log.module_path", "log.file", "log.line"];
/// What says how a span is told to those who collect traces.
const OF_TRACES: &str = "otel.";
/// The true target of a record of the `log` crate.
const LOG_TARGET: &str = "log.target";

/// Writes fields to the end of a line, each name once: what comes first counts.
pub(super) struct Writer<'l> {
    renderer: Renderer,
    line: &'l mut Vec<u8>,
    written: Vec<&'static str>,
    /// The target that a record of the `log` crate names.
    pub(super) target: Option<String>,
}

impl<'l> Writer<'l> {
    pub(super) fn new(renderer: Renderer, line: &'l mut Vec<u8>) -> Self {
        Self {
            renderer,
            line,
            written: Vec::with_capacity(16),
            target: None,
        }
    }

    /// Writes the fields of an enclosing span that nothing within has set.
    pub(super) fn inherit(&mut self, fields: &Fields) {
        for (name, value) in &fields.0 {
            match value {
                Value::String(text) => self.write(name, Scalar::Text(text)),
                other => self.write(name, Scalar::Bare(format_args!("{other}"))),
            }
        }
    }

    fn write(&mut self, name: &'static str, value: Scalar<'_>) {
        if self.renderer.keeps_for_itself(name) || self.written.contains(&name) {
            return;
        }
        self.written.push(name);
        self.renderer.field(self.line, name, value);
    }
}

impl Visit for Writer<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write(field.name(), Scalar::Words(format_args!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            LOG_TARGET => self.target = Some(value.to_owned()),
            noise if NOISE.contains(&noise) => {}
            name => self.write(name, Scalar::Text(value)),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field.name(), Scalar::Bare(format_args!("{value}")));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if !NOISE.contains(&field.name()) {
            self.write(field.name(), Scalar::Bare(format_args!("{value}")));
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field.name(), Scalar::Bare(format_args!("{value}")));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.write(field.name(), Scalar::Float(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.write(field.name(), Scalar::Words(format_args!("{}", Chain(value))));
    }
}

/// Fields of a span in the order they were recorded; each name once, with its latest value.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields(Vec<(&'static str, Value)>);

impl Fields {
    fn set(&mut self, field: &Field, value: impl FnOnce() -> Value) {
        let name = field.name();
        if name.starts_with(OF_TRACES) {
            return;
        }
        let value = value();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, || Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, || Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, || Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, || Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, || Value::from(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, || Value::from(value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.set(field, || Value::String(Chain(value).to_string()));
    }
}

/// An error with its causes: our errors do not repeat them.
struct Chain<'e>(&'e (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
