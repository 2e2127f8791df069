//! Events by way of RabbitMQ.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use fairlead::config::{Config, Secret};
use fairlead_domain::events::{
    Broker as _, Delivered, EventCursor, EventLog as _, EventsMonitor as _, Lease, Verdict,
};
use fairlead_rabbitmq::{RabbitMq, RabbitMqSettings};
use lapin::options::QueueDeleteOptions;
use reqwest::StatusCode;
use serde_json::json;
use sqlx::Executor as _;
use support::database::DatabaseRole;
use support::process::Program;
use support::{TestApp, TestDatabase, TestTenant, wait_until};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::beside::{Beside, Moody, record};
use super::consumers::{COUNTED, EVENTS, one, serve};
use super::subscriber::{Subscriber, TestBroker};

fn by_way_of(broker: &TestBroker) -> impl FnOnce(&mut Config) {
    let (url, prefix) = (Secret::new(broker.url.clone()), broker.prefix.clone());
    move |config| {
        config.events.amqp.url = Some(url);
        config.events.amqp.prefix = prefix;
        config.events.amqp.catch_up = time::Duration::hours(1);
    }
}

/// The program, by way of this broker; it catches up from the log after so many seconds.
pub(super) fn program(database: &TestDatabase, broker: &TestBroker, catch_up_seconds: u32) -> Program {
    Program::on(database)
        .with("RABBITMQ_URL", &broker.url)
        .with("FAIRLEAD__EVENTS__AMQP__PREFIX", &broker.prefix)
        .with(
            "FAIRLEAD__EVENTS__AMQP__CATCH_UP_SECONDS",
            &catch_up_seconds.to_string(),
        )
}

#[tokio::test]
async fn events_are_published_in_order_and_handled_by_way_of_the_broker() {
    let broker = TestBroker::of_this_run().await;
    let subscriber = Subscriber::to(&broker).await;
    let app = TestApp::start_with(by_way_of(&broker)).await;
    let acme = app.tenant("acme").await;
    let lead = acme.lead("Ann").await;
    for score in 1..=20 {
        let path = format!("/api/v1/leads/{lead}");
        acme.owner
            .patch(&path, json!({ "qualityScore": score }))
            .await
            .expect(200);
    }
    let mut superuser = app.database.connect(DatabaseRole::Superuser).await;
    let events: i64 = one(&mut superuser, EVENTS).await;

    subscriber.until(usize::try_from(events).unwrap()).await;
    wait_until("all are handled", async || {
        one::<i64>(&mut superuser, COUNTED).await == events
    })
    .await;

    let heard = subscriber.heard();
    assert_eq!(
        heard.len(),
        subscriber.firsts().len(),
        "nothing broke, so nothing came twice"
    );
    subscriber.assert_ordered();
    let created = heard
        .iter()
        .find(|message| message.envelope["type"] == "lead_created")
        .unwrap();
    assert_eq!(created.routing_key, format!("{}.lead.lead_created", acme.id));
    assert_eq!(created.envelope["specversion"], "1.0");
    assert_eq!(created.envelope["data"]["name"], "Ann");
    assert!(created.trace_parent.is_some());
    assert_eq!(
        created.trace_parent.as_deref(),
        created.envelope["traceparent"].as_str()
    );
    let happened = OffsetDateTime::parse(created.envelope["time"].as_str().unwrap(), &Rfc3339).unwrap();
    assert_eq!(created.timestamp, u64::try_from(happened.unix_timestamp()).ok());
    // What subscribers outside are shown is what the tenant is shown.
    let log = acme.owner.get("/api/v1/events?limit=200").await.expect(200);
    let of_log: Vec<_> = log["items"].as_array().unwrap().iter().collect();
    let of_broker: Vec<_> = heard.iter().map(|message| &message.envelope).collect();
    assert_eq!(of_log, of_broker);
    let health = app.anonymous().get("/health/ready").await.expect(200).to_string();
    assert!(
        !health.contains("broker") && !health.contains("RabbitMQ"),
        "{health}"
    );
}

