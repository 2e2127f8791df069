use std::io;

use actix_http::ws::{CloseCode, Codec, Frame, Item};
use actix_web::rt::net::TcpStream;
use actix_web::web::{Bytes, BytesMut};
use tokio::time::Instant;
use tokio_util::codec::Decoder as _;

/// The most bytes of one message of a client, in however many frames. Nothing that it can say needs as many, and
/// thousands of clients may each leave a message unfinished.
pub(super) const MOST_BYTES: usize = 64 << 10;
/// Read at a time.
const READ_BYTES: usize = 4 << 10;
/// The most of a control frame (RFC 6455, section 5.5).
const MOST_CONTROL_BYTES: u64 = 125;

/// What a client sends, put together from what arrives.
pub(super) struct Frames {
    codec: Codec,
    input: BytesMut,
    /// The message of which not all frames are here.
    begun: Option<BytesMut>,
    /// Since when something is here that is not complete.
    unfinished: Option<Instant>,
}

/// What has arrived as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    Text(String),
    /// A part of a message whose rest is to come.
    Part,
    Ping(Bytes),
    Pong,
    Close,
}

/// What a client must not send.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: CloseCode,
    pub(super) reason: &'static str,
}

const TOO_LARGE: Fault = Fault {
    code: CloseCode::Size,
    reason: "a message may have 65,536 bytes",
};
const NOT_TEXT: Fault = Fault {
    code: CloseCode::Unsupported,
    reason: "messages are JSON, as text",
};
const NOT_UTF8: Fault = Fault {
    code: CloseCode::Invalid,
    reason: "text must be UTF-8",
};
const BROKEN: Fault = Fault {
    code: CloseCode::Protocol,
    reason: "the frames do not follow RFC 6455",
};

impl Default for Frames {
    fn default() -> Self {
        Self {
            codec: Codec::new().max_size(MOST_BYTES),
            input: BytesMut::new(),
            begun: None,
            unfinished: None,
        }
    }
}

impl Frames {
    /// Takes what has arrived; 0 bytes: nothing will any more.
    pub(super) fn read(&mut self, stream: &TcpStream) -> io::Result<usize> {
        self.input.reserve(READ_BYTES);
        let read = stream.try_read_buf(&mut self.input);
        self.let_go();
        read
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// Whoever waits keeps no memory for it.
    fn let_go(&mut self) {
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
    }

    /// Since when something is here whose rest has not come.
    pub(super) fn unfinished_since(&self) -> Option<Instant> {
        self.unfinished
    }

    /// The next that is complete; `None`: more must arrive first.
    pub(super) fn next(&mut self) -> Result<Option<Received>, Fault> {
        // The codec finds out how large a frame is once all of it is here, and logs one kind of fault as ours.
        check_header(&self.input)?;
        let frame = self.codec.decode(&mut self.input).map_err(|_| BROKEN)?;
        let Some(frame) = frame else {
            self.let_go();
            let is_unfinished = !self.input.is_empty() || self.begun.is_some();
            self.unfinished = is_unfinished.then(|| self.unfinished.unwrap_or_else(Instant::now));
            return Ok(None);
        };
        let received = match frame {
            Frame::Text(text) => Received::Text(utf8(&text)?),
            Frame::Continuation(Item::FirstText(part)) => {
                self.begun = Some(BytesMut::from(part));
                Received::Part
            }
            Frame::Continuation(Item::Continue(part)) => {
                self.add(&part)?;
                Received::Part
            }
            Frame::Continuation(Item::Last(part)) => {
                self.add(&part)?;
                self.unfinished = None;
                Received::Text(utf8(&self.begun.take().unwrap_or_default())?)
            }
            Frame::Binary(_) | Frame::Continuation(Item::FirstBinary(_)) => return Err(NOT_TEXT),
            Frame::Ping(payload) => Received::Ping(payload),
            Frame::Pong(_) => Received::Pong,
            Frame::Close(_) => Received::Close,
        };
        Ok(Some(received))
    }

    fn add(&mut self, part: &[u8]) -> Result<(), Fault> {
        let begun = self.begun.get_or_insert_default();
        if begun.len() + part.len() > MOST_BYTES {
            return Err(TOO_LARGE);
        }
        begun.extend_from_slice(part);
        Ok(())
    }
}

/// Refuses a frame that says it is too large, or a part of a control frame, before it is here (RFC 6455, sections 5.2
/// and 5.5).
fn check_header(input: &[u8]) -> Result<(), Fault> {
    let [first, second, rest @ ..] = input else {
        return Ok(());
    };
    let length = match second & 0x7f {
        126 => rest
            .first_chunk()
            .map(|bytes| u64::from(u16::from_be_bytes(*bytes))),
        127 => rest.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)),
        short => Some(u64::from(short)),
    };
    let (is_last, is_control) = (first & 0x80 != 0, first & 0x08 != 0);
    match length {
        _ if is_control && !is_last => Err(BROKEN),
        Some(length) if is_control && length > MOST_CONTROL_BYTES => Err(BROKEN),
        Some(length) if length > MOST_BYTES as u64 => Err(TOO_LARGE),
        _ => Ok(()),
    }
}

