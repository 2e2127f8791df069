//! Looks at every node a few times a second, each over a connection of its own: whether it answers, how far it is, and
//! how far behind.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use fairlead_domain::consistency::{LogPosition, NodeName};
use fairlead_domain::database::NodeRole;
use fairlead_domain::store::TimelineObserver;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::history::{Behind, History};
use super::last_writes::LastWrites;
use super::node::Seen;
use super::rotation::{Fault, Standing};
use crate::config::MonitorConfig;
use crate::error::Meaning;
use crate::pool::Target;
use crate::wire::{Conversation, Error, Row};

/// Whether the server follows another one, where it is in the log, what it has received, its timeline, and its run.
const LOOK_AT_PRIMARY: &str = "
    SELECT standby,
           CASE WHEN NOT standby THEN pg_current_wal_insert_lsn() END::text,
           NULL,
           CASE WHEN NOT standby
                THEN ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::int END,
           pg_postmaster_start_time()::text
    FROM pg_is_in_recovery() AS standby";

/// The same of a replica. It is on the timeline that it receives: it asks for none that does not go on from what it has
/// replayed. If that is not yet beyond the fork, it is the same on both. What it has replayed is asked first, so that
/// it is never taken for more than it was on that timeline.
///
/// One that receives nothing tells the timeline of its last restart point, which may be older than what it replays: then
/// it is thought to be on another timeline for a while, and is only used less.
const LOOK_AT_REPLICA: &str = "
    SELECT standby,
           CASE WHEN standby THEN pg_last_wal_replay_lsn() END::text,
           pg_last_wal_receive_lsn()::text,
           GREATEST(received_timeline(), (SELECT timeline_id FROM pg_control_checkpoint())),
           pg_postmaster_start_time()::text
    FROM pg_is_in_recovery() AS standby";

/// Watches one node.
pub(super) struct Monitor {
    pub(super) name: NodeName,
    pub(super) role: NodeRole,
    pub(super) target: Target,
    pub(super) config: MonitorConfig,
    pub(super) seen: Arc<Seen>,
    /// Of the primary, by whose positions lag is measured.
    pub(super) history: Arc<History>,
    /// Told of how far the primary is whenever it comes into sight.
    pub(super) last_writes: Arc<LastWrites>,
    /// Who is told of the primary's timeline, if anybody is.
    pub(super) timelines: Arc<OnceLock<Arc<dyn TimelineObserver>>>,
    pub(super) conversation: Option<Conversation>,
    pub(super) known: Option<Known>,
}

/// The latest timeline of a server that runs. It stays with that, or goes on to a later one, until it is started anew.
#[derive(Debug)]
pub(super) struct Known {
    run: Box<str>,
    timeline: u32,
}

/// What a node says of itself.
#[derive(Debug)]
struct Look {
    is_standby: bool,
    position: LogPosition,
    received: u64,
    /// When it was started: tells runs and servers apart.
    run: Box<str>,
}

impl Monitor {
    /// Starts to look, until the task is aborted.
    pub(super) fn spawn(self) -> JoinHandle<()> {
        let monitor = Arc::new(Mutex::new(self));
        fairlead_telemetry::spawn_supervised("monitor-node", move || Self::look_again(Arc::clone(&monitor)))
    }

    async fn look_again(monitor: Arc<Mutex<Self>>) {
        let mut monitor = monitor.lock().await;
        let mut ticks = interval(monitor.config.interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            monitor.look().await;
        }
    }

    /// Looks once.
    pub(super) async fn look(&mut self) {
        let started = Instant::now();
        let looked = timeout(self.config.timeout, self.ask()).await;
        let found = match looked {
            Ok(Ok(look)) => {
                self.seen.saw_latency(Some(started.elapsed()));
                let look = self.keep_timeline(look);
                self.judge(&look, started)
            }
            Ok(Err(error)) => {
                tracing::debug!(db.node = %self.name, error = &error as &dyn std::error::Error, "cannot look");
                let received = self.seen.received();
                self.lose_sight();
                if error.is_want_of_room() {
                    self.judge_unseen(received)
                } else {
                    Err(Fault::Refuses)
                }
            }
            Err(_) => {
                self.lose_sight();
                Err(Fault::Silent)
            }
        };
        let (before, now) = self.seen.look(found);
        if before != now {
            tell(&self.name, before, now);
        }
    }

    /// What was seen of the node says nothing of what it does from now on.
    fn lose_sight(&mut self) {
        self.conversation = None;
        self.seen.saw_latency(None);
        match self.role {
            NodeRole::Primary => self.lose_primary(),
            NodeRole::Replica | NodeRole::Analytics => self.seen.saw_replica(None, None),
        }
    }

    /// Whoever reads the primary while it is out of sight sees more than it had when it was seen last, and nobody knows
    /// how much more: a position that old would be taken for what there is.
    fn lose_primary(&self) {
        self.history.lose_sight();
        self.seen.position.store(LogPosition::UNKNOWN);
    }

