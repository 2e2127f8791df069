//! Hears what other processes have changed.

use std::error::Error;
use std::mem::discriminant;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use fairlead_domain::consistency::LogPosition;
use fairlead_domain::identity::TenantId;
use futures_util::StreamExt as _;
use redis::aio::PubSub;
use tokio::time::{sleep, timeout};

use super::link::LinkError;
use super::message::Message;
use super::peers::Peers;
use super::{Shared, keeper};
use crate::cache::Inner;
use crate::generations::TagHash;

/// This process hears its own heartbeats, each second while it is trusted and at each probe else. After so long without
/// any, the connection is dead.
const SILENCE: Duration = Duration::from_secs(3);
const RECONNECT_AFTER: Duration = Duration::from_millis(50);

pub(super) async fn listen(cache: Weak<Inner>) {
    let mut told = None;
    while let Some(inner) = cache.upgrade() {
        let Some(shared) = &inner.shared else { return };
        let subscribed = timeout(SILENCE, subscribe(shared))
            .await
            .unwrap_or(Err(LinkError::TimedOut));
        if let Err(fault) = &subscribed {
            // Once, not at each attempt, of which there are many in a second.
            if told.replace(discriminant(fault)) != Some(discriminant(fault)) {
                tracing::warn!(error = fault as &dyn Error, "the shared cache is not reached");
            }
        }
        if let Ok(mut channel) = subscribed {
            told = None;
            // What was told before the subscription stood has been missed.
            shared.suspect_memory();
            let subscribed = Subscribed::begin(&cache, shared);
            // Not held while waiting: the cache may be dropped meanwhile.
            drop(inner);
            hear(&cache, &mut channel).await;
            drop(subscribed);
        } else {
            drop(inner);
        }
        sleep(RECONNECT_AFTER).await;
    }
}

/// While it lives others are heard; however it ends, nothing that is shared is trusted from then on.
struct Subscribed(Weak<Inner>);

impl Subscribed {
    fn begin(cache: &Weak<Inner>, shared: &Shared) -> Self {
        shared.is_subscribed.store(true, Ordering::Release);
        shared.wake.notify_one();
        Self(Weak::clone(cache))
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade().as_ref().and_then(|inner| inner.shared.as_ref()) {
            shared.is_subscribed.store(false, Ordering::Release);
            shared.distrust("the changes of others are not heard");
        }
    }
}

async fn subscribe(shared: &Shared) -> Result<PubSub, LinkError> {
    let mut channel = shared.link.listen().await?;
    let subscribed = channel.subscribe(shared.names.channel()).await;
    subscribed.map_err(LinkError::Redis)?;
    Ok(channel)
}

/// Returns when the connection is dead, or the cache is gone.
async fn hear(cache: &Weak<Inner>, channel: &mut PubSub) {
    let mut peers = Peers::default();
    let mut messages = channel.on_message();
    while let Ok(Some(message)) = timeout(SILENCE, messages.next()).await {
        let Some(inner) = cache.upgrade() else { return };
        let Some(message) = Message::parse(message.get_payload_bytes()) else {
            continue;
        };
        take_in(&inner, &mut peers, message).await;
    }
}

async fn take_in(inner: &Arc<Inner>, peers: &mut Peers, message: Message) {
    let Some(shared) = &inner.shared else { return };
    match message {
        Message::Bump {
            node,
            sequence,
            tenant,
            tags,
            position,
            mark,
        } => {
            let tenant = TenantId::from_uuid(tenant);
            let committed = Message::position(&position, mark);
            let mut is_complete = true;
            if node != shared.node {
                is_complete = peers.hear(node, sequence);
                inner.bump_here(tenant, tags.into_iter().map(TagHash), committed);
                inner.note_bump(tenant);
                if let Some(position) = committed.filter(|position| *position != LogPosition::UNKNOWN) {
                    inner.heard.note_told(tenant, position);
                    inner.observe_write(tenant, position);
                }
            }
            // Messages come in the order in which Redis took them: unless one was lost, all that was told before this
            // has arrived, too.
            if let Some(position) = committed.filter(|_| is_complete) {
                inner.generations.settle(tenant, position);
            }
        }
        Message::Beat { node, sequence } => {
            if node != shared.node && peers.has_missed(node, sequence) {
                shared.counts.gaps.fetch_add(1, Ordering::Relaxed);
                shared.suspect_memory();
            }
        }
        Message::Era => {
            // When it cannot be learnt, the shared level is not trusted any more, and the keeper tries again.
            keeper::read_eras(inner).await.ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{CacheSettings, SharedSettings, TieredCache};

    #[tokio::test]
    async fn a_commit_is_settled_once_all_that_its_process_told_before_is_heard() {
        let nobody_listens = SharedSettings::at("redis://127.0.0.1:1");
        let settings = CacheSettings {
            shared: Some(nobody_listens),
            ..CacheSettings::default()
        };
        let cache = TieredCache::start(settings).unwrap();
        let tenant = TenantId::from_uuid(Uuid::from_u128(1));
        let commit = |sequence: u32| LogPosition {
            mark: sequence,
            ..LogPosition::new(1, u64::from(sequence) * 10)
        };
        let mut peers = Peers::default();
        let mut hear = async |sequence: u32| {
            let (number, position) = (u64::from(sequence), Some(commit(sequence)));
            let message = Message::bump(7, number, tenant, vec![number], position);
            take_in(&cache.inner, &mut peers, message).await;
            cache
                .inner
                .generations
                .settled_at(tenant, commit(sequence))
                .is_some()
        };

        assert!(hear(1).await);
        assert!(
            !hear(3).await,
            "the second may have changed what a reader asks for"
        );
        assert!(hear(2).await);
        assert!(hear(4).await);
    }
}