fn utf8(bytes: &[u8]) -> Result<String, Fault> {
    str::from_utf8(bytes).map(str::to_owned).map_err(|_| NOT_UTF8)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use actix_http::ws::Message;
    use tokio_util::codec::Encoder as _;
    use tracing::subscriber::with_default;
    use tracing::{Level, Metadata, Subscriber, span};

    use super::*;

    /// Counts what is logged as an error.
    #[derive(Clone, Default)]
    struct Errors(Arc<AtomicU32>);

    impl Subscriber for Errors {
        fn enabled(&self, metadata: &Metadata<'_>) -> bool {
            *metadata.level() == Level::ERROR
        }

        fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
            span::Id::from_u64(1)
        }

        fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

        fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

        fn event(&self, _: &tracing::Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn enter(&self, _: &span::Id) {}

        fn exit(&self, _: &span::Id) {}
    }

    fn frame(message: Message) -> Bytes {
        let mut bytes = BytesMut::new();
        Codec::new().client_mode().encode(message, &mut bytes).unwrap();
        bytes.freeze()
    }

    #[test]
    fn what_comes_byte_by_byte_is_put_together() {
        let mut frames = Frames::default();
        for byte in frame(Message::Text("{}".into())) {
            assert_eq!(frames.next(), Ok(None));
            frames.push(&[byte]);
        }

        assert_eq!(frames.next(), Ok(Some(Received::Text("{}".to_owned()))));
        assert_eq!(frames.next(), Ok(None));
        assert_eq!(frames.unfinished_since(), None);
    }

    #[test]
    fn a_frame_that_says_it_is_too_large_is_refused_before_it_is_here() {
        for (header, fault) in [
            (&[0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0][..], TOO_LARGE),
            (
                &[0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
                TOO_LARGE,
            ),
            (&[0x81, 0xff, 0, 0, 0, 0, 0, 1, 0, 1], TOO_LARGE),
            (&[0x89, 0xfe, 0, 126], BROKEN),
            (&[0x88, 0xff, 0, 0, 0, 0, 0, 1, 0, 0], BROKEN),
        ] {
            let mut frames = Frames::default();
            frames.push(header);

            assert_eq!(frames.next(), Err(fault), "{header:?}");
        }
    }

    #[test]
    fn a_control_frame_in_parts_is_refused_and_no_error_of_ours() {
        for first in [0x08, 0x09, 0x0a] {
            let mut frames = Frames::default();
            frames.push(&[first, 0x80, 0, 0, 0, 0]);
            let errors = Errors::default();

            let next = with_default(errors.clone(), || frames.next());

            assert_eq!(next, Err(BROKEN), "{first:#x}");
            assert_eq!(errors.0.load(Ordering::Relaxed), 0, "{first:#x}");
        }
    }

    #[test]
    fn the_parts_of_a_message_count_together() {
        let mut frames = Frames::default();
        let part = || Bytes::from(vec![b'x'; MOST_BYTES / 2]);
        frames.push(&frame(Message::Continuation(Item::FirstText(part()))));
        assert_eq!(frames.next(), Ok(Some(Received::Part)));
        assert_eq!(frames.next(), Ok(None));
        assert!(frames.unfinished_since().is_some());
        // The codec keeps count of what it has sent.
        let mut codec = Codec::new().client_mode();
        let mut bytes = BytesMut::new();
        for item in [
            Item::FirstText(Bytes::new()),
            Item::Continue(part()),
            Item::Last("xx".into()),
        ] {
            codec.encode(Message::Continuation(item), &mut bytes).unwrap();
        }
        // Without the first, which was sent already.
        let rest = bytes.split_off(6);
        frames.push(&rest);
        assert_eq!(frames.next(), Ok(Some(Received::Part)));

        assert_eq!(frames.next(), Err(TOO_LARGE));
    }
}
