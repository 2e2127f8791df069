use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use fairlead_telemetry::spawn;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What a client says last on a connection that it closes in order (PostgreSQL protocol 3.0, `Terminate`).
const TERMINATE: &[u8] = b"X\0\0\0\x04";
const BEGIN: &[u8] = b"BEGIN READ WRITE";
/// The tag by which the server says that it is done.
const COMMITTED: &[u8] = b"COMMIT\0";

/// Stands between a pool and PostgreSQL. When the pool closes a connection, it first asks the server, behind the
/// pool's back, what the connection's last user has left on it.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    left: Arc<Mutex<Vec<Leftover>>>,
    mischief: Arc<Mischief>,
    listening: JoinHandle<()>,
}

/// What it does to those who speak through it.
#[derive(Debug, Default)]
struct Mischief {
    swallows_commits: AtomicBool,
    breaks_begins: AtomicBool,
    is_deaf: AtomicBool,
}

/// What was found on a connection at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// The setting's value; empty when there is none.
    pub setting: String,
    pub in_transaction: bool,
}

impl Proxy {
    /// Begins to forward connections to the server of `url`; asks for `setting` at the end of each.
    pub async fn start(url: &str, setting: &'static str) -> Self {
        let upstream = address(url).to_owned();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        let left = Arc::new(Mutex::new(Vec::new()));
        let found = Arc::clone(&left);
        let mischief = Arc::new(Mischief::default());
        let done = Arc::clone(&mischief);
        let listening = spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&upstream).await.expect("PostgreSQL answers");
                let (found, mischief) = (Arc::clone(&found), Arc::clone(&done));
                spawn(async move {
                    if let Some(leftover) = forward(client, server, setting, &mischief).await {
                        found.lock().expect("nobody panics here").push(leftover);
                    }
                });
            }
        });
        Self {
            port,
            left,
            mischief,
            listening,
        }
    }

    /// The same URL, but through this proxy.
    pub fn through(&self, url: &str) -> String {
        url.replace(address(url), &format!("127.0.0.1:{}", self.port))
    }

    /// From now on a COMMIT reaches the server, but its answer nobody: the connection is cut instead.
    pub fn swallow_commits(&self) {
        self.mischief.swallows_commits.store(true, Ordering::SeqCst);
    }

    /// From now on no transaction that writes can be begun: what the server is asked to run as its BEGIN is nothing that
    /// it has prepared. What was sent behind it arrives as it was.
    pub fn break_begins(&self) {
        self.mischief.breaks_begins.store(true, Ordering::SeqCst);
    }

    /// From now on nothing that is said reaches the server, and no connection ends for it.
    pub fn go_deaf(&self) {
        self.mischief.is_deaf.store(true, Ordering::SeqCst);
    }

    /// What was left on each connection that has been closed in order.
    pub fn leftovers(&self) -> Vec<Leftover> {
        self.left.lock().expect("nobody panics here").clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

fn address(url: &str) -> &str {
    let (_, address) = url.split_once('@').expect("the URL has credentials");
    address.split_once('/').map_or(address, |(address, _)| address)
}

/// Copies both ways until the client goes; `None` when it went without a word.
async fn forward(
    mut client: TcpStream,
    mut server: TcpStream,
    setting: &str,
    mischief: &Mischief,
) -> Option<Leftover> {
    let (mut from_client, mut from_server) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    let mut begin = None;
    loop {
        tokio::select! {
            read = client.read(&mut from_client) => {
                let message = match read {
                    Ok(length) if length > 0 => &from_client[..length],
                    _ => return None,
                };
                if mischief.is_deaf.load(Ordering::SeqCst) {
                    continue;
                }
                // Whatever stands before it, such as a last ROLLBACK, is done first.
                if let Some(rest) = message.strip_suffix(TERMINATE) {
                    server.write_all(rest).await.ok()?;
                    return inspect(&mut server, setting).await;
                }
                begin = name_of_begin(message).or(begin);
                let breaks = mischief.breaks_begins.load(Ordering::SeqCst);
                match &begin {
                    Some(begin) if breaks => server.write_all(&without(begin, message)).await.ok()?,
                    _ => server.write_all(message).await.ok()?,
                }
            }
            read = server.read(&mut from_server) => {
                let answer = match read {
                    Ok(length) if length > 0 => &from_server[..length],
                    _ => return None,
                };
                let has_committed = answer.windows(COMMITTED.len()).any(|part| part == COMMITTED);
                if has_committed && mischief.swallows_commits.load(Ordering::SeqCst) {
                    return None;
                }
                client.write_all(answer).await.ok()?;
            }
        }
    }
}

/// The name by which a BEGIN is prepared, with the zeros around it: that stands before its text.
fn name_of_begin(message: &[u8]) -> Option<Vec<u8>> {
    let text = message.windows(BEGIN.len()).position(|part| part == BEGIN)?;
    let name = message[..text].strip_suffix(&[0])?;
    let start = name
        .iter()
        .rposition(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')?
        + 1;
    Some([&[0], &name[start..], &[0]].concat())
}

/// The same message, of the same length, but what was to be run by that name is to be run by another one.
fn without(name: &[u8], message: &[u8]) -> Vec<u8> {
    let mut changed = message.to_vec();
    let found = message.windows(name.len()).position(|part| part == name);
    if let Some(start) = found {
        changed[start + 1] = b'x';
    }
    changed
}

/// Asks by a simple query, and reads messages until the answer to it is complete.
async fn inspect(server: &mut TcpStream, setting: &str) -> Option<Leftover> {
    let query = format!("SELECT COALESCE(current_setting('{setting}', true), '')\0");
    let length = u32::try_from(query.len() + 4).expect("the query is short");
    server
        .write_all(&[b"Q", &length.to_be_bytes()[..], query.as_bytes()].concat())
        .await
        .ok()?;

    let mut value = None;
    loop {
        let kind = server.read_u8().await.ok()?;
        let length = server.read_u32().await.ok()?;
        let mut body = vec![0; length as usize - 4];
        server.read_exact(&mut body).await.ok()?;
        match kind {
            // DataRow: the number of columns (2 bytes), then the length of the first (4), then its text.
            b'D' => value = Some(String::from_utf8_lossy(&body[6..]).into_owned()),
            // ReadyForQuery: idle, in a transaction, or in one that failed. The first may be of what came before.
            b'Z' if value.is_some() || body == b"E" => {
                return Some(Leftover {
                    setting: value.unwrap_or_default(),
                    in_transaction: body != b"I",
                });
            }
            _ => {}
        }
    }
}
