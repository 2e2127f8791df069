//! The link: connected and declared again whenever anything of it breaks.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::events::{Broker, Event, EventHandler, Lease, LinkReport, PublishError};
use futures_util::future::try_join_all;
use lapin::options::ConfirmSelectOptions;
use lapin::{Channel, Connection, Error};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep, timeout};

use crate::connect::{ConnectError, connect};
use crate::dead::keep_bounded;
use crate::publish::{Stopped, Unconfirmed, publish};
use crate::queue::consume;
use crate::settings::RabbitMqSettings;
use crate::shard::SHARDS;
use crate::topology::{self, Names};

/// To connect, and to declare all there is.
const CONNECT_WITHIN: Duration = Duration::from_secs(15);
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(3);
/// A link that breaks sooner is no better than none: the next one is waited for as long as if it had not been.
const HELD: Duration = Duration::from_secs(3);
/// Whether the connection is there is asked so often; nobody is told when it goes.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// What somebody has deleted is there again after so long.
const DECLARE_EVERY: Duration = Duration::from_secs(15);

/// RabbitMQ, as far as it can be reached. Its clones are the same one.
#[derive(Clone)]
pub struct RabbitMq {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) settings: RabbitMqSettings,
    pub(crate) names: Names,
    pub(crate) counts: Counts,
    /// Where events are published, while the link is up.
    publisher: watch::Sender<Option<Channel>>,
    /// Woken when publishing failed.
    broken: Notify,
    /// Woken when a delivery became a dead letter here.
    pub(crate) buried: Notify,
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    connects: AtomicU64,
    published: AtomicU64,
    pub(crate) retried: AtomicU64,
    pub(crate) dead: AtomicU64,
    /// In the queue, when last looked.
    pub(crate) dead_letters: AtomicU64,
    pub(crate) dead_dropped: AtomicU64,
}

/// Why the link broke.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkFault {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("RabbitMQ failed")]
    Failed(#[from] Error),
    #[error("RabbitMQ did not answer within {} s", CONNECT_WITHIN.as_secs())]
    Silent,
    #[error("the connection is gone")]
    Gone,
    #[error("a queue is gone")]
    QueueGone,
    #[error("an event could not be published")]
    Unpublished,
    #[error("a delivery could not be sent back")]
    Unconfirmed(#[from] Unconfirmed),
}

impl RabbitMq {
    pub fn new(settings: RabbitMqSettings) -> Self {
        Self {
            shared: Arc::new(Shared {
                names: Names::new(&settings.prefix),
                settings,
                counts: Counts::default(),
                publisher: watch::Sender::new(None),
                broken: Notify::new(),
                buried: Notify::new(),
            }),
        }
    }

    /// Starts the task that keeps the link up, and hands deliveries to `handler`; without one nothing is consumed here. It
    /// ends when it is aborted.
    pub fn spawn(&self, handler: Option<Arc<dyn EventHandler>>) -> JoinHandle<()> {
        let shared = Arc::clone(&self.shared);
        fairlead_telemetry::spawn_supervised("link-broker", move || {
            let (shared, handler) = (Arc::clone(&shared), handler.clone());
            async move { supervise(&shared, handler.as_deref()).await }
        })
    }
}

async fn supervise(shared: &Shared, handler: Option<&dyn EventHandler>) {
    let place = shared.settings.place();
    let mut pause = FIRST_RETRY;
    let mut is_told = false;
    loop {
        let fault = match timeout(CONNECT_WITHIN, Link::open(shared)).await {
            Ok(Ok(link)) => {
                tracing::info!("linked to RabbitMQ at {place}");
                let linked = Instant::now();
                shared.counts.connects.fetch_add(1, Ordering::Relaxed);
                let up = Up::begin(shared, link.publisher.clone());
                let Err(fault) = work(shared, &link, handler).await;
                drop(up);
                link.close().await;
                is_told = false;
                if linked.elapsed() >= HELD {
                    pause = FIRST_RETRY;
                }
                fault
            }
            Ok(Err(fault)) => fault,
            Err(_) => LinkFault::Silent,
        };
        // Once, not at each attempt.
        if !is_told {
            tracing::warn!(
                error = &fault as &dyn std::error::Error,
                "no link to RabbitMQ at {place}"
            );
            is_told = true;
        }
        sleep(pause).await;
        pause = (pause * 2).min(LAST_RETRY);
    }
}

/// A link that is up: RabbitMQ that runs short of memory or disk takes nothing more from connections that publish, and
/// what it has must still be consumed and acknowledged.
struct Link {
    publishing: Connection,
    consuming: Connection,
    publisher: Channel,
}

impl Link {
    async fn open(shared: &Shared) -> Result<Self, LinkFault> {
        let settings = &shared.settings;
        let (publishing, consuming) = tokio::try_join!(
            connect(settings, "fairlead publishes"),
            connect(settings, "fairlead consumes")
        )?;
        let declarer = consuming.create_channel().await?;
        topology::declare(&declarer, &shared.names, &shared.settings).await?;
        declarer.close(200, "declared".into()).await?;
        let publisher = publishing.create_channel().await?;
        publisher.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self {
            publishing,
            consuming,
            publisher,
        })
    }

    /// Ends when either connection is gone.
    async fn gone(&self) {
        let mut ticks = interval(LOOK_EVERY);
        while self.publishing.status().connected() && self.consuming.status().connected() {
            ticks.tick().await;
        }
    }

    async fn close(self) {
        let close = |connection: Connection| async move {
            // It may be closed already, or not answer.
            let _ = timeout(LOOK_EVERY, connection.close(200, "the link begins anew".into())).await;
        };
        tokio::join!(close(self.consuming), close(self.publishing));
    }
}

