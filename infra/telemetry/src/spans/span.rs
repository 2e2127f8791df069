use std::borrow::Cow;
use std::time::Duration;

use crate::request::{SpanId, TraceContext, TraceId};

/// A part of a trace that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub trace_id: TraceId,
    pub id: SpanId,
    pub parent: Option<SpanId>,
    pub name: Cow<'static, str>,
    pub kind: SpanKind,
    /// Since 1970-01-01.
    pub began: Duration,
    pub took: Duration,
    /// Never values of tenants: no texts of statements with values, no tokens, no addresses.
    pub attributes: Vec<(&'static str, Attribute)>,
    pub has_failed: bool,
}

/// Which side of what is asked it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// Nobody is asked.
    Internal,
    /// We answer.
    Server,
    /// We ask, and wait for the answer.
    Client,
    /// We work on what was handed over before.
    Consumer,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    Text(Cow<'static, str>),
    Whole(i64),
}

impl From<&'static str> for Attribute {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Attribute {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<i64> for Attribute {
    fn from(number: i64) -> Self {
        Self::Whole(number)
    }
}

impl Span {
    /// Something that is done at this place of a trace; when, is said where it is noted.
    pub fn of(trace: &TraceContext, name: impl Into<Cow<'static, str>>, kind: SpanKind) -> Self {
        Self {
            trace_id: trace.trace_id(),
            id: trace.span_id(),
            parent: trace.parent(),
            name: name.into(),
            kind,
            began: Duration::ZERO,
            took: Duration::ZERO,
            attributes: Vec::new(),
            has_failed: false,
        }
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Attribute>) -> Self {
        self.attributes.push((name, value.into()));
        self
    }

    #[must_use]
    pub fn failed(self, has_failed: bool) -> Self {
        Self { has_failed, ..self }
    }
}
