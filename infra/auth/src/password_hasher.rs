use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::available_parallelism;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use async_trait::async_trait;
use fairlead_domain::identity::{HasherBusy, Password, PasswordHasher};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many passwords are worked on at once, and how many may wait for their turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HasherLimits {
    /// Each takes a processor core and 19 MiB for some tens of milliseconds.
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
    /// The hash of a password that nobody knows, checked where there is no account to check.
    nothing: String,
}

impl Argon2PasswordHasher {
    /// Hashes one password, so it takes some tens of milliseconds.
    pub fn new(limits: HasherLimits) -> Self {
        let unknown: [u8; 32] = rand::random();
        Self {
            admitted: Arc::new(Semaphore::new(
                limits.at_once.get().saturating_add(limits.waiting),
            )),
            working: Arc::new(Semaphore::new(limits.at_once.get())),
            nothing: hash(&unknown).expect("32 bytes can be hashed with memory to spare at start"),
        }
    }

    /// Runs `work` off the event loop when its turn comes.
    async fn in_turn<T>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, HasherBusy>
    where
        T: Send + 'static,
    {
        let turn = self.turn().await?;
        let done = fairlead_telemetry::spawn_blocking(move || {
            // A caller that gives up leaves the work running, so the turn ends with the work.
            let _turn = turn;
            work()
        });
        match done.await {
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
            _admitted: admitted,
            _working: working,
        })
    }
}

/// A place among those at work.
#[derive(Debug)]
struct Turn {
    _admitted: OwnedSemaphorePermit,
    _working: OwnedSemaphorePermit,
}

#[async_trait]
impl PasswordHasher for Argon2PasswordHasher {
    async fn hash(&self, password: &Password) -> Result<String, HasherBusy> {
        let password = password.clone();
        self.in_turn(move || hash(password.expose().as_bytes()))
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
        self.in_turn(move || verify(password.as_bytes(), &hash)).await?
    }

    async fn verify_nothing(&self, password: &str) -> Result<(), HasherBusy> {
        self.verify(password, &self.nothing).await.map(drop)
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(19_456, 2, 1, None).expect("the parameters are within the bounds of RFC 9106");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

fn hash(password: &[u8]) -> Result<String, password_hash::Error> {
    argon2().hash_password(password).map(|hash| hash.to_string())
}

/// Takes the parameters from the hash, so that hashes made with earlier parameters stay good.
fn verify(password: &[u8], hash: &str) -> Result<bool, HasherBusy> {
    let checked = PasswordHash::new(hash)
        .map_err(password_hash::Error::from)
        .and_then(|hash| argon2().verify_password(password, &hash));
    match checked {
        Ok(()) => Ok(true),
        Err(password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "a password could not be checked"
            );
            Err(HasherBusy)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    const RIGHT: &str = "correct horse battery";

    fn hasher(at_once: usize, waiting: usize) -> Argon2PasswordHasher {
        Argon2PasswordHasher::new(HasherLimits {
            at_once: at_once.try_into().unwrap(),
            waiting,
        })
    }

    fn password() -> Password {
        Password::parse(RIGHT.to_owned()).unwrap()
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_alone() {
        let hasher = hasher(2, 2);

        let hash = hasher.hash(&password()).await.unwrap();

        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_ne!(hash, hasher.hash(&password()).await.unwrap(), "salted");
        assert_eq!(hasher.verify(RIGHT, &hash).await, Ok(true));
        assert_eq!(hasher.verify("correct horse batterz", &hash).await, Ok(false));
        assert_eq!(hasher.verify("", &hash).await, Ok(false));
    }

    #[tokio::test]
    async fn a_hash_made_with_other_parameters_stays_good() {
        let weaker = Argon2::new(
            Algorithm::Argon2id,
            Version::V0x13,
            Params::new(8_192, 1, 1, None).unwrap(),
        );
        let hash = weaker.hash_password(RIGHT.as_bytes()).unwrap().to_string();

        assert_eq!(hasher(1, 1).verify(RIGHT, &hash).await, Ok(true));
    }

    #[tokio::test]
    async fn one_more_than_fits_is_told_to_come_back() {
        let hasher = hasher(1, 1);
        let working = hasher.turn().await.unwrap();
        let mut waiting = Box::pin(hasher.verify_nothing(RIGHT));
        // Polled once, it is in the queue.
        assert!(tokio::time::timeout(Duration::ZERO, &mut waiting).await.is_err());

        let refused = hasher.verify_nothing(RIGHT).await;

        assert_eq!(refused, Err(HasherBusy));
        drop(working);
        assert_eq!(waiting.await, Ok(()));
        assert_eq!(hasher.verify_nothing(RIGHT).await, Ok(()));
    }

    #[tokio::test]
    async fn a_caller_that_gives_up_keeps_its_turn_until_the_work_is_done() {
        let hasher = hasher(1, 0);
        let (release, released) = std::sync::mpsc::channel::<()>();
        let mut abandoned = Box::pin(hasher.in_turn(move || released.recv()));
        assert!(
            tokio::time::timeout(Duration::from_millis(20), &mut abandoned)
                .await
                .is_err()
        );

        drop(abandoned);
        let while_working = hasher.verify_nothing(RIGHT).await;
        release.send(()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        while hasher.admitted.available_permits() == 0 && Instant::now() < deadline {
            tokio::task::yield_now().await;
        }

        assert_eq!(while_working, Err(HasherBusy));
        assert_eq!(hasher.verify_nothing(RIGHT).await, Ok(()));
    }

    #[tokio::test]
    async fn checking_nothing_does_the_work_of_a_check() {
        let hasher = hasher(1, 1);

        // Equal parameters are equal work; a stopwatch would say less, and not every time.
        let parameters = |hash: &str| Params::try_from(&PasswordHash::new(hash).unwrap()).unwrap();
        let real = hasher.hash(&password()).await.unwrap();

        assert_eq!(parameters(&hasher.nothing), parameters(&real));
        assert_eq!(hasher.verify_nothing(RIGHT).await, Ok(()));
    }

    #[tokio::test]
    async fn a_broken_hash_matches_nothing() {
        assert_eq!(
            hasher(1, 1).verify(RIGHT, "$argon2id$broken").await,
            Err(HasherBusy)
        );
    }
}
