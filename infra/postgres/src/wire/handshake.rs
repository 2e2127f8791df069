//! TLS and authentication. Both are tokio-postgres's, which gives a connection only together with the task that moves
//! its bytes; so it is handed a stream that is still ours when the handshake is over.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Config;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, NoTls, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::dial::{Peer, Socket};
use super::{Conversation, Error};

/// The bytes of a connection that is open and authenticated.
pub(super) type Stream = Box<dyn Duplex>;

pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Duplex for T {}

/// Opens connections, and cancels what runs on them.
#[derive(Clone)]
pub(crate) struct Handshake {
    pub(crate) config: Config,
    pub(crate) tls: Option<MakeRustlsConnect>,
}

impl Handshake {
    /// Opens a connection to the first of the servers that lets us.
    pub(crate) async fn open(&self) -> Result<Conversation, Error> {
        let mut last = Error::Io(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
        for peer in Peer::all(&self.config).await? {
            match self.open_to(peer).await {
                Ok(conversation) => return Ok(conversation),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn open_to(&self, peer: Peer) -> Result<Conversation, Error> {
        let socket = Leased::new(Some(peer.dial(&self.config).await?));
        // So that nothing is read that stands behind the handshake.
        socket.slow_down(true);
        let mut encrypted = None;
        let client = match &self.tls {
            None => self.config.connect_raw(socket.clone(), NoTls).await?.0,
            Some(tls) => {
                let tls = Leasing {
                    connect: connector::<Leased<Socket>>(tls, &peer),
                    raw: socket.clone(),
                    leased: Leased::new(None),
                };
                let leased = tls.leased.clone();
                let client = self.config.connect_raw(socket.clone(), tls).await?.0;
                encrypted = leased.lock().take();
                client
            }
        };
        socket.slow_down(false);
        let stream: Stream = match encrypted {
            Some(encrypted) => Box::new(encrypted),
            None => Box::new(socket.clone()),
        };
        Ok(Conversation::new(stream, socket, peer, client.cancel_token()))
    }

    /// Has the server give up the statement that runs on a connection, by a word over another one.
    pub(crate) async fn cancel(&self, conversation: &Conversation) -> Result<(), Error> {
        let (peer, token) = conversation.cancel_token();
        let socket = peer.dial(&self.config).await?;
        let cancelled = match &self.tls {
            None => token.cancel_query_raw(socket, NoTls).await,
            Some(tls) => {
                let tls = connector::<Socket>(tls, peer);
                token.cancel_query_raw(socket, tls).await
            }
        };
        Ok(cancelled?)
    }
}

type Connector<S> = <MakeRustlsConnect as MakeTlsConnect<S>>::TlsConnect;

fn connector<S>(tls: &MakeRustlsConnect, peer: &Peer) -> Connector<S>
where
    MakeRustlsConnect: MakeTlsConnect<S, Error = Infallible>,
{
    let Ok(connector) = tls
        .clone()
        .make_tls_connect(peer.name.as_deref().unwrap_or_default());
    connector
}

/// A stream that is shared: with the handshake, and then between those who read it and those who move it.
pub(super) struct Leased<T>(Arc<Shared<T>>);

struct Shared<T> {
    stream: Mutex<Option<T>>,
    /// Whether it gives a byte at a time. tokio-postgres reads what there is, and what it has read is lost with it.
    is_slow: AtomicBool,
}

impl<T> Leased<T> {
    fn new(stream: Option<T>) -> Self {
        Self(Arc::new(Shared {
            stream: Mutex::new(stream),
            is_slow: AtomicBool::new(false),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.0.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn slow_down(&self, slow: bool) {
        self.0.is_slow.store(slow, Ordering::Relaxed);
    }
}

impl Leased<Socket> {
    /// Has this thread told when there is something to read. On an error there is nothing any more.
    pub(super) fn move_here(&self) -> io::Result<()> {
        let mut socket = self.lock();
        let moved = socket.take().map(Socket::move_here);
        *socket = moved.transpose()?;
        Ok(())
    }
}

impl<T: Unpin> Leased<T> {
    fn poll<R>(&self, poll: impl FnOnce(Pin<&mut T>) -> Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        match self.lock().as_mut() {
            Some(stream) => poll(Pin::new(stream)),
            None => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }
}

impl<T> Clone for Leased<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Leased<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.0.is_slow.load(Ordering::Relaxed) {
            return self.poll(|stream| stream.poll_read(context, read));
        }
        let mut byte = [0];
        let mut one = ReadBuf::new(&mut byte);
        let polled = self.poll(|stream| stream.poll_read(context, &mut one));
        read.put_slice(one.filled());
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Leased<T> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(|stream| stream.poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|stream| stream.poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(|stream| stream.poll_shutdown(context))
    }
}

impl<T: TlsStream + Unpin> TlsStream for Leased<T> {
    fn channel_binding(&self) -> ChannelBinding {
        self.lock()
            .as_ref()
            .map_or_else(ChannelBinding::none, T::channel_binding)
    }
}

/// Shares what it connects.
struct Leasing<S, C, T> {
    connect: C,
    raw: Leased<S>,
    leased: Leased<T>,
}

impl<S, C> TlsConnect<Leased<S>> for Leasing<S, C, C::Stream>
where
    C: TlsConnect<Leased<S>>,
    C::Future: Send + 'static,
    C::Stream: Send + 'static,
{
    type Stream = Leased<C::Stream>;
    type Error = C::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, Self::Error>> + Send>>;

    fn connect(self, stream: Leased<S>) -> Self::Future {
        let Self { connect, raw, leased } = self;
        // From here on it is what comes out of the encryption that is to come slowly.
        raw.slow_down(false);
        leased.slow_down(true);
        let connecting = connect.connect(stream);
        Box::pin(async move {
            *leased.lock() = Some(connecting.await?);
            Ok(leased)
        })
    }
}
