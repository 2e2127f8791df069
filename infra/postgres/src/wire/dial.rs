//! The way to a server, before a word is said.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;
use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// Bytes there and back.
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// PostgreSQL's own.
const PORT: u16 = 5432;

/// Connects to the first of the hosts that lets us; also tells its name, by which its certificate is judged.
pub(super) async fn dial(config: &Config) -> io::Result<(Socket, Option<String>)> {
    let mut last = io::Error::new(io::ErrorKind::InvalidInput, "the URL names no host");
    for (place, host) in config.get_hosts().iter().enumerate() {
        let ports = config.get_ports();
        let port = ports.get(place).or(ports.first()).copied().unwrap_or(PORT);
        let reached = match host {
            Host::Tcp(name) => tcp(config, name, port)
                .await
                .map(|stream| (stream, Some(name.clone()))),
            Host::Unix(folder) => unix(config, folder, port).await.map(|stream| (stream, None)),
        };
        match reached {
            Ok(reached) => return Ok(reached),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn tcp(config: &Config, name: &str, port: u16) -> io::Result<Socket> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in lookup_host((name, port)).await? {
        match to_address(config, address).await {
            Ok(stream) => return Ok(Socket::Tcp(stream)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn to_address(config: &Config, address: SocketAddr) -> io::Result<TcpStream> {
    let stream = within(config.get_connect_timeout(), TcpStream::connect(address)).await?;
    stream.set_nodelay(true)?;
    let socket = SockRef::from(&stream);
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(config.get_tcp_user_timeout().copied())?;
    if config.get_keepalives() {
        let mut keepalive = TcpKeepalive::new().with_time(config.get_keepalives_idle());
        if let Some(interval) = config.get_keepalives_interval() {
            keepalive = keepalive.with_interval(interval);
        }
        if let Some(retries) = config.get_keepalives_retries() {
            keepalive = keepalive.with_retries(retries);
        }
        socket.set_tcp_keepalive(&keepalive)?;
    }
    Ok(stream)
}

async fn unix(config: &Config, folder: &Path, port: u16) -> io::Result<Socket> {
    let path = folder.join(format!(".s.PGSQL.{port}"));
    let stream = within(config.get_connect_timeout(), UnixStream::connect(path)).await?;
    Ok(Socket::Unix(stream))
}

async fn within<T>(
    limit: Option<&Duration>,
    connecting: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    match limit {
        Some(limit) => timeout(*limit, connecting)
            .await
            .unwrap_or(Err(io::ErrorKind::TimedOut.into())),
        None => connecting.await,
    }
}

impl Socket {
    /// Has this thread told when there is something to read, and no longer the one that was.
    pub(super) fn move_here(self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(stream) => Self::Tcp(TcpStream::from_std(stream.into_std()?)?),
            Self::Unix(stream) => Self::Unix(UnixStream::from_std(stream.into_std()?)?),
        })
    }
}

macro_rules! poll {
    ($socket:expr, $poll:ident, $($argument:expr),*) => {
        match $socket.get_mut() {
            Socket::Tcp(stream) => Pin::new(stream).$poll($($argument),*),
            Socket::Unix(stream) => Pin::new(stream).$poll($($argument),*),
        }
    };
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        poll!(self, poll_read, context, read)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        poll!(self, poll_write, context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll!(self, poll_flush, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        poll!(self, poll_shutdown, context)
    }
}