    /// Asks over the connection there is; when that one broke, over a new one.
    async fn ask(&mut self) -> Result<Look, LookError> {
        let question = match self.role {
            NodeRole::Primary => LOOK_AT_PRIMARY,
            NodeRole::Replica | NodeRole::Analytics => LOOK_AT_REPLICA,
        };
        if let Some(conversation) = &mut self.conversation
            && let Ok(look) = ask(conversation, question).await
        {
            return Ok(look);
        }
        ask(self.conversation.insert(self.target.open().await?), question).await
    }

    /// A replica whose connection to the primary has broken does not tell any more what it has received. Nor is it back
    /// on the timeline before.
    fn keep_timeline(&mut self, mut look: Look) -> Look {
        let known = self.known.take().filter(|known| known.run == look.run);
        let timeline = known.map_or(0, |known| known.timeline);
        look.position.timeline = look.position.timeline.max(timeline);
        self.known = Some(Known {
            run: look.run.clone(),
            timeline: look.position.timeline,
        });
        look
    }

    /// Takes in where the node is, and says whether it may serve.
    fn judge(&self, look: &Look, asked: Instant) -> Result<(), Fault> {
        if self.role == NodeRole::Primary {
            if look.is_standby {
                self.lose_primary();
                return Err(Fault::NotThePrimary);
            }
            if self.history.saw(look.position, asked) {
                // Whatever was acknowledged before, by whomever, lies below.
                self.last_writes.note_all_before(look.position);
            }
            // A commit is written to the log before others can see it. One byte less, and it is not promised yet: the
            // position that its writer is told is taken afterwards, so it is this one at the least.
            self.seen.position.store(LogPosition {
                lsn: look.position.lsn.saturating_sub(1),
                ..look.position
            });
            // Now that what is read says so.
            if let Some(observer) = self.timelines.get() {
                observer.note_timeline(look.position.timeline);
            }
            return Ok(());
        }
        if !look.is_standby {
            self.seen.position.store(LogPosition::UNKNOWN);
            self.seen.saw_replica(None, None);
            return Err(Fault::NotAReplica);
        }
        self.seen.position.store(look.position);
        self.judge_lag(look.position, Some(look.received))
    }

    /// Says whether a node may serve that is there, and has no room for the connection by which it is looked at: those
    /// of the pools work. It is as it was seen last, but a replica is behind by all that was written since.
    fn judge_unseen(&self, received: Option<u64>) -> Result<(), Fault> {
        match self.seen.standing() {
            Standing::Unknown => Err(Fault::Refuses),
            Standing::Out(fault @ (Fault::NotAReplica | Fault::NotThePrimary)) => Err(fault),
            _ if self.role == NodeRole::Primary => Ok(()),
            _ => self.judge_lag(self.seen.position.load(), received),
        }
    }

    fn judge_lag(&self, replayed: LogPosition, received: Option<u64>) -> Result<(), Fault> {
        // Whoever has all that the primary had then is behind by no more than the time since, and that is within the limit;
        // where the limit is below the time between two looks, nobody can tell any better.
        let sight = self.config.max_lag + 2 * self.config.interval;
        let behind = self.history.behind(replayed, Instant::now(), sight);
        self.seen.saw_replica(received, behind.and_then(Behind::known));
        match behind.map(Behind::at_least) {
            None => Err(Fault::Diverged),
            Some(lag) if lag.time > self.config.max_lag => Err(Fault::Lagging),
            Some(_) => Ok(()),
        }
    }
}

/// Why a node was not looked at.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error("the server does not answer")]
    Driver(#[from] Error),
    #[error("the answer is not what was asked for")]
    Answer,
}

impl LookError {
    fn is_want_of_room(&self) -> bool {
        matches!(self, Self::Driver(error) if Meaning::of(error) == Meaning::NoRoom)
    }
}

async fn ask(conversation: &mut Conversation, question: &'static str) -> Result<Look, LookError> {
    let answer = conversation.ask_again(question).await?;
    answer.first().and_then(read).ok_or(LookError::Answer)
}

fn read(row: &Row) -> Option<Look> {
    let timeline: Option<i32> = row.try_get(3).ok()?;
    let timeline = u32::try_from(timeline.unwrap_or_default()).ok()?;
    let position = |lsn: Option<&str>| match lsn {
        None => Some(LogPosition::UNKNOWN),
        Some(lsn) => format!("{timeline}/{lsn}").parse().ok(),
    };
    Some(Look {
        is_standby: row.try_get(0).ok()?,
        position: position(row.try_get(1).ok()?)?,
        received: position(row.try_get(2).ok()?)?.lsn,
        run: row.try_get::<&str>(4).ok()?.into(),
    })
}

fn tell(name: &NodeName, before: Standing, now: Standing) {
    match now {
        Standing::Serving if before == Standing::Unknown => {
            tracing::info!(db.node = %name, "database node {name} serves");
        }
        Standing::Serving => tracing::info!(db.node = %name, "database node {name} serves again"),
        Standing::Out(_) => tracing::warn!(db.node = %name, "database node {name} {now}: it gets no work"),
        Standing::Unknown | Standing::Returning => {}
    }
}
