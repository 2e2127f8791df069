use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fairlead_domain::identity::TenantId;
use tokio::sync::{Mutex as Lock, OwnedMutexGuard};

/// Whose turn it is of the requests that came to this process with one key at once.
///
/// One of them asks the database, which makes it wait for those of other processes. The others wait here, where they hold
/// no connection: however often a client repeats itself, it takes one from nobody.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<Claimed, Arc<Lock<()>>>>);

/// Who has given which key: tenant, actor and key.
type Claimed = (TenantId, String, String);

/// The key is this one's until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    // Dropped in this order: whoever waits goes on, then what nobody waits for is forgotten.
    _held: OwnedMutexGuard<()>,
    _wish: Wish,
}

impl Turns {
    /// Waits until nobody else in this process has the key. Who came first is first.
    pub(crate) async fn take(self: &Arc<Self>, tenant: TenantId, actor: &str, key: &str) -> Turn {
        let claimed = (tenant, actor.to_owned(), key.to_owned());
        let wish = Wish {
            lock: Some(Arc::clone(self.locks().entry(claimed.clone()).or_default())),
            claimed,
            turns: Arc::clone(self),
        };
        let lock = wish.lock.as_ref().map(Arc::clone).unwrap_or_default();
        Turn {
            _held: lock.lock_owned().await,
            _wish: wish,
        }
    }

    fn locks(&self) -> MutexGuard<'_, HashMap<Claimed, Arc<Lock<()>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody who has the key or waits for it. Given up while it waits, it leaves nothing behind.
#[derive(Debug)]
struct Wish {
    claimed: Claimed,
    /// There until it is dropped.
    lock: Option<Arc<Lock<()>>>,
    turns: Arc<Turns>,
}

impl Drop for Wish {
    fn drop(&mut self) {
        let mut locks = self.turns.locks();
        self.lock = None;
        // Others have it but from the map, and none can get it from there meanwhile.
        if locks
            .get(&self.claimed)
            .is_some_and(|lock| Arc::strong_count(lock) == 1)
        {
            locks.remove(&self.claimed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use fairlead_domain::Id;
    use uuid::Uuid;

    use super::*;

    fn poll<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    fn tenant(number: u128) -> TenantId {
        Id::from_uuid(Uuid::from_u128(number))
    }

    #[test]
    fn one_has_a_key_at_a_time_and_other_keys_go_beside_it() {
        let turns = Arc::new(Turns::default());
        let mut first = pin!(turns.take(tenant(1), "user:1", "a"));
        let mut second = pin!(turns.take(tenant(1), "user:1", "a"));

        let Poll::Ready(held) = poll(first.as_mut()) else {
            panic!("nobody has it")
        };

        assert!(poll(second.as_mut()).is_pending());
        for (number, actor, key) in [(2, "user:1", "a"), (1, "user:2", "a"), (1, "user:1", "b")] {
            assert!(poll(pin!(turns.take(tenant(number), actor, key))).is_ready());
        }
        drop(held);
        assert!(poll(second.as_mut()).is_ready());
    }

    #[test]
    fn nothing_is_left_of_those_who_had_it_or_gave_up() {
        let turns = Arc::new(Turns::default());
        let mut first = Box::pin(turns.take(tenant(1), "user:1", "a"));
        let mut second = Box::pin(turns.take(tenant(1), "user:1", "a"));
        let held = poll(first.as_mut());
        assert!(held.is_ready() && poll(second.as_mut()).is_pending());

        drop(held);
        assert_eq!(turns.locks().len(), 1, "one waits still");
        drop(second);

        assert_eq!(turns.locks().len(), 0);
    }
}
