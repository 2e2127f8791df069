//! What the log of events tells, after or instead of those who have committed.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fairlead_domain::Id;
use fairlead_domain::cache::Source;
use fairlead_domain::consistency::{Consistency, LogPosition};
use fairlead_domain::events::{Event, EventCursor, EventObserver as _, Stretch};
use fairlead_domain::identity::TenantId;
use fairlead_domain::store::{TimelineObserver as _, WriteObserver};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use uuid::Uuid;

use super::origin::{Origin, Reader, position, scope, value};
use crate::CacheSettings;

/// The place of all of them: transactions that recorded at the same time may well share it.
const PLACE: u64 = 9;

/// An event of tenant 1, of which nothing but the tags of a carrier or a lead is known.
fn event(number: u64, about: &str) -> Event {
    Event {
        cursor: EventCursor {
            xid: PLACE,
            position: i64::try_from(number).unwrap(),
        },
        tenant: scope(1).tenant(),
        id: id(number),
        event_type: format!("{about}_updated"),
        version: 1,
        aggregate_type: about.to_owned(),
        aggregate_id: Uuid::from_u128(5),
        source: "api".to_owned(),
        actor: "system".to_owned(),
        data: RawValue::from_string(r#"{"changed": ["name"]}"#.to_owned()).unwrap(),
        trace_parent: None,
        occurred_at: OffsetDateTime::UNIX_EPOCH,
    }
}

fn id(event: u64) -> Uuid {
    Uuid::from_u128(event.into())
}

/// Where a commit is told to be whose first event is `event`.
fn committed(event: u64, lsn: u64) -> LogPosition {
    LogPosition::new(1, lsn).of_commit(LogPosition::mark_of(id(event)))
}

/// What the log brings: events, each with the transaction that recorded it.
fn stretch(events: impl IntoIterator<Item = (u32, Event)>, as_of: LogPosition) -> Stretch {
    let (transactions, events) = events.into_iter().unzip();
    Stretch {
        asked: Instant::now(),
        events,
        transactions,
        is_full: false,
        is_held: false,
        is_quiet: true,
        is_ahead: false,
        as_of,
    }
}

/// The log brings `events`, and time passes.
async fn observe(reader: &Reader, events: impl IntoIterator<Item = (u32, Event)>, as_of: LogPosition) {
    let inner = &reader.cache.inner;
    let now = Instant::now();
    inner.observe(&stretch(events, as_of), now);
    inner.observe(&stretch([], as_of), now + Duration::from_secs(1));
    settle().await;
}

/// Lets what was begun come to its end.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

async fn source(reader: &Reader) -> Source {
    reader.ask(Consistency::Eventual).await.unwrap().source
}

#[tokio::test]
async fn a_commit_that_nobody_told_of_is_found_in_the_log_and_loads_see_it() {
    let reader = Reader::new(Origin::open(), CacheSettings::default());
    assert_eq!(reader.value().await, 1);
    // By another process, and the replica lags.
    let commit = reader.origin.commit();

    observe(&reader, [(7, event(70, "lead"))], commit).await;

    let found = reader.ask(Consistency::Eventual).await.unwrap();
    assert_eq!((found.source, value(&found)), (Source::Loader, 2));
}

#[tokio::test]
async fn a_commit_that_was_told_of_is_not_bumped_again() {
    let reader = Reader::new(Origin::open(), CacheSettings::default());
    let own = reader.origin.commit();
    reader.bump(committed(70, own.lsn)).await;
    assert_eq!(reader.value().await, 2);

    // More of the same commit comes with the next look.
    observe(&reader, [(7, event(70, "lead")), (7, event(71, "lead"))], own).await;
    observe(&reader, [(7, event(72, "lead"))], own).await;
    assert_eq!(source(&reader).await, Source::Memory);

    // The next transaction is another's.
    observe(&reader, [(8, event(73, "carrier"))], own).await;
    assert_eq!(source(&reader).await, Source::Memory, "it is no lead");
    observe(&reader, [(9, event(74, "lead"))], own).await;
    assert_eq!(source(&reader).await, Source::Loader);
}

#[tokio::test]
async fn commits_whose_events_stand_between_each_other_are_told_apart() {
    let reader = Reader::new(Origin::open(), CacheSettings::default());
    let own = reader.origin.commit();
    reader.bump(committed(70, own.lsn)).await;
    reader.value().await;

    let told_alone = [
        (7, event(70, "carrier")),
        (8, event(71, "carrier")),
        (7, event(72, "lead")),
    ];
    observe(&reader, told_alone, own).await;
    assert_eq!(source(&reader).await, Source::Memory);
    let both = [
        (7, event(73, "lead")),
        (9, event(74, "carrier")),
        (7, event(75, "lead")),
        (9, event(76, "lead")),
    ];
    observe(&reader, both, own).await;
    assert_eq!(source(&reader).await, Source::Loader);
}

/// The log may be quicker than who tells.
#[tokio::test]
async fn a_commit_has_a_moment_to_be_told_of() {
    let reader = Reader::new(Origin::open(), CacheSettings::default());
    let commit = reader.origin.commit();
    let (inner, now) = (&reader.cache.inner, Instant::now());
    inner.observe(&stretch([(7, event(70, "lead"))], commit), now);
    reader.bump(committed(70, commit.lsn)).await;
    assert_eq!(reader.value().await, 2);

    observe(&reader, [], commit).await;

    assert_eq!(source(&reader).await, Source::Memory);
}

#[tokio::test]
async fn an_event_of_another_tenant_changes_nothing_here() {
    let reader = Reader::new(Origin::open(), CacheSettings::default());
    reader.value().await;
    let other = Event {
        tenant: Id::from_uuid(Uuid::from_u128(2)),
        ..event(70, "lead")
    };

    observe(&reader, [(7, other)], position(9)).await;

    assert_eq!(source(&reader).await, Source::Memory);
}

#[tokio::test]
async fn a_log_is_followed_once_it_was_read_to_its_end() {
    let reader = Reader::new(Origin::open(), CacheSettings::default());
    let inner = &reader.cache.inner;
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    let as_of = LogPosition::new(1, 9);
    let whole = |asked| Stretch {
        asked: at(asked),
        ..stretch([], as_of)
    };
    let held = Stretch {
        is_held: true,
        ..whole(20)
    };
    let full = Stretch {
        is_full: true,
        ..whole(21)
    };

    inner.observe(&whole(10), at(10));
    inner.observe(&held, at(20));
    inner.observe(&full, at(21));

    assert!(inner.heard.has_followed(at(10), at(10)));
    assert!(!inner.heard.has_followed(at(9), at(10)), "it began later");
    assert!(
        !inner.heard.has_followed(at(10), at(11)),
        "something may be left to read"
    );
    inner.observe(&whole(22), at(25));
    assert!(inner.heard.has_followed(at(10), at(22)));
    assert!(
        !inner.heard.has_followed(at(10), at(23)),
        "what was committed after the question may not be in the answer"
    );
}

/// Whoever asks for what was committed in between must not be given what was there before.
#[tokio::test]
async fn what_is_found_and_not_bumped_yet_is_not_followed() {
    let reader = Reader::new(Origin::open(), CacheSettings::default());
    let inner = &reader.cache.inner;
    let (start, as_of) = (Instant::now(), LogPosition::new(1, 9));
    let at = |millis| start + Duration::from_millis(millis);
    let brings = |asked, events| {
        let asked = at(asked);
        let stretch = Stretch {
            asked,
            ..stretch(events, as_of)
        };
        inner.observe(&stretch, asked);
    };
    brings(0, vec![]);
    brings(100, vec![(7, event(70, "lead"))]);

    assert!(inner.heard.has_followed(at(0), at(0)), "what is found came later");
    assert!(!inner.heard.has_followed(at(0), at(1)));
    brings(200, vec![]);
    assert!(!inner.heard.has_followed(at(0), at(1)));
    brings(350, vec![]);
    assert!(inner.heard.has_followed(at(0), at(350)), "it is bumped");
}

#[tokio::test]
async fn after_a_failover_nobody_is_sure_of_what_was_followed() {
    let reader = Reader::new(Origin::open(), CacheSettings::default());
    let inner = &reader.cache.inner;
    let now = Instant::now();
    let whole = stretch([], LogPosition::new(1, 9));
    reader.cache.note_timeline(1);
    inner.observe(&whole, now);
    assert!(inner.heard.has_followed(now, now));

    reader.cache.note_timeline(2);

    let later = now + Duration::from_secs(1);
    inner.observe(&whole, later);
    assert!(!inner.heard.has_followed(now, now));

    // Until the log is followed on the other timeline.
    reader.value().await;
    reader.cache.observe_anew();
    assert_eq!(
        source(&reader).await,
        Source::Loader,
        "what was passed over may concern it"
    );
    inner.observe(&whole, later);
    assert!(!inner.heard.has_followed(now, now));
    assert!(inner.heard.has_followed(later, whole.asked));
}

/// Others have as long to tell of it themselves, and nobody shows for longer what was there before.
#[tokio::test]
async fn a_commit_is_taken_for_untold_after_a_quarter_of_a_second() {
    let reader = Reader::new(Origin::open(), CacheSettings::default());
    reader.value().await;
    let commit = reader.origin.commit();
    let (inner, found) = (&reader.cache.inner, Instant::now());
    let nothing = stretch([], commit);
    let after = |millis| found + Duration::from_millis(millis);
    inner.observe(&stretch([(7, event(70, "lead"))], commit), found);

    inner.observe(&nothing, after(249));
    settle().await;
    assert_eq!(source(&reader).await, Source::Memory);
    inner.observe(&nothing, after(250));
    settle().await;

    assert_eq!(source(&reader).await, Source::Loader);
}

/// In a log that is quiet nothing more comes that would bring the time to look.
#[tokio::test]
async fn what_is_untold_is_told_of_though_the_log_brings_nothing_more() {
    let reader = Reader::new(Origin::open(), CacheSettings::default());
    reader.value().await;
    let commit = reader.origin.commit();
    let now = Instant::now();
    let found = now.checked_sub(Duration::from_millis(250));
    let found = found.expect("the machine runs for longer");
    let untold = stretch([(7, event(70, "lead"))], commit);
    reader.cache.inner.observe(&untold, found);
    settle().await;
    assert_eq!(source(&reader).await, Source::Memory);

    reader.cache.observe_nothing(now);
    settle().await;

    let found = reader.ask(Consistency::Eventual).await.unwrap();
    assert_eq!((found.source, value(&found)), (Source::Loader, 2));
}

/// Which writes of others replicas must have.
#[derive(Debug, Default)]
struct Writes(Mutex<Vec<(TenantId, LogPosition)>>);

impl WriteObserver for Writes {
    fn note_write(&self, tenant: TenantId, position: LogPosition) {
        self.0.lock().unwrap().push((tenant, position));
    }
}

/// What is not kept is read from a replica: it must have the commit, too.
#[tokio::test]
async fn of_a_commit_that_is_found_in_the_log_those_are_told_who_choose_replicas() {
    let reader = Reader::new(Origin::open(), CacheSettings::default());
    let writes = Arc::new(Writes::default());
    reader.cache.tell_writes_to(Arc::clone(&writes) as _);
    let own = reader.origin.commit();
    reader.bump(committed(60, own.lsn)).await;
    let unheard = reader.origin.commit();

    let both = [(6, event(60, "lead")), (7, event(70, "lead"))];
    observe(&reader, both, unheard).await;

    let told = [(scope(1).tenant(), committed(70, unheard.lsn))];
    assert_eq!(*writes.0.lock().unwrap(), told);
}
