use std::mem::take;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fairlead_telemetry::turn_of_this_thread;

use super::client::Client;

/// Connections that nobody uses, by the thread that used them last; those used last are on top.
///
/// That thread is told when there is something to read; to have another one told costs two calls of the system.
pub(super) struct Idle {
    shards: Vec<Mutex<Vec<Client>>>,
}

impl Default for Idle {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // Others than those that serve requests use connections, too: of so many shards, few are shared.
        Self {
            shards: (0..4 * threads).map(|_| Mutex::default()).collect(),
        }
    }
}

impl Idle {
    /// Takes one that is good, of this thread if there is one; those that are not are closed.
    pub(super) fn take(&self, is_good: impl Fn(&mut Client) -> bool) -> Option<Client> {
        let (here, shards) = (turn_of_this_thread(), self.shards.len());
        (here..here + shards).find_map(|shard| {
            let pop = || lock(&self.shards[shard % shards]).pop();
            // Judged while nobody is kept waiting: the system is asked.
            std::iter::from_fn(pop).find_map(|mut client| is_good(&mut client).then_some(client))
        })
    }

    /// Back to its thread.
    pub(super) fn put(&self, mut client: Client) {
        client.note_idle();
        lock(&self.shards[client.home() % self.shards.len()]).push(client);
    }

    pub(super) fn retain(&self, is_good: impl Fn(&mut Client) -> bool) {
        for shard in &self.shards {
            let count = lock(shard).len();
            // One at a time, so that there are others for whoever comes meanwhile.
            for _ in 0..count {
                let Some(mut client) = take_oldest(shard) else {
                    break;
                };
                if is_good(&mut client) {
                    lock(shard).push(client);
                }
            }
        }
    }

    /// Closes those that were idle for too long, but no more than `most`; returns how many.
    pub(super) fn close_idle(&self, most: usize, too_long: Duration) -> usize {
        let mut closed = 0;
        for shard in &self.shards {
            lock(shard).retain(|client| {
                let goes = closed < most && client.idle_for() >= too_long;
                closed += usize::from(goes);
                !goes
            });
        }
        closed
    }

    /// Takes all.
    pub(super) fn drain(&self) -> Vec<Client> {
        self.shards
            .iter()
            .flat_map(|shard| take(&mut *lock(shard)))
            .collect()
    }
}

fn take_oldest(shard: &Mutex<Vec<Client>>) -> Option<Client> {
    let mut idle = lock(shard);
    (!idle.is_empty()).then(|| idle.remove(0))
}

fn lock(shard: &Mutex<Vec<Client>>) -> MutexGuard<'_, Vec<Client>> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
