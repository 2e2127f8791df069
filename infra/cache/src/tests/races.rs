use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fairlead_domain::cache::{
    CacheControl as _, CacheRead, Freshness, LoadFailure, Loaded, Loader, Namespace, Policy, ReadCache as _,
    Source, Tag,
};
use fairlead_domain::consistency::{Consistency, LogPosition};
use fairlead_domain::store::StoreError;
use fairlead_telemetry::request::{self, Place, RequestContext};
use fairlead_telemetry::spawn;

use super::origin::{Origin, Reader, position, scope, value};
use crate::generations::TagHash;
use crate::{CacheSettings, SharedSettings};

pub(super) fn short_lived(stale: Duration) -> CacheSettings {
    let policy = Policy {
        ttl: Duration::from_millis(20),
        stale,
        ..Namespace::LeadList.strategy().into()
    };
    CacheSettings {
        policies: BTreeMap::from([(Namespace::LeadList, policy)]),
        ..CacheSettings::default()
    }
}

#[tokio::test]
async fn an_answer_is_loaded_once_and_found_then() {
    let reader = Reader::new(Origin::open(), CacheSettings::default());

    assert_eq!(
        reader.ask(Consistency::Eventual).await.unwrap().source,
        Source::Loader
    );
    assert_eq!(
        reader.ask(Consistency::Eventual).await.unwrap().source,
        Source::Memory
    );

    let found = reader.cache.find(&scope(1), &reader.key, Consistency::Eventual);
    assert_eq!(found.map(|found| value(&found)), Some(1));
    let of_another = reader.cache.find(&scope(2), &reader.key, Consistency::Eventual);
    assert!(of_another.is_none(), "a tenant was given another's answer");
    assert_eq!(reader.loads(), 1);
}

#[tokio::test]
async fn after_a_change_the_refill_reads_at_least_the_commit_though_the_replica_lags() {
    let reader = Reader::new(Origin::open(), CacheSettings::default());
    assert_eq!(reader.value().await, 1);

    let commit = reader.origin.commit();
    reader.bump(commit).await;

    assert_eq!(reader.value().await, 2, "the replica's old value was kept");
}

/// As at the start of a process, and after Redis has lost what it knew.
#[tokio::test]
async fn while_nobody_knows_the_last_write_and_the_primary_is_gone_a_replica_answers_and_nothing_is_kept() {
    let reader = Reader::new(Origin::open(), CacheSettings::default());
    let is_gone = &reader.origin.is_primary_gone;
    is_gone.store(true, Ordering::SeqCst);

    for _ in 0..2 {
        let found = reader.ask(Consistency::Eventual).await.unwrap();
        assert_eq!((found.source, value(&found)), (Source::Loader, 1));
    }
    let strong = reader.ask(Consistency::Strong).await;
    assert!(strong.is_err_and(|failure| failure.is_outage()));
    reader.origin.commit();
    is_gone.store(false, Ordering::SeqCst);

    assert_eq!(reader.value().await, 2);
    let kept = reader.ask(Consistency::Eventual).await.unwrap();
    assert_eq!((kept.source, value(&kept)), (Source::Memory, 2));
}

/// What a load has seen that began before says nothing of a commit that nobody can name.
#[tokio::test]
async fn a_replica_does_not_tell_how_far_to_read_after_a_commit_in_doubt() {
    let reader = Reader::new(Origin::held(), CacheSettings::default());
    reader.origin.release(1);
    assert_eq!(reader.value().await, 1);
    let inner = &reader.cache.inner;
    let tenant = scope(1).tenant();
    let leads = || [TagHash::of(tenant, Tag::Leads)];
    inner.bump_here(tenant, leads(), None);
    let early = spawn({
        let reader = reader.clone();
        async move { reader.value().await }
    });
    reader.origin.until_held(2).await;

    reader.origin.commit();
    inner.bump_here(tenant, [], Some(LogPosition::UNKNOWN));
    reader.origin.release(1_000);
    assert_eq!(early.await.unwrap(), 1);
    inner.bump_here(tenant, leads(), None);

    assert_eq!(reader.value().await, 2, "it was read from the replica");
}