#[tokio::test]
async fn a_delivery_that_fails_comes_again_later_and_then_is_a_dead_letter() {
    let broker = TestBroker::of_this_run().await;
    let database = TestDatabase::create().await;
    let moody = Arc::new(Moody::default());
    let settings = RabbitMqSettings::new(&broker.url, &broker.prefix, Duration::from_millis(10)).unwrap();
    let types = [
        "test_first",
        "test_never",
        "test_later",
        "test_always_later",
        "test_last",
    ];

    let beside = Beside::start(&database, Arc::clone(&moody), Some(settings)).await;
    record(&database, &types).await;

    wait_until("two are put aside", async || {
        beside.worker.report().put_aside == 2
    })
    .await;
    wait_until("three are handled", async || moody.handled().len() == 3).await;
    let mut handled = moody.handled();
    handled.sort_unstable();
    assert_eq!(handled, ["test_first", "test_last", "test_later"]);
    assert!(
        moody.attempts("test_always_later") >= 6,
        "{}",
        moody.attempts("test_always_later")
    );
    wait_until("two are dead letters", async || {
        broker.depth("events.dead").await == 2
    })
    .await;
    let link = beside.worker.report().link.unwrap();
    assert_eq!((link.dead, link.published), (2, 5));
    assert_eq!(link.retried, 5 + 1, "five times the one, once the other");
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let traces = "SELECT count(*) FROM inbox WHERE consumer = 'a trace of moody'";
    assert_eq!(
        one::<i64>(&mut superuser, traces).await,
        3,
        "what failed has left nothing"
    );
}

#[tokio::test]
async fn of_dead_letters_the_last_are_kept_and_what_is_dropped_is_counted() {
    let broker = TestBroker::of_this_run().await;
    let database = TestDatabase::create().await;
    let moody = Arc::new(Moody::default());
    let settings = RabbitMqSettings::new(&broker.url, &broker.prefix, Duration::from_millis(10)).unwrap();

    let beside = Beside::start(
        &database,
        Arc::clone(&moody),
        Some(settings.keeping_dead_letters(3)),
    )
    .await;
    record(&database, &["test_never"; 8]).await;

    wait_until("all were given up", async || {
        beside.worker.report().link.unwrap().dead == 8
    })
    .await;
    wait_until("but three were dropped", async || {
        let link = beside.worker.report().link.unwrap();
        (link.dead_dropped, link.dead_letters) == (5, 3)
    })
    .await;
    let events = beside.log.read(EventCursor::START, 10).await.unwrap().events;
    let last: Vec<String> = events[5..].iter().map(|event| event.id.to_string()).collect();
    assert_eq!(broker.dead_letters().await, last);
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let jobs: i64 = one(
        &mut superuser,
        "SELECT count(*) FROM jobs WHERE kind = 'handle-event'",
    )
    .await;
    assert_eq!((events.len(), jobs), (8, 8), "nothing is lost by it");
}

#[tokio::test]
async fn an_event_that_fails_for_a_while_is_left_to_the_broker_that_brings_it_again() {
    let broker = TestBroker::of_this_run().await;
    let database = TestDatabase::create().await;
    let moody = Arc::new(Moody::default());
    let settings = RabbitMqSettings::new(&broker.url, &broker.prefix, Duration::from_millis(200)).unwrap();
    let soon = time::Duration::milliseconds(300);

    let beside = Beside::catching_up(&database, Arc::clone(&moody), Some(settings), soon).await;
    record(&database, &["test_for_a_while", "test_last"]).await;
    wait_until("it is tried by either way", async || {
        moody.attempts("test_for_a_while") >= 16
    })
    .await;
    assert_eq!(beside.worker.report().put_aside, 0);
    assert_eq!(moody.handled(), ["test_last"]);
    moody.recover();

    wait_until("it is handled", async || moody.handled().len() == 2).await;
    let log = beside.log.read(EventCursor::START, 10).await.unwrap();
    let end = log.events.last().unwrap().cursor;
    wait_until("the log is done", async || {
        beside.log.place("moody").await.unwrap() == end
    })
    .await;
    assert_eq!(moody.handled(), ["test_last", "test_for_a_while"]);
    assert_eq!(beside.worker.report().put_aside, 0);
}

