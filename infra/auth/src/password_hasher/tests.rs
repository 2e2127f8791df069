use std::time::{Duration, Instant};

use argon2::password_hash::PasswordHasher as _;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, Version};

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
    let mut abandoned = Box::pin(hasher.in_turn(move |_| released.recv()));
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

#[tokio::test]
async fn hashes_made_elsewhere_are_checked_in_memory_that_was_used_before() {
    let hasher = hasher(1, 1);
    let others = [
        (Algorithm::Argon2id, Version::V0x13, 19_456, 2, 1, None),
        (Algorithm::Argon2id, Version::V0x13, 32_768, 1, 4, Some(48)),
        (Algorithm::Argon2i, Version::V0x10, 4_099, 3, 2, Some(16)),
        (Algorithm::Argon2d, Version::V0x13, 19_456, 1, 3, None),
    ];

    for (algorithm, version, memory, passes, lanes, output) in others {
        let params = Params::new(memory, passes, lanes, output).unwrap();
        let other = Argon2::new(algorithm, version, params);
        let hash = other.hash_password(RIGHT.as_bytes()).unwrap().to_string();

        assert_eq!(hasher.verify(RIGHT, &hash).await, Ok(true), "{hash}");
        assert_eq!(hasher.verify("wrong horse", &hash).await, Ok(false), "{hash}");
    }
    let ours = hasher.hash(&password()).await.unwrap();
    assert!(
        argon2::PasswordVerifier::verify_password(&Argon2::default(), RIGHT.as_bytes(), &ours[..]).is_ok(),
        "others can check what is made here: {ours}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_more_memory_is_made_than_passwords_are_worked_on_at_once() {
    let hasher = Arc::new(hasher(2, 16));

    let all: Vec<_> = (0..12)
        .map(|_| {
            let hasher = Arc::clone(&hasher);
            fairlead_telemetry::spawn(async move { hasher.verify_nothing(RIGHT).await })
        })
        .collect();
    for one in all {
        assert_eq!(one.await.unwrap(), Ok(()));
    }

    // Memory of this size is always kept, so what is idle now is all there ever was.
    let idle = hasher.memory.sizes();
    assert!((1..=2).contains(&idle.len()), "{idle:?}");
    assert!(idle.iter().all(|blocks| *blocks == 19_456), "{idle:?}");
}

#[tokio::test]
async fn memory_comes_back_from_work_that_panics() {
    let hasher = Arc::new(hasher(1, 0));
    assert_eq!(hasher.verify_nothing(RIGHT).await, Ok(()));
    let panicking = Arc::clone(&hasher);

    let work =
        fairlead_telemetry::spawn(async move { panicking.in_turn(|_| panic!("in the middle of it")).await });

    assert!(work.await.unwrap_err().is_panic());
    assert_eq!(hasher.memory.sizes(), [19_456]);
    assert_eq!(hasher.verify_nothing(RIGHT).await, Ok(()));
}

#[tokio::test]
async fn memory_is_made_when_it_is_needed_and_given_back_when_nobody_needs_it() {
    let mut hasher = hasher(1, 1);
    assert_eq!(hasher.memory.sizes(), [0; 0], "none is made at start");
    hasher.memory = Arc::new(IdleMemory::kept_for(Duration::from_millis(300)));

    for _ in 0..2 {
        assert_eq!(hasher.verify_nothing(RIGHT).await, Ok(()));
        assert_eq!(hasher.memory.sizes(), [19_456]);

        while !hasher.memory.sizes().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn memory_larger_than_ours_is_not_kept() {
    let hasher = hasher(1, 1);
    let larger = Argon2::from(Params::new(32_768, 1, 1, None).unwrap());
    let hash = larger.hash_password(RIGHT.as_bytes()).unwrap().to_string();

    assert_eq!(hasher.verify(RIGHT, &hash).await, Ok(true));

    assert_eq!(hasher.memory.sizes(), [0; 0]);
    assert_eq!(hasher.verify_nothing(RIGHT).await, Ok(()));
    assert_eq!(hasher.memory.sizes(), [19_456]);
}

#[tokio::test]
async fn a_hash_that_asks_for_too_much_is_refused_before_any_work() {
    let hasher = hasher(1, 1);
    let ours = hasher.hash(&password()).await.unwrap();

    for parameters in ["m=65537,t=2,p=1", "m=4294967295,t=2,p=1", "m=19456,t=17,p=1"] {
        let greedy = ours.replace("m=19456,t=2,p=1", parameters);

        assert_eq!(hasher.verify(RIGHT, &greedy).await, Err(HasherBusy), "{greedy}");
    }
    assert_eq!(hasher.memory.sizes(), [19_456], "nothing was allocated for them");
}
