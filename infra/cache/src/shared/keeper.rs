//! Looks after the link: finds out whether Redis is well, pays what is owed, and tells the others how far it has come.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use fairlead_domain::cache::Tag;
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::identity::TenantId;
use futures_util::{StreamExt as _, stream};
use redis::InfoDict;
use redis::aio::MultiplexedConnection;
use tokio::time::{sleep, timeout};

use super::Shared;
use super::bumps::IsOwed;
use super::link::{Link, LinkError};
use super::message::Message;
use super::names::{parse_position, position_text};
use super::owed::{Debt, OwedCounter};
use super::roll::Roll;
use crate::cache::Inner;

/// Heartbeats while nothing changes.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// After a change, a few follow quickly: were the message of the change lost, and some of these, the others know within
/// a tenth of a second that they have missed something.
const QUICK_BEATS: u32 = 5;
const QUICK_BEAT_EVERY: Duration = Duration::from_millis(15);
/// How often a server that was left alone is tried.
const TRY_EVERY: Duration = Duration::from_millis(100);
/// One failure may be chance.
const ATTEMPTS: u32 = 3;
const ERAS_UNKNOWN: &str = "nobody knows whether what was kept has been dropped";
/// Debts that are on their way to Redis at a time.
const PAID_AT_ONCE: usize = 64;

pub(super) async fn keep(cache: Weak<Inner>) {
    let mut looked_around = Instant::now();
    let mut trusted_since = Instant::now();
    let mut roll = Roll::default();
    loop {
        let Some(inner) = cache.upgrade() else { return };
        let Some(shared) = &inner.shared else { return };
        if !shared.is_trusted() {
            let is_well = recover(&inner, shared).await;
            drop(inner);
            trusted_since = Instant::now();
            if !is_well {
                sleep(TRY_EVERY).await;
            }
            continue;
        }
        beat(shared).await;
        if looked_around.elapsed() >= BEAT_EVERY {
            // When Redis was away for all, all have as much time to come back.
            let all_are_back = trusted_since.elapsed() >= shared.settings.missed_after;
            look_around(&inner, shared).await;
            let looked = roll.look(shared).await.is_ok();
            let is_anybody_late = !looked || roll.is_anybody_late();
            shared.is_anybody_late.store(is_anybody_late, Ordering::Release);
            if looked && all_are_back {
                roll.call(&inner, shared).await.ok();
            }
            looked_around = Instant::now();
        }
        rest(shared).await;
    }
}

/// Finds out what others may have done unheard.
async fn look_around(inner: &Arc<Inner>, shared: &Shared) {
    // When they cannot be read, the shared level is not trusted any more.
    read_eras(inner).await.ok();
    shared.sign_in().await.ok();
}

/// Waits for the next heartbeat that is due: soon after a change, else in a second.
async fn rest(shared: &Shared) {
    if timeout(BEAT_EVERY, shared.wake.notified()).await.is_err() {
        return;
    }
    for _ in 1..QUICK_BEATS {
        sleep(QUICK_BEAT_EVERY).await;
        if !shared.is_trusted() {
            return;
        }
        beat(shared).await;
    }
    sleep(QUICK_BEAT_EVERY).await;
}

async fn beat(shared: &Shared) {
    let message = Message::Beat {
        node: shared.node,
        sequence: shared.sequence.settled(),
    };
    publish(shared, &message).await;
}

async fn publish(shared: &Shared, message: &Message) {
    let (channel, text) = (shared.names.channel(), message.to_text());
    shared
        .run(|mut connection| async move {
            redis::cmd("PUBLISH")
                .arg(channel)
                .arg(text)
                .query_async::<()>(&mut connection)
                .await
        })
        .await;
}

/// Tries to come to trust Redis; returns whether it does.
async fn recover(inner: &Arc<Inner>, shared: &Shared) -> bool {
    // Without hearing the others there is no trust.
    if !shared.is_subscribed.load(Ordering::Acquire) {
        // Woken when the subscription stands.
        timeout(BEAT_EVERY, shared.wake.notified()).await.ok();
        return shared.is_subscribed.load(Ordering::Acquire) && Box::pin(recover(inner, shared)).await;
    }
    if shared.link.probe().await.is_err() {
        return false;
    }
    // Heard by this process itself, among others: the subscription is alive.
    beat(shared).await;
    if make_sure_of_server(inner, shared).await.is_err() {
        return false;
    }
    if read_eras(inner).await.is_err() {
        return false;
    }
    let is_well = pay_all(inner, shared).await.unwrap_or(false);
    if !is_well {
        shared.is_paying.store(false, Ordering::Release);
    }
    is_well
}

