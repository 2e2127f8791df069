//! A collector of spans, of this machine: takes OTLP over HTTP, in the encoding of Protocol Buffers
//! (<https://protobuf.dev/programming-guides/encoding/>), and shows what it was told.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A span as it was told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CollectedSpan {
    /// In hexadecimal.
    pub trace_id: String,
    pub id: String,
    /// Empty where there is none.
    pub parent: String,
    pub name: String,
    pub kind: u64,
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

/// The value of a field.
#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Value<'a> {
    fn bytes(self) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Number(number) => panic!("{number} is no message"),
        }
    }

    fn number(self) -> u64 {
        match self {
            Self::Number(number) => number,
            Self::Bytes(bytes) => panic!("{bytes:?} is no number"),
        }
    }

    fn text(self) -> String {
        String::from_utf8(self.bytes().to_vec()).expect("a text is UTF-8")
    }
}

/// The fields of a message by their numbers, in the order in which they were sent.
fn fields(mut message: &[u8]) -> Vec<(u64, Value<'_>)> {
    let mut all = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let value = match key & 7 {
            0 => Value::Number(varint(&mut message)),
            1 => {
                let (bytes, rest) = message.split_first_chunk::<8>().expect("eight bytes follow");
                message = rest;
                Value::Number(u64::from_le_bytes(*bytes))
            }
            2 => {
                let length = usize::try_from(varint(&mut message)).expect("it fits");
                let (bytes, rest) = message.split_at(length);
                message = rest;
                Value::Bytes(bytes)
            }
            kind => panic!("fields of kind {kind} are not used"),
        };
        all.push((key >> 3, value));
    }
    all
}

fn varint(message: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = message.split_first().expect("a number ends");
        *message = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            break;
        }
    }
    number
}

fn all_of(message: &[u8], number: u64) -> Vec<Value<'_>> {
    let fields = fields(message).into_iter();
    fields
        .filter(|(field, _)| *field == number)
        .map(|(_, value)| value)
        .collect()
}

fn spans_of(request: &[u8]) -> Vec<CollectedSpan> {
    let mut all = Vec::new();
    for resource_spans in all_of(request, 1) {
        for scope_spans in all_of(resource_spans.bytes(), 2) {
            for span in all_of(scope_spans.bytes(), 2) {
                all.push(span_of(span.bytes()));
            }
        }
    }
    all
}

fn span_of(message: &[u8]) -> CollectedSpan {
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    };
    let mut span = CollectedSpan::default();
    for (field, value) in fields(message) {
        match field {
            1 => span.trace_id = hex(value.bytes()),
            2 => span.id = hex(value.bytes()),
            4 => span.parent = hex(value.bytes()),
            5 => span.name = value.text(),
            6 => span.kind = value.number(),
            7 => span.began = value.number(),
            8 => span.ended = value.number(),
            9 => {
                let name = all_of(value.bytes(), 1)[0].text();
                let any = all_of(value.bytes(), 2)[0].bytes();
                let text = all_of(any, 1).first().map(|text| text.text());
                let whole = all_of(any, 3).first().map(|whole| whole.number().to_string());
                span.attributes
                    .insert(name, text.or(whole).expect("it has a value"));
            }
            15 => span.has_failed = all_of(value.bytes(), 3)[0].number() == 2,
            other => panic!("field {other} of a span is not used"),
        }
    }
    span
}