#[tokio::test]
async fn what_is_before_a_consumers_place_is_done_though_its_inbox_has_forgotten_it() {
    let database = TestDatabase::create().await;
    record(&database, &["test_first", "test_second"]).await;
    let moody = Arc::new(Moody::default());
    let beside = Beside::idle(&database, Arc::clone(&moody), None, time::Duration::HOUR).await;
    let mut events = Vec::new();
    wait_until("the events can be read", async || {
        events = beside.log.read(EventCursor::START, 10).await.unwrap().events;
        events.len() == 2
    })
    .await;
    let run = events.clone().into_iter().map(|event| Delivered {
        event,
        failures: 0,
        is_last: false,
    });
    let run: Vec<Delivered> = run.collect();
    beside.worker.handler().handle(&run).await;
    let start = beside.log.place("moody").await.unwrap();
    assert!(
        beside
            .log
            .advance("moody", start, events[0].cursor)
            .await
            .unwrap()
    );
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    superuser.execute("DELETE FROM inbox").await.unwrap();

    let verdicts = beside.worker.handler().handle(&run).await;

    assert_eq!(verdicts, [Verdict::Done; 2]);
    assert_eq!(
        moody.handled(),
        ["test_first", "test_second", "test_second"],
        "only what is beyond the place is handled again"
    );
}

#[tokio::test]
async fn what_the_log_has_handled_meanwhile_is_not_put_aside_when_its_last_delivery_fails() {
    let database = TestDatabase::create().await;
    record(&database, &["test_overtaken"]).await;
    let moody = Arc::new(Moody::default());
    let beside = Beside::idle(&database, Arc::clone(&moody), None, time::Duration::HOUR).await;
    moody.is_overtaken_in(&beside.log);
    let mut events = Vec::new();
    wait_until("the event can be read", async || {
        events = beside.log.read(EventCursor::START, 10).await.unwrap().events;
        events.len() == 1
    })
    .await;
    let last = Delivered {
        event: events.remove(0),
        failures: 5,
        is_last: true,
    };

    let verdicts = beside.worker.handler().handle(&[last]).await;

    assert_eq!(moody.attempts("test_overtaken"), 2, "with others, and alone");
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let aside: i64 = one(
        &mut superuser,
        "SELECT count(*) FROM inbox WHERE fault IS NOT NULL",
    )
    .await;
    let jobs: i64 = one(&mut superuser, "SELECT count(*) FROM jobs").await;
    assert_eq!((verdicts, aside, jobs), (vec![Verdict::Done], 0, 0));
}

#[tokio::test]
async fn an_event_that_is_delivered_twice_together_is_handled_once() {
    let database = TestDatabase::create().await;
    record(&database, &["test_first", "test_twice", "test_last"]).await;
    let moody = Arc::new(Moody::default());
    let beside = Beside::idle(&database, Arc::clone(&moody), None, time::Duration::HOUR).await;
    let mut events = Vec::new();
    wait_until("the events can be read", async || {
        events = beside.log.read(EventCursor::START, 10).await.unwrap().events;
        events.len() == 3
    })
    .await;
    let delivered = |number: usize| Delivered {
        event: events[number].clone(),
        failures: 0,
        is_last: false,
    };

    let run = [
        delivered(0),
        delivered(1),
        delivered(1),
        delivered(2),
        delivered(0),
    ];
    let verdicts = beside.worker.handler().handle(&run).await;

    assert_eq!(verdicts, [Verdict::Done; 5]);
    assert_eq!(moody.handled(), ["test_first", "test_twice", "test_last"]);
    assert_eq!(beside.worker.report().duplicates, 2);
}