/// Pays what is owed, and trusts Redis then; returns whether it does. What changes meanwhile is told at once, so that
/// there is an end to it however much is written.
async fn pay_all(inner: &Arc<Inner>, shared: &Shared) -> Result<bool, LinkError> {
    loop {
        shared.is_paying.store(true, Ordering::Release);
        let timeline = inner.timeline();
        begin_timeline(inner, shared).await?;
        pay_everything(inner, shared).await?;
        let debts = shared.owed().take();
        // Each that is not paid is owed again, so all are tried.
        let paid = stream::iter(debts)
            .map(|(tenant, debt)| pay(shared, tenant, debt))
            .buffer_unordered(PAID_AT_ONCE)
            .collect::<Vec<_>>();
        paid.await.into_iter().collect::<Result<(), _>>()?;
        shared.sign_in().await?;

        let owed = shared.owed();
        // One of those may just have failed to be told.
        if !owed.is_empty() || inner.timeline() != timeline {
            continue;
        }
        // What changed meanwhile was not heard, and what was loaded meanwhile has no proof.
        shared.suspect_memory();
        shared.is_trusted.store(true, Ordering::Release);
        drop(owed);
        // Looked at again, because the listener may have ended just before it could take trust away.
        if !shared.is_subscribed.load(Ordering::Acquire) {
            shared.distrust("the changes of others are not heard");
            return Ok(false);
        }
        // One may have begun meanwhile, and nobody could read which.
        if !shared.are_eras_known.load(Ordering::Acquire) {
            shared.distrust(ERAS_UNKNOWN);
            return Ok(false);
        }
        // So is this: who has told of it since may have found that nobody takes it.
        if inner.timeline() != timeline {
            shared.distrust("a new timeline has begun");
            return Ok(false);
        }
        shared.is_paying.store(false, Ordering::Release);
        tracing::info!("the shared cache is trusted");
        return Ok(true);
    }
}

/// Drops everything when this is not the server, or not the data, that was trusted last: after a restart from disk or a
/// failover, counters and answers may have gone back together, and would vouch for each other.
async fn make_sure_of_server(inner: &Arc<Inner>, shared: &Shared) -> Result<(), LinkError> {
    let identity = identity(&shared.link).await?;
    if identity.is_none() {
        tracing::warn!(
            "this user of Redis may not ask INFO: whoever connects drops what all have kept. Allow it by ACL: +info"
        );
    }
    let name = &shared.names.server();
    let get = |mut connection: MultiplexedConnection| async move {
        redis::cmd("GET").arg(name).query_async(&mut connection).await
    };
    let known: Option<String> = shared.link.run(get).await?;
    if identity.is_some() && identity == known {
        return Ok(());
    }
    begin_era(inner, "everything", Some(LogPosition::UNKNOWN)).await?;
    let mut remember = redis::cmd("SET");
    remember.arg(name).arg(identity.unwrap_or_default());
    shared
        .link
        .run(|mut connection| async move { remember.query_async::<()>(&mut connection).await })
        .await
}

/// Names the server and the history of its data; `None` when it does not tell.
pub(super) async fn identity(link: &Link) -> Result<Option<String>, LinkError> {
    let ask = |mut connection: MultiplexedConnection| async move {
        redis::cmd("INFO").query_async::<InfoDict>(&mut connection).await
    };
    let info = match link.run(ask).await {
        Ok(info) => info,
        // Not every user of a Redis may ask.
        Err(LinkError::Redis(error)) if !error.is_unrecoverable_error() => return Ok(None),
        Err(error) => return Err(error),
    };
    // The first is new whenever the process starts, the second whenever a replica is promoted.
    let fields = ["run_id", "master_replid"];
    Ok(fields.iter().map(|field| info.get::<String>(field)).collect())
}

async fn pay(shared: &Shared, tenant: TenantId, debt: Debt) -> Result<(), LinkError> {
    let counters: Vec<OwedCounter> = match &debt.counters {
        Some(counters) => counters.iter().cloned().collect(),
        None => vec![shared.counter(tenant, Tag::Whole)],
    };
    // It stands for no commit: others may owe what they committed before.
    let position = debt.position.map(|position| LogPosition { mark: 0, ..position });
    let told = shared.tell(tenant, &counters, position, IsOwed::Yes).await;
    if told.is_err() {
        shared.owed().put_back(tenant, debt);
    }
    told
}