/// Two processes that commit at once are told one position. What one has told says nothing of the other.
#[tokio::test]
async fn a_commit_that_was_not_heard_is_not_taken_for_another_at_its_place() {
    let reader = Reader::new(Origin::open(), CacheSettings::default());
    assert_eq!(reader.value().await, 1);
    let unheard = reader.origin.commit();
    let heard = unheard.of_commit(NonZeroU32::MAX);
    let inner = &reader.cache.inner;

    inner.generations.settle(scope(1).tenant(), heard);

    let found = reader.ask(Consistency::AtLeast(heard)).await.unwrap();
    assert_eq!(
        (found.source, value(&found)),
        (Source::Memory, 1),
        "it changed nothing here"
    );
    let found = reader.ask(Consistency::AtLeast(unheard)).await.unwrap();
    assert_eq!((found.source, value(&found)), (Source::Loader, 2));
}

#[tokio::test]
async fn a_slow_load_that_a_change_overtakes_is_not_kept_nor_joined() {
    let reader = Reader::new(Origin::held(), CacheSettings::default());
    let early = spawn({
        let reader = reader.clone();
        async move { reader.value().await }
    });
    reader.origin.until_held(1).await;

    let commit = reader.origin.commit();
    reader.bump(commit).await;
    let late = spawn({
        let reader = reader.clone();
        async move { reader.value().await }
    });
    reader.origin.until_held(2).await;
    reader.origin.release(2);

    assert_eq!(early.await.unwrap(), 1, "it asked before the change");
    assert_eq!(
        late.await.unwrap(),
        2,
        "it was given what was read before the change"
    );
    assert_eq!(reader.value().await, 2, "the overtaken load was kept");
    assert_eq!(reader.loads(), 2);
}

/// What a load under way has read may be older than the message that was lost.
#[tokio::test]
async fn a_load_is_not_joined_across_a_gap() {
    let settings = CacheSettings {
        shared: Some(SharedSettings::at("redis://127.0.0.1:1")),
        ..CacheSettings::default()
    };
    let reader = Reader::new(Origin::held(), settings);
    let early = spawn({
        let reader = reader.clone();
        async move { reader.value().await }
    });
    reader.origin.until_held(1).await;
    let later = position(reader.origin.commit().lsn + 1);
    let inner = &reader.cache.inner;
    inner.shared.as_ref().unwrap().suspect_memory();
    inner.generations.settle(scope(1).tenant(), later);

    reader.origin.release(2);
    let late = reader.ask(Consistency::AtLeast(later)).await.unwrap();

    assert_eq!(value(&late), 2, "it was given what was read before the gap");
    assert_eq!(early.await.unwrap(), 1);
}

#[tokio::test]
async fn five_hundred_misses_at_once_run_one_load() {
    let reader = Reader::new(Origin::held(), CacheSettings::default());
    let asking: Vec<_> = (0..500)
        .map(|_| {
            let reader = reader.clone();
            spawn(async move { reader.value().await })
        })
        .collect();
    reader.origin.until_held(1).await;
    reader.origin.release(500);

    for asked in asking {
        assert_eq!(asked.await.unwrap(), 1);
    }
    assert_eq!(reader.loads(), 1);
}

#[tokio::test]
async fn tags_count_requests_as_the_total_does() {
    let reader = Reader::new(Origin::held(), short_lived(Duration::from_mins(1)));
    let asking = [(); 5].map(|()| {
        let reader = reader.clone();
        spawn(async move { reader.value().await })
    });
    reader.origin.until_held(1).await;
    reader.origin.release(1_000);
    for asked in asking {
        asked.await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(25)).await;
    // Nobody waits for this load.
    reader.value().await;
    while reader.is_loading() {
        tokio::task::yield_now().await;
    }
    reader.origin.fail_with(LoadFailure::definite("deleted"));
    reader.bump(reader.origin.commit()).await;
    reader.ask(Consistency::Eventual).await.unwrap_err();

    let report = reader.cache.report();
    let leads = report.tags.iter().find(|tag| tag.kind == "leads").unwrap();

    let total = report.total();
    assert_eq!((total.hits(), total.requests()), (1, 7));
    assert_eq!((leads.hits, leads.hits + leads.misses), (1, 7));
}

#[tokio::test]
async fn a_load_goes_on_when_who_asked_gives_up() {
    let reader = Reader::new(Origin::held(), CacheSettings::default());
    let asking = spawn({
        let reader = reader.clone();
        async move { reader.value().await }
    });
    reader.origin.until_held(1).await;
    asking.abort();
    assert!(asking.await.unwrap_err().is_cancelled());
    let joining = spawn({
        let reader = reader.clone();
        async move { reader.value().await }
    });
    tokio::task::yield_now().await;

    reader.origin.release(1);

    assert_eq!(joining.await.unwrap(), 1);
    assert_eq!(reader.loads(), 1);
}

