//! W3C Trace Context, level 1 (<https://www.w3.org/TR/trace-context/>): the `traceparent` header.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};

use super::hex::Hex;
use crate::spans;

/// Identifies all that happens, here and elsewhere, on behalf of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TraceId(NonZeroU128);

/// Identifies one part of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpanId(NonZeroU64);

/// Our place in a trace: one span, and the span of another process that caused it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: TraceId,
    span_id: SpanId,
    parent: Option<SpanId>,
    sampled: bool,
}

/// The header is not a `traceparent` that the standard lets us continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid traceparent")]
pub struct InvalidTraceparent;

impl TraceContext {
    /// Begins a trace of our own.
    pub fn begin() -> Self {
        let trace_id = TraceId::random();
        Self {
            trace_id,
            span_id: SpanId::random(),
            parent: None,
            sampled: spans::samples(trace_id),
        }
    }

    /// Continues the trace of a `traceparent` header with a new span.
    pub fn continue_from(traceparent: &str) -> Result<Self, InvalidTraceparent> {
        let (trace_id, parent, sampled) = parse(traceparent).ok_or(InvalidTraceparent)?;
        Ok(Self {
            trace_id,
            span_id: SpanId::random(),
            parent: Some(parent),
            sampled,
        })
    }

    /// Continues the trace that a client sent, or begins one when there is none or it is malformed, as the standard
    /// asks of receivers.
    pub fn accept(sent: Option<&str>) -> Self {
        sent.and_then(|header| Self::continue_from(header).ok())
            .unwrap_or_else(Self::begin)
    }

    /// A place of its own for a part of what we do.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            span_id: SpanId::random(),
            parent: Some(self.span_id),
            ..*self
        }
    }

    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    pub fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// The span that caused ours; `None` when the trace began here.
    pub fn parent(&self) -> Option<SpanId> {
        self.parent
    }

    pub fn is_sampled(&self) -> bool {
        self.sampled
    }

    /// Formats the header that lets another process continue from our span.
    pub fn traceparent(&self) -> String {
        let mut header = String::with_capacity(55);
        header.push_str("00-");
        header.push_str(self.trace_id.hex().as_str());
        header.push('-');
        header.push_str(self.span_id.hex().as_str());
        header.push_str(if self.sampled { "-01" } else { "-00" });
        header
    }
}

/// Reads `version "-" trace-id "-" parent-id "-" flags`. A version above 00 may carry more after another dash; what
/// version 00 defines is read from it all the same.
fn parse(header: &str) -> Option<(TraceId, SpanId, bool)> {
    let mut parts = header.splitn(5, '-');
    let (version, trace_id, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let version: u8 = hex(version, 2)?.try_into().ok()?;
    let more = parts.next().is_some();
    if version == 0xff || (version == 0 && more) {
        return None;
    }
    let trace_id = NonZeroU128::new(hex(trace_id, 32)?)?;
    let parent = NonZeroU64::new(hex(parent, 16)?.try_into().ok()?)?;
    let sampled = hex(flags, 2)? & 1 == 1;
    Some((TraceId(trace_id), SpanId(parent), sampled))
}

/// Reads exactly `digits` lower-case hexadecimal digits: upper case is malformed by the standard.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let legal = text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    legal.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

impl TraceId {
    fn random() -> Self {
        Self(rand::random())
    }

    /// As a number.
    pub fn get(self) -> u128 {
        self.0.get()
    }

    fn hex(self) -> Hex<32> {
        Hex::of(self.0.get())
    }
}

impl SpanId {
    fn random() -> Self {
        Self(rand::random())
    }

    /// As a number.
    pub fn get(self) -> u64 {
        self.0.get()
    }

    fn hex(self) -> Hex<16> {
        Hex::of(self.0.get().into())
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hex().as_str())
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hex().as_str())
    }
}
