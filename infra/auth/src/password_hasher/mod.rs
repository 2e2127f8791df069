//! Hashing of passwords: so many at once, each in memory that is used again.

mod argon;
mod memory;
#[cfg(test)]
mod tests;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;

use async_trait::async_trait;
use fairlead_domain::identity::{HasherBusy, Password, PasswordHasher};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::memory::{IdleMemory, LentMemory};

/// How many passwords are worked on at once, and how many may wait for their turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HasherLimits {
    /// Each takes a processor core for some tens of milliseconds, and 19 MiB that are kept for the next for a while.
    pub at_once: NonZeroUsize,
    /// One more than this is told to come back later.
    pub waiting: usize,
}

impl Default for HasherLimits {
    /// As many at once as there are cores, and a queue of about a second.
    fn default() -> Self {
        let at_once = available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self {
            at_once,
            waiting: at_once.get() * 32,
        }
    }
}

/// Hashes with argon2id, with the parameters that the OWASP password storage cheat sheet gives as its minimum:
/// m = 19 MiB, t = 2, p = 1.
#[derive(Debug)]
pub struct Argon2PasswordHasher {
    /// Working or waiting.
    admitted: Arc<Semaphore>,
    working: Arc<Semaphore>,
    /// Lent to those at work, so there are never more pieces than may work at once.
    memory: Arc<IdleMemory>,
    /// The hash of no password, checked where there is no account to check.
    nothing: String,
}

impl Argon2PasswordHasher {
    pub fn new(limits: HasherLimits) -> Self {
        Self {
            admitted: Arc::new(Semaphore::new(
                limits.at_once.get().saturating_add(limits.waiting),
            )),
            working: Arc::new(Semaphore::new(limits.at_once.get())),
            memory: Arc::default(),
            nothing: argon::of_nothing().expect("random bytes make a hash of our parameters"),
        }
    }

    /// Runs `work` off the event loop when its turn comes.
    async fn in_turn<T>(
        &self,
        work: impl FnOnce(&mut LentMemory) -> T + Send + 'static,
    ) -> Result<T, HasherBusy>
    where
        T: Send + 'static,
    {
        let turn = self.turn().await?;
        let done = fairlead_telemetry::spawn_blocking(move || {
            // A caller that gives up leaves the work running, so the turn ends with the work.
            let mut turn = turn;
            work(&mut turn.memory)
        });
        let done = done.await;
        IdleMemory::watch(&self.memory);
        match done {
            Ok(result) => Ok(result),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The process is shutting down.
            Err(_) => Err(HasherBusy),
        }
    }

    async fn turn(&self) -> Result<Turn, HasherBusy> {
        let admitted = Arc::clone(&self.admitted)
            .try_acquire_owned()
            .map_err(|_| HasherBusy)?;
        let working = Arc::clone(&self.working)
            .acquire_owned()
            .await
            .map_err(|_| HasherBusy)?;
        Ok(Turn {
            memory: IdleMemory::lend(&self.memory),
            _admitted: admitted,
            _working: working,
        })
    }
}

/// A place among those at work.
#[derive(Debug)]
struct Turn {
    /// Given back before the permits are, for fields are dropped in this order.
    memory: LentMemory,
    _admitted: OwnedSemaphorePermit,
    _working: OwnedSemaphorePermit,
}

#[async_trait]
impl PasswordHasher for Argon2PasswordHasher {
    async fn hash(&self, password: &Password) -> Result<String, HasherBusy> {
        let password = password.clone();
        self.in_turn(move |memory| argon::hash(password.expose().as_bytes(), memory))
            .await?
            .map_err(|error| {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a password could not be hashed"
                );
                HasherBusy
            })
    }

    async fn verify(&self, password: &str, hash: &str) -> Result<bool, HasherBusy> {
        let (password, hash) = (password.to_owned(), hash.to_owned());
        self.in_turn(move |memory| argon::verify(password.as_bytes(), &hash, memory))
            .await?
            .map_err(|error| {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "a password could not be checked"
                );
                HasherBusy
            })
    }

    async fn verify_nothing(&self, password: &str) -> Result<(), HasherBusy> {
        self.verify(password, &self.nothing).await.map(drop)
    }
}
