use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::AsyncWrite as _;
use tokio_util::io::poll_read_buf;

use super::Error;
use super::handshake::Stream;

/// A letter that tells its kind, and a length that counts itself.
const HEADER: usize = 5;
/// Room for what is read at once.
const READ: usize = 16 * 1024;
/// Buffers that have grown beyond are given back when everything is answered.
const KEPT: usize = 128 * 1024;
/// No row of ours is nearly as long; whoever asks for what is not ours expects less.
const LONGEST: usize = 256 * 1024 * 1024;

/// Messages there and back. Whoever stops waiting in the middle loses none.
pub(super) struct Messages {
    stream: Stream,
    /// Yet to be sent.
    out: BytesMut,
    /// Whether what was written may still lie in a buffer of TLS.
    is_flushed: bool,
    /// Heard, and not yet taken apart.
    heard: BytesMut,
    /// How long a message may be.
    longest: usize,
    /// The most bytes that a buffer had to hold since they were given back.
    largest: usize,
    /// Why nothing more can be sent. The server may have said why before.
    broken: Option<io::Error>,
}

/// What a server says: the letter of its kind, and its body.
pub(super) type Message = (u8, Bytes);

impl Messages {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            out: BytesMut::new(),
            is_flushed: true,
            heard: BytesMut::new(),
            longest: LONGEST,
            largest: 0,
            broken: None,
        }
    }

    /// Where messages are written to; they are sent while the next answer is awaited.
    pub(super) fn out(&mut self) -> &mut BytesMut {
        &mut self.out
    }

    /// Sends what is yet to be sent, and waits for the next message.
    pub(super) async fn next(&mut self) -> Result<Message, Error> {
        loop {
            if let Some(message) = self.cut()? {
                return Ok(message);
            }
            poll_fn(|context| self.poll_move(context)).await?;
        }
    }

    /// A message that has come already.
    pub(super) fn next_now(&mut self) -> Option<Result<Message, Error>> {
        let mut context = Context::from_waker(Waker::noop());
        loop {
            match self.cut() {
                Ok(Some(message)) => return Some(Ok(message)),
                Ok(None) => {}
                Err(error) => return Some(Err(error)),
            }
            match self.poll_move(&mut context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Some(Err(error)),
                Poll::Pending => return None,
            }
        }
    }

    /// Sends as much of what is yet to be sent as goes without waiting.
    pub(super) fn send_now(&mut self) {
        let _ = self.poll_send(&mut Context::from_waker(Waker::noop()));
    }

    /// Takes no message that is longer from now on: it is an error as soon as its length is heard.
    pub(super) fn limit(&mut self, longest: usize) {
        self.longest = longest.min(LONGEST);
    }

    /// Sends what is yet to be sent, and waits until the server has closed. What it says meanwhile is of no interest.
    pub(super) async fn end(&mut self) {
        self.heard.clear();
        while poll_fn(|context| self.poll_move(context)).await.is_ok() {
            self.heard.clear();
        }
    }

    /// Sends what is yet to be sent, and closes.
    pub(super) async fn close(&mut self) -> io::Result<()> {
        poll_fn(|context| self.poll_send(context)).await?;
        poll_fn(|context| Pin::new(&mut self.stream).poll_shutdown(context)).await
    }

    /// Gives back what large messages took.
    pub(super) fn shrink(&mut self) {
        if self.largest > KEPT && self.out.is_empty() && self.heard.is_empty() {
            (self.out, self.heard) = (BytesMut::new(), BytesMut::new());
            self.largest = 0;
        }
    }

    /// Takes the first message off what was heard, once it is whole.
    fn cut(&mut self) -> Result<Option<Message>, Error> {
        let Some([kind, length @ ..]) = self.heard.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let (kind, length) = (*kind, i32::from_be_bytes(*length));
        let length = usize::try_from(length).ok();
        let length = length.filter(|length| (HEADER - 1..LONGEST).contains(length));
        let whole = length.ok_or_else(|| Error::Protocol("a message of such a length"))? + 1;
        if whole > self.longest {
            return Err(Error::TooLong);
        }
        if self.heard.len() < whole {
            return Ok(None);
        }
        let mut message = self.heard.split_to(whole).freeze();
        message.advance(HEADER);
        Ok(Some((kind, message)))
    }

    /// Sends what it can, and reads. A server that waits to be read from reads nothing, so neither waits for the other.
    fn poll_move(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if self.broken.is_none()
            && let Poll::Ready(Err(error)) = self.poll_send(context)
        {
            self.broken = Some(error);
        }
        // Not by the length that the next message claims to have.
        if self.heard.capacity() - self.heard.len() < READ / 4 {
            self.heard.reserve(READ);
        }
        self.largest = self.largest.max(self.heard.capacity());
        match poll_read_buf(Pin::new(&mut self.stream), context, &mut self.heard) {
            Poll::Ready(Ok(1..)) => Poll::Ready(Ok(())),
            Poll::Ready(Ok(0)) => Poll::Ready(Err(self.broken.take().map_or(Error::Closed, Error::Io))),
            Poll::Ready(Err(error)) => Poll::Ready(Err(Error::Io(self.broken.take().unwrap_or(error)))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.largest = self.largest.max(self.out.len());
        while !self.out.is_empty() {
            match Pin::new(&mut self.stream).poll_write(context, &self.out) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => self.out.advance(written),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return Poll::Pending,
            }
            self.is_flushed = false;
        }
        if self.is_flushed {
            return Poll::Ready(Ok(()));
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.is_flushed = matches!(flushed, Poll::Ready(Ok(())));
        flushed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::BufMut as _;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::timeout;

    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut message = vec![kind];
        message.put_u32(u32::try_from(body.len() + 4).unwrap());
        message.extend_from_slice(body);
        message
    }

    fn connected(room: usize) -> (Messages, DuplexStream) {
        let (ours, theirs) = duplex(room);
        (Messages::new(Box::new(ours)), theirs)
    }

    #[tokio::test]
    async fn whoever_stops_waiting_in_the_middle_loses_nothing() {
        let (mut messages, mut server) = connected(64);
        let sent = [message(b'D', b"one"), message(b'Z', b""), message(b'C', b"three")].concat();

        let mut heard = Vec::new();
        for byte in sent {
            // Given up after each byte.
            let waited = timeout(Duration::ZERO, messages.next()).await;
            assert!(waited.is_err());
            server.write_all(&[byte]).await.unwrap();
            while let Some(message) = messages.next_now() {
                heard.push(message.unwrap());
            }
        }

        let expected: [(u8, &[u8]); 3] = [(b'D', b"one"), (b'Z', b""), (b'C', b"three")];
        assert_eq!(
            heard,
            expected.map(|(kind, body)| (kind, Bytes::from_static(body)))
        );
    }

    #[tokio::test]
    async fn a_server_that_must_be_read_from_first_is_not_waited_for() {
        const LARGE: usize = 1 << 20;
        let (mut messages, mut server) = connected(64);
        messages.out().resize(LARGE, b'x');

        // It says all it has to say before it listens.
        let serving = async move {
            server.write_all(&message(b'D', &vec![7; LARGE])).await.unwrap();
            let mut heard = vec![0; LARGE];
            server.read_exact(&mut heard).await.unwrap();
            server.write_all(&message(b'Z', b"I")).await.unwrap();
            server
        };
        let asking = async {
            assert_eq!(messages.next().await.unwrap().1.len(), LARGE);
            assert_eq!(messages.next().await.unwrap().0, b'Z');
        };
        tokio::join!(asking, serving);
        assert!(messages.largest >= LARGE);
        messages.shrink();
        assert_eq!((messages.out.capacity(), messages.heard.capacity()), (0, 0));
    }

    #[tokio::test]
    async fn a_length_that_cannot_be_is_refused() {
        for length in [0_u32, 3, 1 << 30, u32::MAX] {
            let (mut messages, mut server) = connected(64);
            server.write_all(b"D").await.unwrap();
            server.write_u32(length).await.unwrap();

            assert!(
                matches!(messages.next().await, Err(Error::Protocol(_))),
                "{length}"
            );
        }
    }

    #[tokio::test]
    async fn what_the_server_said_before_it_left_is_heard() {
        let (mut messages, mut server) = connected(64);
        server.write_all(&message(b'E', b"VFATAL\0\0")).await.unwrap();
        drop(server);
        messages.out().put_u8(b'X');

        assert_eq!(messages.next().await.unwrap().0, b'E');
        assert!(matches!(messages.next().await, Err(Error::Closed | Error::Io(_))));
    }
}
