//! Spans as OTLP has them (opentelemetry-proto v1: `collector/trace/v1/trace_service.proto`, `trace/v1/trace.proto`), in the
//! encoding of Protocol Buffers.
//!
//! A request has fields of three kinds: varints, fixed 64 bits, and bytes with their length, of which messages are made. That
//! is little enough to be written by hand, and spares the process four crates that are compiled for it and its image.

use std::time::Duration;

use super::{Attribute, Span, SpanKind};

const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const BYTES: u64 = 2;

/// `STATUS_CODE_ERROR`.
const FAILED: u64 = 2;

/// An `ExportTraceServiceRequest` of one process.
pub(super) fn request(resource: &[(&'static str, String)], spans: &[Span]) -> Vec<u8> {
    let mut resource_spans = Vec::with_capacity(spans.len() * 256);
    message(&mut resource_spans, 1, |out| {
        for (name, value) in resource {
            attribute(out, 1, name, &Attribute::Text(value.clone().into()));
        }
    });
    message(&mut resource_spans, 2, |out| {
        message(out, 1, |scope| bytes(scope, 1, b"fairlead"));
        for of in spans {
            message(out, 2, |out| span(out, of));
        }
    });
    let mut request = Vec::with_capacity(resource_spans.len() + 16);
    bytes(&mut request, 1, &resource_spans);
    request
}

fn span(out: &mut Vec<u8>, span: &Span) {
    bytes(out, 1, &span.trace_id.get().to_be_bytes());
    bytes(out, 2, &span.id.get().to_be_bytes());
    if let Some(parent) = span.parent {
        bytes(out, 4, &parent.get().to_be_bytes());
    }
    bytes(out, 5, span.name.as_bytes());
    let kind = match span.kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Consumer => 5,
    };
    number(out, 6, kind);
    moment(out, 7, span.began);
    moment(out, 8, span.began + span.took);
    for (name, value) in &span.attributes {
        attribute(out, 9, name, value);
    }
    if span.has_failed {
        message(out, 15, |status| number(status, 3, FAILED));
    }
}

/// A `KeyValue`.
fn attribute(out: &mut Vec<u8>, field: u64, name: &str, value: &Attribute) {
    message(out, field, |pair| {
        bytes(pair, 1, name.as_bytes());
        message(pair, 2, |any| match value {
            Attribute::Text(text) => bytes(any, 1, text.as_bytes()),
            // As the two's complement of 64 bits.
            Attribute::Whole(whole) => number(any, 3, whole.cast_unsigned()),
        });
    });
}

fn message(out: &mut Vec<u8>, field: u64, write: impl FnOnce(&mut Vec<u8>)) {
    let mut inner = Vec::new();
    write(&mut inner);
    bytes(out, field, &inner);
}

fn bytes(out: &mut Vec<u8>, field: u64, content: &[u8]) {
    varint(out, (field << 3) | BYTES);
    varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

fn number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint(out, (field << 3) | VARINT);
    varint(out, value);
}

/// Nanoseconds since 1970.
fn moment(out: &mut Vec<u8>, field: u64, since: Duration) {
    varint(out, (field << 3) | FIXED_64);
    let nanoseconds = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
    out.extend_from_slice(&nanoseconds.to_le_bytes());
}

/// Seven bits a byte, the lowest first; the eighth says that more follow.
fn varint(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::TraceContext;

    #[test]
    fn a_span_is_written_as_the_specification_has_it() {
        let sent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = TraceContext::continue_from(sent).unwrap();
        let mut told = Span::of(&trace, "GET /", SpanKind::Server).with("rows", -1);
        told.began = Duration::from_nanos(300);
        told.took = Duration::from_nanos(5);

        let mut written = Vec::new();
        span(&mut written, &told.failed(true));

        let mut expected = vec![0x0a, 16];
        expected.extend(0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes());
        expected.extend([0x12, 8]);
        expected.extend(trace.span_id().get().to_be_bytes());
        expected.extend([0x22, 8]);
        expected.extend(0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
        expected.extend([0x2a, 5]);
        expected.extend(b"GET /");
        expected.extend([0x30, 2, 0x39]);
        expected.extend(300_u64.to_le_bytes());
        expected.push(0x41);
        expected.extend(305_u64.to_le_bytes());
        // A negative number takes all ten bytes.
        expected.extend([0x4a, 19, 0x0a, 4]);
        expected.extend(b"rows");
        expected.extend([0x12, 11, 0x18]);
        expected.extend([0xff; 9]);
        expected.push(1);
        expected.extend([0x7a, 2, 0x18, 2]);
        assert_eq!(written, expected);
    }
}