/// Says that the link is up, for as long as it is, however that ends.
struct Up<'s>(&'s Shared);

impl<'s> Up<'s> {
    fn begin(shared: &'s Shared, publisher: Channel) -> Self {
        shared.publisher.send_replace(Some(publisher));
        Self(shared)
    }
}

impl Drop for Up<'_> {
    fn drop(&mut self) {
        self.0.publisher.send_replace(None);
    }
}

/// Consumes all shards, where this process does, until anything breaks.
async fn work(
    shared: &Shared,
    link: &Link,
    handler: Option<&dyn EventHandler>,
) -> Result<Infallible, LinkFault> {
    let connection = &link.consuming;
    tokio::select! {
        ended = consume_all(shared, connection, handler) => ended,
        () = link.gone() => Err(LinkFault::Gone),
        () = shared.broken.notified() => Err(LinkFault::Unpublished),
        fault = declare_again(shared, connection) => fault,
        fault = keep_bounded(shared, connection) => fault,
    }
}

async fn consume_all(
    shared: &Shared,
    connection: &Connection,
    handler: Option<&dyn EventHandler>,
) -> Result<Infallible, LinkFault> {
    let Some(handler) = handler else {
        return std::future::pending().await;
    };
    try_join_all((0..SHARDS).map(|number| consume(shared, connection, handler, number))).await?;
    // Each consumes for ever, and there are some.
    Err(LinkFault::QueueGone)
}

async fn declare_again(shared: &Shared, connection: &Connection) -> Result<Infallible, LinkFault> {
    loop {
        sleep(DECLARE_EVERY).await;
        let channel = connection.create_channel().await?;
        topology::declare(&channel, &shared.names, &shared.settings).await?;
        channel.close(200, "declared".into()).await?;
    }
}

#[async_trait]
impl Broker for RabbitMq {
    async fn publish(&self, events: &[Event], lease: &dyn Lease) -> Result<(), PublishError> {
        if events.is_empty() {
            return Ok(());
        }
        let Some(channel) = self.shared.publisher.borrow().clone() else {
            let why = Unconfirmed::Away;
            return Err(Stopped { confirmed: 0, why }.into());
        };
        let published = publish(&channel, &self.shared.names.topic, events, lease).await;
        let confirmed = match &published {
            Ok(()) => events.len(),
            Err(stopped) => {
                // What comes late on this link would be taken for an answer to what follows. Who has merely lost the
                // leadership keeps the link, by which this process consumes.
                if !stopped.is_clean() {
                    self.shared.broken.notify_waiters();
                }
                stopped.confirmed
            }
        };
        self.shared
            .counts
            .published
            .fetch_add(confirmed as u64, Ordering::Relaxed);
        Ok(published?)
    }

    fn link(&self) -> LinkReport {
        let counts = &self.shared.counts;
        LinkReport {
            is_up: self.shared.publisher.borrow().is_some(),
            connects: counts.connects.load(Ordering::Relaxed),
            published: counts.published.load(Ordering::Relaxed),
            retried: counts.retried.load(Ordering::Relaxed),
            dead: counts.dead.load(Ordering::Relaxed),
            dead_letters: counts.dead_letters.load(Ordering::Relaxed),
            dead_dropped: counts.dead_dropped.load(Ordering::Relaxed),
        }
    }
}

impl fmt::Debug for RabbitMq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RabbitMq")
            .field("settings", &self.shared.settings)
            .field("link", &self.link())
            .finish_non_exhaustive()
    }
}
