use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use fairlead_domain::rate_limits::{LimitKey, Quota, SharingReport, Whose};
use fairlead_telemetry::spawn_supervised;
use futures_util::future::join_all;
use redis::Script;
use tokio::sync::{Mutex, mpsc};
use tokio::time::sleep;

use super::account::Account;
use super::{Inner, nanos};
use crate::settings::SharedSettings;
use crate::shared::{BadRedis, Link, LinkError};

/// What a process lets pass before it tells the others is one part in so many of the quota.
const PARTS: u32 = 100;
/// What is less than that is told after this.
const INTERVAL: Duration = Duration::from_millis(250);
/// How many accounts may wait to be settled. One that finds no place waits for its next turn.
const WAITING: usize = 1_024;
/// How many are settled at once.
const AT_ONCE: usize = 64;
/// How often Redis is tried while it is away.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// Settles accounts of this process with those of the others.
#[derive(Debug)]
pub(super) struct Sharing {
    link: Link,
    script: Script,
    prefix: String,
    waiting: mpsc::Sender<Due>,
    is_up: AtomicBool,
    settled: AtomicU64,
    failed: AtomicU64,
}

/// An account that is to be settled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    key: LimitKey,
    quota: Quota,
}

pub(super) type Settling = mpsc::Receiver<Due>;

impl Sharing {
    pub(super) fn new(settings: &SharedSettings) -> Result<(Self, Settling), BadRedis> {
        // Nobody waits for it, and it carries many commands at once.
        let settings = SharedSettings {
            connections: 1,
            ..settings.clone()
        };
        let (waiting, settling) = mpsc::channel(WAITING);
        let sharing = Self {
            link: Link::new(&settings)?,
            script: Script::new(include_str!("scripts/settle.lua")),
            prefix: settings.prefix,
            waiting,
            is_up: AtomicBool::new(false),
            settled: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        };
        Ok((sharing, settling))
    }

    /// Notes a request that has passed, and sees to it that the others hear of it.
    #[inline]
    pub(super) fn spent(&self, account: &Account, key: LimitKey, quota: Quota, now: u64) {
        let batch = i64::from(quota.requests() / PARTS).max(1);
        if account.spend(batch, nanos(INTERVAL), now) {
            // No place: there is a next turn.
            self.waiting.try_send(Due { key, quota }).ok();
        }
    }

    pub(super) fn is_up(&self) -> bool {
        self.is_up.load(Ordering::Relaxed)
    }

    pub(super) fn report(&self) -> SharingReport {
        SharingReport {
            is_up: self.is_up(),
            settled: self.settled.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }

    /// Tells what was used up, and learns how far ahead the key's moment is for all processes together.
    async fn settle(&self, due: Due, requests: i64) -> Result<Duration, LinkError> {
        let name = name(&self.prefix, due.key);
        let used_up = micros(due.quota.interval()) * as_figure(requests);
        self.invoke(&name, used_up, due.quota.window()).await
    }

    /// Finds out whether Redis can be written to, on connections made anew.
    async fn probe(&self) -> Result<(), LinkError> {
        self.link.probe().await?;
        let name = format!("{}:r:probe", self.prefix);
        self.invoke(&name, 0.0, Duration::ZERO).await.map(drop)
    }

    async fn invoke(&self, name: &str, used_up: f64, window: Duration) -> Result<Duration, LinkError> {
        let mut call = self.script.prepare_invoke();
        call.key(name).arg(used_up).arg(micros(window));
        let call = &call;
        let ahead = self
            .link
            .run(|mut connection| async move { call.invoke_async::<u64>(&mut connection).await })
            .await?;
        Ok(Duration::from_micros(ahead))
    }

    fn note(&self, result: Result<(), LinkError>) {
        match result {
            Ok(()) => {
                if !self.is_up.swap(true, Ordering::Relaxed) {
                    tracing::info!("rate limits are shared between processes");
                }
            }
            Err(error) => {
                if self.is_up.swap(false, Ordering::Relaxed) {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "Redis is away: this process limits what comes to itself"
                    );
                }
            }
        }
    }
}

/// Settles for as long as the limiter is there.
pub(super) fn start(inner: &Arc<Inner>, settling: Settling) {
    let weak = Arc::downgrade(inner);
    let settling = Arc::new(Mutex::new(settling));
    spawn_supervised("settle-rate-limits", move || {
        run(Weak::clone(&weak), Arc::clone(&settling))
    });
}

async fn run(limiter: Weak<Inner>, settling: Arc<Mutex<Settling>>) {
    let mut settling = settling.lock().await;
    let mut waiting = Vec::with_capacity(AT_ONCE);
    while is_up(&limiter).await {
        waiting.clear();
        if settling.recv_many(&mut waiting, AT_ONCE).await == 0 {
            return;
        }
        let Some(inner) = limiter.upgrade() else { return };
        let Some(sharing) = &inner.sharing else { return };
        let settled = join_all(waiting.iter().map(|due| settle(&inner, sharing, *due))).await;
        if let Some(error) = settled.into_iter().find_map(Result::err) {
            sharing.note(Err(error));
            drop(inner);
            sleep(PROBE_EVERY).await;
        }
    }
}

/// Waits until Redis answers, where it does not; `false`: nobody needs it any more.
///
/// What passed meanwhile was counted here alone, and is not told: when Redis is back, nobody is to pay at once for all
/// that processes have let pass one by one.
async fn is_up(limiter: &Weak<Inner>) -> bool {
    loop {
        let Some(inner) = limiter.upgrade() else {
            return false;
        };
        let Some(sharing) = &inner.sharing else {
            return false;
        };
        if sharing.is_up() {
            return true;
        }
        match sharing.probe().await {
            Ok(()) => {
                inner.table.forget_accounts();
                sharing.note(Ok(()));
                return true;
            }
            Err(error) => sharing.note(Err(error)),
        }
        drop(inner);
        sleep(PROBE_EVERY).await;
    }
}

async fn settle(inner: &Inner, sharing: &Sharing, due: Due) -> Result<(), LinkError> {
    let Some(account) = inner.table.account(&due.key) else {
        return Ok(());
    };
    // More than a whole quota was let pass while nobody heard of it.
    let most = i64::from(due.quota.requests());
    let requests = account.settle().clamp(-most, most);
    let ahead = match sharing.settle(due, requests).await {
        Ok(ahead) => ahead,
        Err(error) => {
            sharing.failed.fetch_add(1, Ordering::Relaxed);
            return Err(error);
        }
    };
    sharing.settled.fetch_add(1, Ordering::Relaxed);
    let moment = inner
        .moment(std::time::Instant::now())
        .saturating_add(nanos(ahead));
    inner.table.update(&due.key, |own| own.max(moment));
    Ok(())
}

/// What a key's moment is called in Redis. Whose it is is its hash tag, as of all that is a tenant's.
fn name(prefix: &str, key: LimitKey) -> String {
    let name = key.limit().name();
    match key.whose() {
        Whose::Tenant(id) => format!("{prefix}:{{{id}}}:r:{name}"),
        Whose::ApiKey(id) => format!("{prefix}:{{{id}}}:r:{name}"),
        Whose::Network(network) => format!("{prefix}:{{{network}}}:r:{name}"),
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

#[expect(
    clippy::cast_precision_loss,
    reason = "no more than a quota, which has 32 bits"
)]
fn as_figure(requests: i64) -> f64 {
    requests as f64
}