/// Begins a new era when so much is owed that it was not kept one by one.
async fn pay_everything(inner: &Arc<Inner>, shared: &Shared) -> Result<(), LinkError> {
    let Some(position) = shared.owed().take_everything() else {
        return Ok(());
    };
    let begun = begin_era(inner, "everything", Some(position)).await;
    if begun.is_err() {
        shared.owed().owe_everything(position);
    }
    begun
}

/// Drops the answers of a namespace, or everything, of all tenants. Loads see `floor` from then on.
pub(crate) async fn begin_era(
    inner: &Arc<Inner>,
    name: &str,
    floor: Option<LogPosition>,
) -> Result<(), LinkError> {
    let Some(shared) = &inner.shared else {
        return Ok(());
    };
    let eras = shared.names.eras();
    let (channel, message) = (shared.names.channel(), Message::Era.to_text());
    let begun = shared.link.run(|mut connection| async move {
        let mut commands = redis::pipe();
        // At random: were the eras lost, none of before would come again.
        let era = rand::random::<u64>();
        commands
            .atomic()
            .cmd("HSET")
            .arg(&eras)
            .arg(name)
            .arg(era)
            .ignore();
        if let Some(floor) = floor {
            commands
                .cmd("HSET")
                .arg(&eras)
                .arg("floor")
                .arg(position_text(floor))
                .ignore();
        }
        commands.cmd("PUBLISH").arg(channel).arg(message).ignore();
        commands.query_async::<()>(&mut connection).await
    });
    begun.await?;
    read_eras(inner).await
}

/// Drops everything that is of another timeline than this process knows of, unless somebody has told of the same.
pub(super) async fn begin_timeline(inner: &Arc<Inner>, shared: &Shared) -> Result<(), LinkError> {
    let timeline = inner.timeline();
    if timeline == 0 {
        return Ok(());
    }
    let mut call = shared.scripts.begin_timeline.prepare_invoke();
    call.key(shared.names.eras())
        .arg(timeline)
        .arg(rand::random::<u64>())
        .arg(position_text(LogPosition::UNKNOWN))
        .arg(shared.names.channel())
        .arg(Message::Era.to_text());
    let call = &call;
    let begun = shared
        .link
        .run(|mut connection| async move { call.invoke_async::<bool>(&mut connection).await });
    if begun.await? {
        read_eras(inner).await?;
    }
    Ok(())
}

/// Learns which eras it is; when one has begun, everything in memory is dropped.
///
/// # Errors
/// Nobody knows which eras it is, so the shared level is not trusted until they have been read.
pub(super) async fn read_eras(inner: &Arc<Inner>) -> Result<(), LinkError> {
    let Some(shared) = &inner.shared else {
        return Ok(());
    };
    let mut attempts = 1;
    let mut names = loop {
        match ask_for_eras(shared).await {
            Ok(names) => break names,
            Err(error) if attempts == ATTEMPTS => {
                shared.are_eras_known.store(false, Ordering::Release);
                shared.distrust(ERAS_UNKNOWN);
                return Err(error);
            }
            Err(_) => attempts += 1,
        }
    };
    let floor = names.remove("floor").and_then(|text| parse_position(&text));
    // Whoever has told of another began an era with it.
    names.remove("timeline");
    shared.are_eras_known.store(true, Ordering::Release);
    let eras = super::Eras { names, floor };
    let mut known = shared.eras();
    if *known != eras {
        *known = eras;
        drop(known);
        inner.take_floor(floor);
        inner.generations.bump_everything();
    }
    Ok(())
}

async fn ask_for_eras(shared: &Shared) -> Result<HashMap<String, String>, LinkError> {
    let name = shared.names.eras();
    let read = shared.try_run(|mut connection| async move {
        redis::pipe()
            .atomic()
            .cmd("HSETNX")
            .arg(&name)
            .arg("everything")
            .arg(rand::random::<u64>())
            .ignore()
            .cmd("HGETALL")
            .arg(&name)
            .query_async::<(HashMap<String, String>,)>(&mut connection)
            .await
    });
    read.await.map(|(names,)| names)
}
