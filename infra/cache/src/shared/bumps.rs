//! What has changed is told to Redis and to all processes.

use std::sync::Arc;

use fairlead_domain::cache::{CacheKey, Namespace, Tag};
use fairlead_domain::consistency::LogPosition;
use fairlead_domain::identity::TenantId;

use super::link::LinkError;
use super::message::{Message, told};
use super::owed::OwedCounter;
use super::{Shared, keeper, millis, seed};
use crate::cache::Inner;
use crate::generations::TagHash;

/// Whether a bump is told long after its commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IsOwed {
    Yes,
    No,
}

impl Shared {
    /// Tells Redis and all processes what has changed. What cannot be told now is owed.
    ///
    /// `position`: of the commit, unknown if nobody knows it; `None` when there was no commit.
    pub(crate) async fn bump(
        &self,
        tenant: TenantId,
        counters: Vec<OwedCounter>,
        position: Option<LogPosition>,
    ) {
        {
            let mut owed = self.owed();
            if !self.is_told() {
                owed.add(tenant, counters, position);
                return;
            }
        }
        if self.tell(tenant, &counters, position, IsOwed::No).await.is_err() {
            self.owed().add(tenant, counters, position);
            self.distrust("a change could not be told");
        }
        self.wake.notify_one();
    }

    pub(super) async fn tell(
        &self,
        tenant: TenantId,
        counters: &[OwedCounter],
        position: Option<LogPosition>,
        is_owed: IsOwed,
    ) -> Result<(), LinkError> {
        let number = self.sequence.next();
        let hashes = counters.iter().map(|counter| counter.hash).collect();
        let message = Message::bump(self.node, number.value, tenant, hashes, position);
        let mut call = self.scripts.bump.prepare_invoke();
        call.key(self.names.last_write(tenant));
        for counter in counters {
            call.key(&counter.name);
        }
        call.arg(told(position))
            .arg(millis(self.counter_life))
            .arg(seed())
            .arg(self.names.channel())
            .arg(message.to_text())
            .arg(u8::from(is_owed == IsOwed::Yes));
        let call = &call;
        self.link
            .run(|mut connection| async move { call.invoke_async::<u64>(&mut connection).await })
            .await
            .map(drop)
    }

    pub(crate) fn counter(&self, tenant: TenantId, tag: Tag) -> OwedCounter {
        OwedCounter {
            name: self.names.counter(tenant, tag),
            hash: TagHash::of(tenant, tag).0,
        }
    }

    pub(crate) fn namespace_counter(&self, tenant: TenantId, namespace: Namespace) -> OwedCounter {
        OwedCounter {
            name: self.names.namespace_counter(tenant, namespace.as_str()),
            hash: TagHash::of_namespace(tenant, namespace).0,
        }
    }

    /// Drops one answer everywhere else. There is no counter for one: that of its namespace is bumped, so that nothing
    /// vouches for the answer to those who miss the message, nor keeps it when its load began before.
    pub(crate) async fn drop_answer(&self, tenant: TenantId, key: &CacheKey, end: Option<LogPosition>) {
        let counter = OwedCounter {
            hash: TagHash::of_key(tenant, key).0,
            ..self.namespace_counter(tenant, key.namespace())
        };
        self.bump(tenant, vec![counter], end).await;
    }

    /// Takes an answer out of Redis.
    pub(crate) async fn forget(&self, tenant: TenantId, key: &CacheKey) {
        let name = {
            let era = self.eras().of(key.namespace());
            self.names.answer(tenant, key, &era)
        };
        self.run(|mut connection| async move {
            redis::cmd("UNLINK")
                .arg(name)
                .query_async::<()>(&mut connection)
                .await
        })
        .await;
    }

    /// Drops everything of all tenants that is of another timeline than this process knows of, unless somebody has. What
    /// cannot be told now is before Redis is trusted again.
    pub(crate) async fn announce_timeline(&self, inner: &Arc<Inner>) {
        if keeper::begin_timeline(inner, self).await.is_err() {
            self.distrust("a new timeline could not be told");
        }
    }

    /// Drops a namespace, or everything, of all tenants; what is loaded then sees at least `end`. While Redis is away
    /// everything is owed to be dropped.
    pub(crate) async fn begin_era(&self, inner: &Arc<Inner>, name: &str, end: Option<LogPosition>) {
        if !self.is_trusted() || keeper::begin_era(inner, name, end).await.is_err() {
            self.owed().owe_everything(end.unwrap_or(LogPosition::UNKNOWN));
            self.distrust("an era could not be begun");
        }
    }
}
