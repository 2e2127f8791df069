//! What is served, and what is not, when a load fails.

use std::time::Duration;

use fairlead_domain::cache::{CacheControl as _, Freshness, LoadFailure};
use fairlead_domain::consistency::Consistency;
use fairlead_domain::store::StoreError;
use fairlead_telemetry::spawn;

use super::origin::{Origin, Reader, position, value};
use super::races::short_lived;
use crate::CacheSettings;

async fn until_over() {
    tokio::time::sleep(Duration::from_millis(25)).await;
}

#[tokio::test]
async fn while_the_database_is_away_what_is_valid_serves_and_says_so() {
    let reader = Reader::new(Origin::open(), short_lived(Duration::ZERO));
    assert_eq!(reader.value().await, 1);
    reader.origin.fail_with(LoadFailure::outage("down"));
    until_over().await;

    for _ in 0..10 {
        let found = reader.ask(Consistency::Eventual).await.unwrap();
        assert_eq!((found.freshness, value(&found)), (Freshness::Degraded, 1));
    }
    assert_eq!(reader.loads(), 2, "it is not asked again and again");
    let newer = reader.ask(Consistency::AtLeast(position(5))).await;
    assert!(newer.is_err(), "a token is honoured though nothing is loaded");

    reader.bump(position(5)).await;
    let refused = reader.ask(Consistency::Eventual).await;
    assert!(
        refused.is_err_and(|failure| failure.is_outage()),
        "invalid answers serve nobody"
    );
}

#[tokio::test]
async fn what_is_gone_is_not_answered_with_what_was_there_before() {
    let reader = Reader::new(Origin::open(), CacheSettings::default());
    assert_eq!(reader.value().await, 1);
    reader.origin.fail_with(LoadFailure::definite("deleted"));

    // The bump of the deletion is still on its way; its token is here already.
    let gone = reader.ask(Consistency::AtLeast(position(5))).await;

    assert!(gone.is_err(), "the deleted answer was served");
    assert!(
        reader.ask(Consistency::Eventual).await.is_err(),
        "the deleted answer was kept"
    );
}

#[tokio::test]
async fn one_slow_query_is_no_outage() {
    let reader = Reader::new(Origin::open(), short_lived(Duration::from_mins(1)));
    assert_eq!(reader.value().await, 1);
    reader.origin.fail_with(StoreError::TimedOut.into());
    until_over().await;

    for loads in 2..5 {
        // What has just expired serves, but each time somebody tries to load it.
        let found = reader.ask(Consistency::Eventual).await.unwrap();
        assert_eq!((found.freshness, value(&found)), (Freshness::Stale, 1));
        while reader.is_loading() {
            tokio::task::yield_now().await;
        }
        assert_eq!(reader.loads(), loads);
    }
    let newer = reader.ask(Consistency::AtLeast(position(5))).await;
    assert!(newer.is_err(), "the token was not honoured");
}

#[tokio::test]
async fn each_request_counts_once_whatever_becomes_of_it() {
    let reader = Reader::new(Origin::held(), short_lived(Duration::from_mins(1)));
    let first = spawn({
        let reader = reader.clone();
        async move { reader.value().await }
    });
    reader.origin.until_held(1).await;
    reader.origin.release(1);
    first.await.unwrap();
    until_over().await;

    // One load anew is under way for all of them.
    for _ in 0..100 {
        let found = reader.ask(Consistency::Eventual).await.unwrap();
        assert_eq!(found.freshness, Freshness::Stale);
    }
    let total = reader.cache.report().total();
    assert_eq!((total.stale, total.loads, total.requests()), (100, 1, 101));

    reader.origin.fail_with(LoadFailure::definite("deleted"));
    let asking: Vec<_> = (0..10)
        .map(|_| {
            let reader = reader.clone();
            spawn(async move { reader.ask(Consistency::AtLeast(position(5))).await.is_err() })
        })
        .collect();
    for asked in asking {
        assert!(asked.await.unwrap());
    }
    let total = reader.cache.report().total();
    assert_eq!((total.failed, total.requests()), (10, 111));
}