/// Nothing to load, but it tells how much time it had.
#[derive(Debug, Default)]
struct TimeLeft(OnceLock<Option<Duration>>);

#[async_trait]
impl Loader for TimeLeft {
    async fn load(&self, _: Consistency) -> Result<Loaded, LoadFailure> {
        let request = request::current().unwrap();
        request.note_round_trip();
        self.0.set(request.time_left()).unwrap();
        Err(LoadFailure::definite("nothing"))
    }
}

#[tokio::test]
async fn a_load_that_others_may_join_has_more_time_than_who_asked_first() {
    let reader = Reader::new(Origin::open(), CacheSettings::default());
    let deadline = Some(Instant::now() + Duration::from_millis(50));
    let asks = Arc::new(RequestContext::from_headers(None, None, deadline));
    let loader = Arc::new(TimeLeft::default());

    let read = CacheRead {
        key: &reader.key,
        tags: &[],
        consistency: Consistency::Eventual,
    };
    let scope = scope(1);
    let asking = reader.cache.get_or_load(&scope, read, loader.clone());
    request::scope(Arc::clone(&asks), asking).await.unwrap_err();

    let had = loader.0.get().copied().flatten();
    assert!(
        had > Some(Duration::from_secs(5)),
        "it shares the deadline of who asked: {had:?}"
    );
    assert_eq!(asks.database_work().round_trips, 1, "nobody pays for it");
}

/// The database works for it all the same.
#[tokio::test]
async fn what_a_request_takes_up_is_given_back_when_its_load_is_over_though_its_client_is_gone() {
    let reader = Reader::new(Origin::held(), CacheSettings::default());
    let asks = Arc::new(RequestContext::from_headers(None, None, None));
    let place: Arc<Place> = Arc::new(());
    let taken = Arc::downgrade(&place);
    asks.take_up(&place);
    let client = spawn(request::scope(asks, {
        let reader = reader.clone();
        async move { reader.value().await }
    }));
    reader.origin.until_held(1).await;

    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    drop(place);

    assert!(taken.upgrade().is_some(), "another would be let in beside it");
    reader.origin.release(1);
    while reader.is_loading() {
        tokio::task::yield_now().await;
    }
    assert!(taken.upgrade().is_none());
}

#[tokio::test]
async fn a_load_that_hangs_is_given_up_and_holds_nobody_up() {
    let settings = CacheSettings {
        load_limit: Duration::from_millis(10),
        ..CacheSettings::default()
    };
    let reader = Reader::new(Origin::held(), settings);

    let hung = reader.ask(Consistency::Eventual).await;

    assert!(hung.is_err_and(|failure| failure.cause::<StoreError>().is_some()));
    reader.origin.release(2);
    assert_eq!(reader.value().await, 1);
}

#[tokio::test]
async fn a_token_is_met_by_a_newer_load_or_by_the_arrival_of_its_bump() {
    let reader = Reader::new(Origin::open(), CacheSettings::default());
    assert_eq!(reader.value().await, 1);
    let elsewhere = reader.origin.commit();

    // The bump of that commit has not arrived: what is kept may be older than it.
    let found = reader.ask(Consistency::AtLeast(elsewhere)).await.unwrap();
    assert_eq!((found.source, value(&found)), (Source::Loader, 2));

    // A later commit of which this process is told changes nothing here.
    let unrelated = position(9);
    reader
        .cache
        .inner
        .bump(scope(1).tenant(), &[], Some(unrelated))
        .await;
    let found = reader.ask(Consistency::AtLeast(unrelated)).await.unwrap();
    assert_eq!(found.source, Source::Memory);
}

#[tokio::test]
async fn what_has_just_expired_is_served_while_one_loads_it_anew() {
    let reader = Reader::new(Origin::open(), short_lived(Duration::from_mins(1)));
    assert_eq!(reader.value().await, 1);
    let commit = reader.origin.commit();
    reader.origin.replay();
    tokio::time::sleep(Duration::from_millis(25)).await;

    let found = reader.ask(Consistency::Eventual).await.unwrap();
    assert_eq!((found.freshness, value(&found)), (Freshness::Stale, 1));
    while reader.is_loading() {
        tokio::task::yield_now().await;
    }
    assert_eq!(reader.value().await, commit.lsn);

    // What a change has invalidated is never served, however short ago it expired.
    let commit = reader.origin.commit();
    reader.bump(commit).await;
    assert_eq!(reader.value().await, commit.lsn);
}
