//! The way to a server, before a word is said.

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::path::PathBuf;
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

/// A server that a URL may mean.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    place: Place,
    /// Its name, by which its certificate is judged. A socket of the file system has none, and its server no TLS.
    pub(super) name: Option<String>,
}

#[derive(Clone, Debug)]
enum Place {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl Peer {
    /// All addresses of all hosts, in their order.
    pub(super) async fn all(config: &Config) -> io::Result<Vec<Self>> {
        let mut peers = Vec::new();
        for (number, host) in config.get_hosts().iter().enumerate() {
            let ports = config.get_ports();
            let port = ports.get(number).or(ports.first()).copied().unwrap_or(PORT);
            match host {
                Host::Tcp(name) => {
                    let addresses = lookup_host((name.as_str(), port)).await?;
                    peers.extend(addresses.map(|address| Self {
                        place: Place::Tcp(address),
                        name: Some(name.clone()),
                    }));
                }
                Host::Unix(folder) => peers.push(Self {
                    place: Place::Unix(folder.join(format!(".s.PGSQL.{port}"))),
                    name: None,
                }),
            }
        }
        Ok(peers)
    }

    pub(super) async fn dial(&self, config: &Config) -> io::Result<Socket> {
        let limit = config.get_connect_timeout();
        match &self.place {
            Place::Tcp(address) => {
                let stream = within(limit, TcpStream::connect(address)).await?;
                keep_alive(&stream, config)?;
                Ok(Socket::Tcp(stream))
            }
            Place::Unix(path) => Ok(Socket::Unix(within(limit, UnixStream::connect(path)).await?)),
        }
    }
}

fn keep_alive(stream: &TcpStream, config: &Config) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
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
    Ok(())
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
    /// Has the reactor of this thread tell when there is something to read, and no longer the one that did. What has come
    /// by then, it would not tell; of a connection that is idle, that is a farewell, so it is an error.
    pub(super) fn move_here(self) -> io::Result<Self> {
        match self {
            Self::Tcp(stream) => {
                let stream = stream.into_std()?;
                require_silent(&SockRef::from(&stream))?;
                Ok(Self::Tcp(TcpStream::from_std(stream)?))
            }
            Self::Unix(stream) => {
                let stream = stream.into_std()?;
                require_silent(&SockRef::from(&stream))?;
                Ok(Self::Unix(UnixStream::from_std(stream)?))
            }
        }
    }
}

fn require_silent(socket: &SockRef<'_>) -> io::Result<()> {
    match socket.peek(&mut [MaybeUninit::uninit()]) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(io::ErrorKind::ConnectionAborted.into()),
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
