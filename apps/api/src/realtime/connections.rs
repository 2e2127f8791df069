//! The clients of this process that stay, as operators see them.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fairlead_domain::access::Actor;
use fairlead_domain::clock::{Clock, Ids};
use fairlead_domain::events::EventFilter;
use fairlead_domain::identity::TenantId;
use time::OffsetDateTime;
use tokio::sync::Notify;
use uuid::Uuid;

/// The clients of a process that stay. Its clones are the same one.
#[derive(Clone)]
pub struct Connections(Arc<Shared>);

struct Shared {
    ids: Arc<dyn Ids>,
    clock: Arc<dyn Clock>,
    open: Mutex<HashMap<Uuid, Arc<Connection>>>,
    totals: Totals,
}

/// What was sent and taken since the process began.
#[derive(Debug, Default)]
struct Totals {
    events: AtomicU64,
    bytes: AtomicU64,
    received: AtomicU64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ConnectionKind {
    /// Server-sent events.
    Stream,
    WebSocket,
}

/// One client that stays.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: Uuid,
    pub(crate) kind: ConnectionKind,
    pub(crate) tenant: TenantId,
    pub(crate) actor: Actor,
    pub(crate) since: OffsetDateTime,
    began: Instant,
    /// Milliseconds since it began.
    heard: AtomicU64,
    sent_events: AtomicU64,
    sent_bytes: AtomicU64,
    received: AtomicU64,
    waiting: AtomicU64,
    is_behind: AtomicBool,
    subscribed: Mutex<Option<EventFilter>>,
    is_to_end: AtomicBool,
    end: Notify,
}

/// A connection for as long as it is open.
pub(crate) struct Open {
    connection: Arc<Connection>,
    connections: Connections,
}

/// How many there are of a tenant.
pub(crate) struct OfTenant {
    pub(crate) tenant: TenantId,
    pub(crate) sockets: u64,
    pub(crate) streams: u64,
}

/// What was sent and taken by all clients that stay, also by those that have gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
    pub(crate) received: u64,
}

impl ConnectionKind {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::WebSocket => "websocket",
        }
    }
}

impl Connections {
    pub fn new(ids: Arc<dyn Ids>, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Shared {
            ids,
            clock,
            open: Mutex::default(),
            totals: Totals::default(),
        }))
    }

    pub(crate) fn open(&self, kind: ConnectionKind, tenant: TenantId, actor: Actor) -> Open {
        let connection = Arc::new(Connection {
            id: self.0.ids.next(),
            kind,
            tenant,
            actor,
            since: self.0.clock.now(),
            began: Instant::now(),
            heard: AtomicU64::new(0),
            sent_events: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            received: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            is_behind: AtomicBool::new(false),
            subscribed: Mutex::new(None),
            is_to_end: AtomicBool::new(false),
            end: Notify::new(),
        });
        self.all().insert(connection.id, Arc::clone(&connection));
        Open {
            connection,
            connections: self.clone(),
        }
    }

    /// Those that are open, the oldest first: ids grow with time.
    pub(crate) fn list(&self) -> Vec<Arc<Connection>> {
        let mut all: Vec<_> = self.all().values().cloned().collect();
        all.sort_unstable_by_key(|connection| connection.id);
        all
    }

    /// Asks one to end; `false`: there is none of this id.
    pub fn end(&self, id: Uuid) -> bool {
        let found = self.all().get(&id).cloned();
        found.map(|connection| connection.ask_to_end()).is_some()
    }

    /// By tenant, those with the most first.
    pub(crate) fn by_tenant(&self) -> Vec<OfTenant> {
        let mut tenants: HashMap<TenantId, OfTenant> = HashMap::new();
        for connection in self.all().values() {
            let of_tenant = tenants.entry(connection.tenant).or_insert(OfTenant {
                tenant: connection.tenant,
                sockets: 0,
                streams: 0,
            });
            match connection.kind {
                ConnectionKind::WebSocket => of_tenant.sockets += 1,
                ConnectionKind::Stream => of_tenant.streams += 1,
            }
        }
        let mut tenants: Vec<_> = tenants.into_values().collect();
        tenants.sort_unstable_by_key(|of| (std::cmp::Reverse(of.sockets + of.streams), of.tenant));
        tenants
    }

    pub(crate) fn traffic(&self) -> Traffic {
        let Totals {
            events,
            bytes,
            received,
        } = &self.0.totals;
        Traffic {
            events: events.load(Ordering::Relaxed),
            bytes: bytes.load(Ordering::Relaxed),
            received: received.load(Ordering::Relaxed),
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<Connection>>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connection {
    pub(crate) fn age(&self) -> Duration {
        self.began.elapsed()
    }

    /// How long nothing was heard of a socket's client, or since a stream's connection had room for more last.
    pub(crate) fn silent_for(&self) -> Duration {
        let heard = Duration::from_millis(self.heard.load(Ordering::Relaxed));
        self.age().saturating_sub(heard)
    }

    pub(crate) fn sent_events(&self) -> u64 {
        self.sent_events.load(Ordering::Relaxed)
    }

    pub(crate) fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Events that were there for it when it looked last, and that it had not taken.
    pub(crate) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Whether it goes through the log to catch up.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind.load(Ordering::Relaxed)
    }

    /// What it wants; `None`: it has not said.
    pub(crate) fn subscribed(&self) -> Option<EventFilter> {
        self.subscription().clone()
    }

    /// Returns whether nobody has asked before.
    pub(crate) fn ask_to_end(&self) -> bool {
        let is_new = !self.is_to_end.swap(true, Ordering::Relaxed);
        self.end.notify_one();
        is_new
    }

    /// Waits until somebody wants it to end.
    pub(super) async fn to_end(&self) {
        while !self.is_to_end.load(Ordering::Relaxed) {
            self.end.notified().await;
        }
    }

    fn subscription(&self) -> MutexGuard<'_, Option<EventFilter>> {
        self.subscribed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// The client lives.
    pub(crate) fn note_heard(&self) {
        let now = u64::try_from(self.connection.age().as_millis()).unwrap_or(u64::MAX);
        self.connection.heard.store(now, Ordering::Relaxed);
    }

    /// The client has sent a message.
    pub(crate) fn note_received(&self) {
        self.connection.received.fetch_add(1, Ordering::Relaxed);
        self.totals().received.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn note_sent(&self, events: u64, bytes: usize) {
        let bytes = bytes as u64;
        self.connection.sent_events.fetch_add(events, Ordering::Relaxed);
        self.connection.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
        self.totals().events.fetch_add(events, Ordering::Relaxed);
        self.totals().bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn note_subscription(&self, wanted: Option<EventFilter>) {
        *self.connection.subscription() = wanted;
    }

    pub(super) fn note_place(&self, waiting: usize, is_behind: bool) {
        self.connection.waiting.store(waiting as u64, Ordering::Relaxed);
        self.connection.is_behind.store(is_behind, Ordering::Relaxed);
    }

    fn totals(&self) -> &Totals {
        &self.connections.0.totals
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.connections.all().remove(&self.connection.id);
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("open", &self.all().len())
            .finish_non_exhaustive()
    }
}