#[tokio::test]
async fn what_was_in_a_queue_that_is_deleted_is_handled_all_the_same() {
    let broker = TestBroker::of_this_run().await;
    let database = TestDatabase::create().await;
    let serving = serve(&program(&database, &broker, 2)).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let all_counted = async |superuser: &mut sqlx::PgConnection| {
        wait_until("all are handled", async || {
            one::<i64>(superuser, COUNTED).await == one::<i64>(superuser, EVENTS).await
        })
        .await;
    };
    acme.lead("Before").await;
    all_counted(&mut superuser).await;

    for round in 0..3 {
        let (connection, channel) = broker.connect().await;
        for shard in 0..10 {
            let queue = format!("{}.events.{shard}", broker.prefix);
            channel
                .queue_delete(queue.as_str().into(), QueueDeleteOptions::default())
                .await
                .unwrap();
        }
        for number in 0..10 {
            acme.lead(&format!("Lead {number} of round {round}")).await;
        }
        all_counted(&mut superuser).await;
        wait_until("the queues are there again", async || {
            let options = lapin::options::QueueDeclareOptions {
                passive: true,
                ..lapin::options::QueueDeclareOptions::default()
            };
            let Ok(channel) = connection.create_channel().await else {
                return false;
            };
            let queue = format!("{}.events.9", broker.prefix);
            channel
                .queue_declare(
                    queue.as_str().into(),
                    options,
                    lapin::types::FieldTable::default(),
                )
                .await
                .is_ok()
        })
        .await;
    }
    println!(
        "{} events, each handled once",
        one::<i64>(&mut superuser, COUNTED).await
    );
}

#[tokio::test]
async fn without_the_broker_the_api_answers_and_says_so() {
    let database = TestDatabase::create().await;
    let nowhere = TestBroker::at("amqp://ann:hidden-secret@127.0.0.1:1/%2f".to_owned());
    let serving = serve(&program(&database, &nowhere, 1)).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    acme.lead("Ann").await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;

    wait_until("all are handled, from the log", async || {
        let events: i64 = one(&mut superuser, EVENTS).await;
        one::<i64>(&mut superuser, COUNTED).await == events
    })
    .await;

    let ready = serving.anonymous().get("/health/ready").await;
    assert_eq!(ready.status, StatusCode::OK);
    let ready = ready.expect(200).to_string();
    assert!(ready.contains("RabbitMQ is away"), "{ready}");
    let log = serving.log().join("\n");
    assert!(
        log.contains("no link to RabbitMQ at 127.0.0.1:1/") && !log.contains("hidden-secret"),
        "{log}"
    );
    let doctor = program(&database, &nowhere, 1).run(&["doctor"]).await;
    assert!(
        doctor.stdout.contains("broker") && !doctor.stdout.contains("hidden-secret"),
        "{doctor:?}"
    );
}

/// What a relay has that was suspended for long.
#[derive(Debug)]
struct Lapses(AtomicBool);

impl Lease for Lapses {
    fn holds(&self) -> bool {
        !self.0.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn who_may_not_publish_any_more_keeps_its_link() {
    let broker = TestBroker::of_this_run().await;
    let database = TestDatabase::create().await;
    let settings = RabbitMqSettings::new(&broker.url, &broker.prefix, Duration::from_millis(10)).unwrap();
    let rabbit = RabbitMq::new(settings);
    let (moody, after) = (Arc::new(Moody::default()), time::Duration::hours(1));
    let beside = Beside::idle(&database, moody, Some(rabbit.clone()), after).await;
    let linked = rabbit.spawn(None);
    wait_until("it is linked", async || rabbit.link().is_up).await;
    record(&database, &["test_first", "test_last"]).await;
    let events = beside.log.read(EventCursor::START, 10).await.unwrap().events;
    assert_eq!(events.len(), 2);

    let lapses = Lapses(AtomicBool::new(true));
    for _ in 0..20 {
        lapses.0.store(true, Ordering::Relaxed);
        let refused = rabbit.publish(&events, &lapses).await.unwrap_err();
        assert_eq!(refused.confirmed, 0);
        lapses.0.store(false, Ordering::Relaxed);
        rabbit.publish(&events, &lapses).await.unwrap();
    }

    let link = rabbit.link();
    assert_eq!((link.connects, link.published), (1, 40));
    linked.abort();
}
