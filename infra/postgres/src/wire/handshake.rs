//! TLS and authentication. Both are tokio-postgres's, which gives a connection only together with the task that moves
//! its bytes; so it is handed a stream that is still ours when the handshake is over.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, NoTls, TlsConnect, TlsStream};
use tokio_postgres::{CancelToken, Config};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::dial::{Socket, dial};
use super::{Conversation, Error};

/// The bytes of a connection that is open and authenticated.
pub(super) type Stream = Box<dyn Bytes>;

pub(super) trait Bytes: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Bytes for T {}

/// Opens connections, and cancels what runs on them.
#[derive(Clone)]
pub(crate) struct Handshake {
    pub(crate) config: Config,
    pub(crate) tls: Option<MakeRustlsConnect>,
}

impl Handshake {
    /// Opens a connection.
    pub(crate) async fn open(&self) -> Result<Conversation, Error> {
        let (socket, host) = dial(&self.config).await?;
        let socket = Leased::new(Some(socket));
        let (stream, cancel): (Option<Stream>, CancelToken) = match &self.tls {
            None => {
                let (client, _) = self.config.connect_raw(socket.clone(), NoTls).await?;
                (None, client.cancel_token())
            }
            Some(tls) => {
                let tls = Leasing {
                    connect: connector::<Leased<Socket>>(tls, host.as_deref()),
                    leased: Leased::new(None),
                };
                let encrypted = tls.leased.clone();
                let (client, _) = self.config.connect_raw(socket.clone(), tls).await?;
                // With `sslmode=prefer` the server may have no TLS.
                let encrypted = encrypted.lock().take();
                (
                    encrypted.map(|stream| Box::new(stream) as Stream),
                    client.cancel_token(),
                )
            }
        };
        let stream = stream.unwrap_or_else(|| Box::new(socket.clone()));
        Ok(Conversation::new(stream, socket, cancel))
    }

    /// Has the server give up the statement that runs on a connection, by a word over another one.
    pub(crate) async fn cancel(&self, conversation: &Conversation) -> Result<(), Error> {
        let token = conversation.cancel_token();
        let (transport, host) = dial(&self.config).await?;
        match &self.tls {
            None => token.cancel_query_raw(transport, NoTls).await?,
            Some(tls) => {
                let tls = connector::<Socket>(tls, host.as_deref());
                token.cancel_query_raw(transport, tls).await?;
            }
        }
        Ok(())
    }
}

type Connector<S> = <MakeRustlsConnect as MakeTlsConnect<S>>::TlsConnect;

/// A socket of the file system has no name, and its server no TLS.
fn connector<S>(tls: &MakeRustlsConnect, host: Option<&str>) -> Connector<S>
where
    MakeRustlsConnect: MakeTlsConnect<S, Error = Infallible>,
{
    let Ok(connector) = tls.clone().make_tls_connect(host.unwrap_or_default());
    connector
}

/// A stream that is shared: with the handshake, and then between those who read it and those who move it.
pub(super) struct Leased<T>(Arc<Mutex<Option<T>>>);

impl<T> Leased<T> {
    fn new(stream: Option<T>) -> Self {
        Self(Arc::new(Mutex::new(stream)))
    }

    fn lock(&self) -> MutexGuard<'_, Option<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.poll(|stream| stream.poll_read(context, read))
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
struct Leasing<C, T> {
    connect: C,
    leased: Leased<T>,
}

impl<S, C> TlsConnect<S> for Leasing<C, C::Stream>
where
    C: TlsConnect<S>,
    C::Future: Send + 'static,
    C::Stream: Send + 'static,
{
    type Stream = Leased<C::Stream>;
    type Error = C::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, Self::Error>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let Self { connect, leased } = self;
        let connecting = connect.connect(stream);
        Box::pin(async move {
            *leased.lock() = Some(connecting.await?);
            Ok(leased)
        })
    }
}
