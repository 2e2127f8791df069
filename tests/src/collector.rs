//! A collector of spans, of this machine: takes OTLP over HTTP, in the encoding of Protocol Buffers, and shows what it was told.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
pub use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prost::Message as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A span as it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CollectedSpan {
    /// In hexadecimal.
    pub trace_id: String,
    pub id: String,
    /// Empty where there is none.
    pub parent: String,
    pub name: String,
    pub kind: SpanKind,
    pub began: u64,
    pub ended: u64,
    pub attributes: BTreeMap<String, String>,
    pub has_failed: bool,
}

#[derive(Debug)]
pub struct SpanCollector {
    port: u16,
    spans: Arc<Mutex<Vec<CollectedSpan>>>,
    listening: JoinHandle<()>,
}

impl SpanCollector {
    pub async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        let spans = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&spans);
        let listening = fairlead_telemetry::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                fairlead_telemetry::spawn(serve(stream, Arc::clone(&told)));
            }
        });
        Self {
            port,
            spans,
            listening,
        }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All that it was told of a trace.
    pub fn of_trace(&self, trace_id: &str) -> Vec<CollectedSpan> {
        let mut all = self.all();
        all.retain(|span| span.trace_id == trace_id);
        all
    }

    pub fn all(&self) -> Vec<CollectedSpan> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for SpanCollector {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

async fn serve(mut stream: TcpStream, told: Arc<Mutex<Vec<CollectedSpan>>>) -> Option<()> {
    let mut read = Vec::new();
    loop {
        let head = loop {
            if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            more(&mut stream, &mut read).await?;
        };
        let text = String::from_utf8_lossy(&read[..head]).to_lowercase();
        assert!(text.starts_with("post /v1/traces "), "{text}");
        assert!(text.contains("content-type: application/x-protobuf"), "{text}");
        let length: usize = text
            .split("content-length: ")
            .nth(1)?
            .lines()
            .next()?
            .parse()
            .ok()?;
        while read.len() < head + length {
            more(&mut stream, &mut read).await?;
        }
        let spans = spans_of(&read[head..head + length]);
        told.lock().unwrap_or_else(PoisonError::into_inner).extend(spans);
        read.drain(..head + length);
        // An empty `ExportTraceServiceResponse`.
        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer).await.ok()?;
    }
}

async fn more(stream: &mut TcpStream, read: &mut Vec<u8>) -> Option<()> {
    let count = stream.read_buf(read).await.ok()?;
    (count > 0).then_some(())
}

fn spans_of(request: &[u8]) -> Vec<CollectedSpan> {
    let request = ExportTraceServiceRequest::decode(request).expect("it is a request of the protocol");
    let resources = request.resource_spans.into_iter();
    let scopes = resources.flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).map(collected).collect()
}

fn collected(span: Span) -> CollectedSpan {
    let attributes = span.attributes.into_iter();
    CollectedSpan {
        trace_id: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        name: span.name,
        kind: SpanKind::try_from(span.kind).expect("it is a kind of span"),
        began: span.start_time_unix_nano,
        ended: span.end_time_unix_nano,
        attributes: attributes
            .map(|pair| (pair.key, text(pair.value.and_then(|any| any.value))))
            .collect(),
        has_failed: span
            .status
            .is_some_and(|status| status.code() == StatusCode::Error),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn text(value: Option<Value>) -> String {
    match value.expect("an attribute has a value") {
        Value::StringValue(text) => text,
        Value::IntValue(whole) => whole.to_string(),
        other => panic!("{other:?} is no value that we tell"),
    }
}
