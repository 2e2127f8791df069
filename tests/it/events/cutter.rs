//! Stands between a server and RabbitMQ, and cuts the connection when the broker has confirmed what the server does not
//! learn of, or has let it consume.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fairlead_telemetry::spawn;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The beginning of a frame's payload by which the broker confirms (AMQP 0-9-1, class 60, method 80).
const ACK: [u8; 4] = [0, 60, 0, 80];
/// That by which it has a consumer (method 21).
const CONSUME_OK: [u8; 4] = [0, 60, 0, 21];

#[derive(Debug)]
pub(super) struct Cutter {
    port: u16,
    cuts: Arc<Cuts>,
    listening: JoinHandle<()>,
}

/// How many of each are still to be swallowed, each with its connection.
#[derive(Debug, Default)]
struct Cuts {
    confirms: AtomicUsize,
    consumers: AtomicUsize,
}

impl Cutter {
    pub(super) async fn start(url: &str) -> Self {
        let upstream = address(url).to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let cuts = Arc::<Cuts>::default();
        let left = Arc::clone(&cuts);
        let listening = spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&upstream).await.unwrap();
                spawn(forward(client, server, Arc::clone(&left)));
            }
        });
        Self {
            port,
            cuts,
            listening,
        }
    }

    /// The same URL, but through this proxy.
    pub(super) fn through(&self, url: &str) -> String {
        url.replace(address(url), &format!("127.0.0.1:{}", self.port))
    }

    /// So many times the next confirm does not arrive, and the connection ends instead.
    pub(super) fn cut(&self, times: usize) {
        self.cuts.confirms.store(times, Ordering::SeqCst);
    }

    /// So many times the connection ends as soon as it has a consumer.
    pub(super) fn cut_consumers(&self, times: usize) {
        self.cuts.consumers.store(times, Ordering::SeqCst);
    }

    pub(super) fn left(&self) -> usize {
        self.cuts.confirms.load(Ordering::SeqCst)
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

fn address(url: &str) -> &str {
    let (_, address) = url.split_once('@').unwrap();
    address.split_once('/').map_or(address, |(address, _)| address)
}

async fn forward(mut client: TcpStream, mut server: TcpStream, cuts: Arc<Cuts>) {
    let (mut from_client, mut from_server) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => match read {
                Ok(length) if length > 0 => {
                    if server.write_all(&from_client[..length]).await.is_err() {
                        return;
                    }
                }
                _ => return,
            },
            read = server.read(&mut from_server) => match read {
                Ok(length) if length > 0 => {
                    let said = &from_server[..length];
                    if is_cut(said, &ACK, &cuts.confirms) || is_cut(said, &CONSUME_OK, &cuts.consumers) {
                        return;
                    }
                    if client.write_all(said).await.is_err() {
                        return;
                    }
                }
                _ => return,
            },
        }
    }
}

fn is_cut(said: &[u8], sign: &[u8], left: &AtomicUsize) -> bool {
    let take = |left: usize| left.checked_sub(1);
    said.windows(sign.len()).any(|part| part == sign)
        && left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
            .is_ok()
}
