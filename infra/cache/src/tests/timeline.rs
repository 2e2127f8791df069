//! A replica becomes the primary, and what it did not have is lost.

use fairlead_domain::cache::Source;
use fairlead_domain::consistency::{Consistency, LogPosition};
use fairlead_domain::store::TimelineObserver as _;
use fairlead_telemetry::spawn;

use super::origin::{Origin, Reader, position, value};
use crate::CacheSettings;

/// A cache that knows the timeline of its database from the start.
fn reader(origin: std::sync::Arc<Origin>) -> Reader {
    let reader = Reader::new(origin, CacheSettings::default());
    reader.cache.note_timeline(1);
    reader
}

#[tokio::test]
async fn a_commit_that_a_failover_has_lost_is_not_shown_any_more() {
    let reader = reader(Origin::open());
    reader.bump(reader.origin.commit()).await;
    assert_eq!(reader.value().await, 2);
    assert_eq!(
        reader.ask(Consistency::Eventual).await.unwrap().source,
        Source::Memory
    );

    let timeline = reader.origin.fail_over();
    reader.cache.note_timeline(timeline);

    assert_eq!(reader.value().await, 1, "the lost commit is shown");
    // It is told again and again, which is no news.
    reader.cache.note_timeline(timeline);
    assert_eq!(
        reader.ask(Consistency::Eventual).await.unwrap().source,
        Source::Memory
    );
}

/// It was read before, of a server that is no more.
#[tokio::test]
async fn a_load_that_a_failover_overtakes_is_neither_kept_nor_joined() {
    let reader = reader(Origin::held());
    reader.origin.release(1);
    reader.value().await;
    reader.bump(reader.origin.commit()).await;
    let early = spawn({
        let reader = reader.clone();
        async move { reader.value().await }
    });
    reader.origin.until_held(2).await;

    let timeline = reader.origin.fail_over();
    reader.cache.note_timeline(timeline);
    reader.origin.release(1_000);

    assert_eq!(early.await.unwrap(), 2, "it asked before");
    assert_eq!(reader.value().await, 1, "what was read before is kept");
}

/// Who looks at the primary may be the last to hear of it: what is read meanwhile says that it is of the old timeline.
#[tokio::test]
async fn what_says_that_it_is_of_another_timeline_is_not_kept() {
    let reader = reader(Origin::open());
    reader.cache.note_timeline(2);

    for _ in 0..2 {
        assert_eq!(
            reader.ask(Consistency::Eventual).await.unwrap().source,
            Source::Loader
        );
    }
    reader.origin.fail_over();
    reader.value().await;
    assert_eq!(
        reader.ask(Consistency::Eventual).await.unwrap().source,
        Source::Memory
    );
}

/// Each client keeps the token of its last write, which may be long ago.
#[tokio::test]
async fn tokens_of_a_timeline_that_is_over_share_one_load_and_are_answered_from_memory() {
    let reader = reader(Origin::held());
    let timeline = reader.origin.fail_over();
    reader.cache.note_timeline(timeline);
    let token = |client: u64| Consistency::AtLeast(position(1_000 + client));

    let asking: Vec<_> = (0..500)
        .map(|client| {
            let reader = reader.clone();
            spawn(async move { value(&reader.ask(token(client)).await.unwrap()) })
        })
        .collect();
    reader.origin.until_held(1).await;
    tokio::task::yield_now().await;
    reader.origin.release(1_000);

    for asked in asking {
        assert_eq!(asked.await.unwrap(), 1);
    }
    assert_eq!(reader.loads(), 1);
    let later = reader.ask(token(777)).await.unwrap();
    assert_eq!(later.source, Source::Memory);
    // One of the new timeline asks as ever.
    let ahead = LogPosition::new(timeline, 7);
    let loaded = reader.ask(Consistency::AtLeast(ahead)).await.unwrap();
    assert_eq!(loaded.source, Source::Loader);
}

/// Until this process knows, too, a token of the new timeline is met by nothing of the old.
#[tokio::test]
async fn a_token_of_a_timeline_nobody_has_told_of_is_not_met_by_what_is_kept() {
    let reader = reader(Origin::open());
    assert_eq!(reader.value().await, 1);

    let ahead = Consistency::AtLeast(LogPosition::new(2, 1));

    assert_eq!(reader.ask(ahead).await.unwrap().source, Source::Loader);
}
