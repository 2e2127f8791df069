//! A task of ours that panics, and goes on where it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fairlead_domain::Id;
use fairlead_domain::events::{EventObserver, Heard, LiveEvents, LiveLog as _, Stretch};
use support::TestDatabase;
use tokio::time::timeout;
use uuid::Uuid;

use super::beside::{Beside, record};

/// Panics at the first event of a type, once.
#[derive(Debug, Default)]
struct Beset {
    has_panicked: AtomicBool,
}

impl EventObserver for Beset {
    fn observe(&self, stretch: &Stretch) {
        let is_bad = stretch.events.iter().any(|event| event.event_type == "test_bad");
        assert!(
            !is_bad || self.has_panicked.swap(true, Ordering::SeqCst),
            "the observer is beside itself"
        );
    }

    fn observe_nothing(&self, _: Instant) {}

    fn observe_anew(&self) {}
}

async fn next(events: &mut Box<dyn LiveEvents>) -> String {
    let heard = timeout(Duration::from_mins(1), events.next())
        .await
        .expect("the next event is told");
    match heard {
        Heard::Event(live) => live.event.event_type.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn who_follows_misses_nothing_when_the_task_that_tells_has_panicked() {
    let database = TestDatabase::create().await;
    let tenant = Id::from_uuid(Uuid::parse_str("01930000-0000-7000-8000-000000000001").unwrap());
    record(&database, &["test_past"; 3]).await;
    let observer = Arc::new(Beset::default());
    let beside = Beside::observed(&database, Arc::clone(&observer) as _).await;
    let mut first = beside.live.follow(tenant).await.unwrap().events;
    first.hear();

    record(&database, &["test_before", "test_bad", "test_behind"]).await;
    for expected in ["test_before", "test_bad", "test_behind"] {
        assert_eq!(next(&mut first).await, expected);
    }
    assert!(observer.has_panicked.load(Ordering::SeqCst));

    let mut second = beside.live.follow(tenant).await.unwrap().events;
    second.hear();
    record(&database, &["test_new"]).await;
    assert_eq!(next(&mut first).await, "test_new");
    assert_eq!(next(&mut second).await, "test_new", "and nothing of the past");
}
