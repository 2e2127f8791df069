//! Faults on real servers: processes that are killed, a broker that goes and comes, confirms that do not arrive.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fairlead_devstack::{Durability, Root, Service, Stack, StackOptions};
use fairlead_telemetry::{spawn, spawn_blocking};
use reqwest::Method;
use serde_json::json;
use sqlx::PgConnection;
use support::database::DatabaseRole;
use support::{TestDatabase, TestTenant, is_long, repetitions, wait_until};
use tokio::time::{Instant, Interval, interval, sleep, sleep_until};

use super::broker::program;
use super::consumers::{COUNTED, EVENTS, figure, leads, one, serve};
use super::cutter::Cutter;
use super::relays::Machine;
use super::subscriber::{Subscriber, TestBroker};

/// Waits until every consumer has done every event, for as long as it goes on.
pub(super) async fn until_all_counted(superuser: &mut PgConnection) -> usize {
    loop {
        let counted = one::<i64>(superuser, COUNTED).await;
        let events = one::<i64>(superuser, EVENTS).await;
        if counted == events {
            return usize::try_from(events).unwrap();
        }
        wait_until("one more event is handled", async || {
            one::<i64>(superuser, COUNTED).await > counted
        })
        .await;
    }
}

/// Makes sure that none is handled again behind the last.
pub(super) async fn assert_counted_once(superuser: &mut PgConnection) {
    sleep(Duration::from_secs(1)).await;
    assert_eq!(
        one::<i64>(superuser, COUNTED).await,
        one::<i64>(superuser, EVENTS).await
    );
}

/// Versions of leads that were acknowledged.
type Acknowledged = Arc<Mutex<BTreeSet<(String, i64)>>>;

/// What all writers write in a second, where the machine keeps up.
const WRITES_PER_SECOND: u32 = 200;

/// When the next write is due, whoever makes it.
type Pace = Arc<tokio::sync::Mutex<Interval>>;

fn pace() -> Pace {
    Arc::new(tokio::sync::Mutex::new(interval(
        Duration::from_secs(1) / WRITES_PER_SECOND,
    )))
}

/// Makes leads, and changes those that all writers share, until told to stop or not answered any more.
async fn write(
    acme: TestTenant,
    shared: Vec<String>,
    pace: Pace,
    stop: Arc<AtomicBool>,
    acknowledged: Acknowledged,
) {
    let send = async |request: reqwest::RequestBuilder| {
        pace.lock().await.tick().await;
        let answer = request.send().await.ok()?;
        if !answer.status().is_success() {
            return Some(());
        }
        let lead: serde_json::Value = answer.json().await.ok()?;
        let version = (lead["id"].as_str()?.to_owned(), lead["version"].as_i64()?);
        acknowledged.lock().unwrap().insert(version);
        Some(())
    };
    while !stop.load(Ordering::SeqCst) {
        let create = acme.owner.request(Method::POST, "/api/v1/leads");
        if send(create.json(&json!({ "name": "Ann" }))).await.is_none() {
            return;
        }
        for lead in &shared {
            let score = rand::random_range(0..100);
            let change = acme
                .owner
                .request(Method::PATCH, &format!("/api/v1/leads/{lead}"));
            if send(change.json(&json!({ "qualityScore": score })))
                .await
                .is_none()
            {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_killed_while_it_writes_loses_no_event_that_was_acknowledged() {
    let kills = repetitions(3);
    let broker = TestBroker::of_this_run().await;
    let subscriber = Subscriber::to(&broker).await;
    let database = TestDatabase::create().await;
    let program = program(&database, &broker, 2);
    let mut serving = serve(&program).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let mut shared = Vec::new();
    for name in ["Bob", "Cid", "Dee"] {
        shared.push(acme.lead(name).await);
    }
    let acknowledged = Acknowledged::default();
    let (mut wrote_for, mut stood_still, mut absorbed) = (Duration::ZERO, Duration::ZERO, 0);

    for _ in 0..kills {
        let stop = Arc::new(AtomicBool::new(false));
        let (pace, machine, began) = (pace(), Machine::watch(), Instant::now());
        let writers: Vec<_> = (0..16)
            .map(|_| {
                let acme = acme.at(&serving.url);
                let (pace, stop) = (Arc::clone(&pace), Arc::clone(&stop));
                spawn(write(acme, shared.clone(), pace, stop, Arc::clone(&acknowledged)))
            })
            .collect();
        let before = subscriber.heard().len();
        wait_until("events flow", async || subscriber.heard().len() > before + 20).await;
        sleep(Duration::from_millis(rand::random_range(0..1_000))).await;
        absorbed += figure(serving.metrics_url(), "events_duplicates_total").await;
        serving.signal("KILL");
        wrote_for += began.elapsed();
        stood_still += machine.stood_still();
        stop.store(true, Ordering::SeqCst);
        for writer in writers {
            writer.await.unwrap();
        }
        serving = serve(&program).await;
    }
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let events = until_all_counted(&mut superuser).await;
    subscriber.until(events).await;

    let firsts = subscriber.firsts();
    let published: BTreeSet<(String, i64)> = firsts
        .iter()
        .filter_map(|message| {
            let version = message.envelope["data"]["version"].as_i64()?;
            Some((message.envelope["aggregateid"].as_str()?.to_owned(), version))
        })
        .collect();
    let acknowledged = acknowledged.lock().unwrap().clone();
    let changes = acknowledged.iter().filter(|(_, version)| *version > 1).count();
    let missing: Vec<_> = acknowledged.difference(&published).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(changes > 0, "shared leads were changed");
    assert_eq!(firsts.len(), events);
    subscriber.assert_ordered();
    assert_counted_once(&mut superuser).await;
    absorbed += figure(serving.metrics_url(), "events_duplicates_total").await;
    let a_second = |time: Duration| 1_000 * acknowledged.len() as u128 / time.as_millis().max(1);
    println!(
        "{kills} kills: {} writes acknowledged, {} a second, {changes} of them on shared leads, {events} events, {} published, {} of them again; each handled once, {absorbed} duplicates absorbed",
        acknowledged.len(),
        a_second(wrote_for),
        firsts.len(),
        subscriber.heard().len() - firsts.len(),
    );
    // Otherwise a kill would hardly ever come while something is written.
    let rate = a_second(wrote_for.saturating_sub(stood_still));
    assert!(
        !is_long() || rate >= 150,
        "{rate} writes a second, of {WRITES_PER_SECOND} that were due"
    );
}

#[tokio::test]
async fn a_confirm_that_does_not_arrive_is_published_again_and_handled_once() {
    let cuts = repetitions(5);
    let direct = TestBroker::of_this_run().await;
    let cutter = Cutter::start(&direct.url).await;
    let proxied = TestBroker {
        url: cutter.through(&direct.url),
        ..direct.clone()
    };
    let subscriber = Subscriber::to(&direct).await;
    let database = TestDatabase::create().await;
    let serving = serve(&program(&database, &proxied, 600)).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;

    cutter.cut(cuts);
    while cutter.left() > 0 {
        acme.lead("Ann").await;
    }
    acme.lead("The last").await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let events = until_all_counted(&mut superuser).await;
    subscriber.until(events).await;

    let again = subscriber.heard().len() - subscriber.firsts().len();
    assert!(again > 0, "no confirm was lost");
    assert_eq!(subscriber.firsts().len(), events);
    subscriber.assert_ordered();
    assert_counted_once(&mut superuser).await;
    let links = figure(serving.metrics_url(), "events_broker_links_total").await;
    assert!(links > 1, "{links}");
    println!(
        "{cuts} confirms lost: {events} events, {again} published again, {links} links, {} duplicates absorbed",
        figure(serving.metrics_url(), "events_duplicates_total").await,
    );
}

#[tokio::test]
async fn a_link_that_breaks_as_soon_as_it_is_there_is_opened_ever_more_seldom() {
    const LOOKED: Duration = Duration::from_secs(5);
    let direct = TestBroker::of_this_run().await;
    let cutter = Cutter::start(&direct.url).await;
    let proxied = TestBroker {
        url: cutter.through(&direct.url),
        ..direct.clone()
    };
    let database = TestDatabase::create().await;
    let serving = serve(&program(&database, &proxied, 600)).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    until_all_counted(&mut superuser).await;
    let links = async || figure(serving.metrics_url(), "events_broker_links_total").await;

    let before = links().await;
    cutter.cut_consumers(usize::MAX);
    cutter.cut(1);
    acme.lead("Ann").await;
    sleep(LOOKED).await;
    let opened = links().await - before;
    cutter.cut_consumers(0);

    // Behind 0.1, 0.2, 0.4, 0.8 and 1.6 s; ten a second where each begins with the shortest pause.
    assert!((2..=6).contains(&opened), "{opened} links in {LOOKED:?}");
    until_all_counted(&mut superuser).await;
}

#[tokio::test]
async fn a_broker_that_was_away_is_given_all_that_is_owed() {
    let owed = repetitions(2) * 1000;
    let away = Duration::from_secs(repetitions(2) as u64);
    let (stack, url) = spawn_blocking(|| {
        let options = StackOptions {
            root: Root::Temporary,
            durability: Durability::Safe,
        };
        let stack = Stack::open(options).unwrap();
        let url = stack.ensure(Service::RabbitMq).unwrap().url;
        (Arc::new(stack), url)
    })
    .await
    .unwrap();
    let broker = TestBroker::at(url);
    let mut subscriber = Subscriber::to(&broker).await;
    let database = TestDatabase::create().await;
    let serving = serve(&program(&database, &broker, 600)).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    acme.lead("Ann").await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let before = until_all_counted(&mut superuser).await;
    subscriber.until(before).await;

    let killed = Arc::clone(&stack);
    spawn_blocking(move || killed.kill(Service::RabbitMq))
        .await
        .unwrap()
        .unwrap();
    let killed_at = Instant::now();
    let leads: Vec<_> = (0..1000)
        .map(|number| json!({ "name": format!("Lead {number}") }))
        .collect();
    for _ in 0..owed / 1000 {
        let answer = acme
            .owner
            .post("/api/v1/leads/bulk", json!({ "leads": leads }))
            .await;
        assert!(answer.status.is_success(), "writes go on: {answer:?}");
    }
    wait_until("the server says that the broker is away", async || {
        let ready = serving.anonymous().get("/health/ready").await;
        ready.status == 200 && ready.expect(200).to_string().contains("RabbitMQ is away")
    })
    .await;
    let waiting: i64 = one(&mut superuser, EVENTS).await;
    sleep_until(killed_at + away).await;
    let away = killed_at.elapsed();
    let restarted = Arc::clone(&stack);
    spawn_blocking(move || restarted.restart(Service::RabbitMq))
        .await
        .unwrap()
        .unwrap();
    let back = Instant::now();
    subscriber.listen_again();
    let events = until_all_counted(&mut superuser).await;
    subscriber.until(events).await;

    assert_eq!(i64::try_from(events).unwrap(), waiting);
    assert!(events >= before + owed);
    let order: Vec<String> = sqlx::query_scalar("SELECT id::text FROM events ORDER BY xid, position")
        .fetch_all(&mut superuser)
        .await
        .unwrap();
    let heard: Vec<String> = subscriber
        .firsts()
        .iter()
        .map(|message| message.id().to_owned())
        .collect();
    assert!(order == heard, "they came in the order of their log");
    println!(
        "{} events owed, the broker away for {} s: drained {} ms after it was back, {} published again",
        events - before,
        away.as_secs(),
        back.elapsed().as_millis(),
        subscriber.heard().len() - heard.len(),
    );
}

#[tokio::test]
async fn of_two_relays_one_publishes_and_the_other_takes_over() {
    let broker = TestBroker::of_this_run().await;
    let subscriber = Subscriber::to(&broker).await;
    let database = TestDatabase::create().await;
    let program = program(&database, &broker, 600);
    let first = serve(&program).await;
    wait_until("the first leads", async || leads(&first).await).await;
    let second = serve(&program).await;
    let acme = TestTenant::sign_up(second.anonymous(), "acme").await;
    for _ in 0..20 {
        acme.lead("Ann").await;
    }
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let events = until_all_counted(&mut superuser).await;
    subscriber.until(events).await;
    assert_eq!(
        figure(second.metrics_url(), "events_published_total").await,
        0,
        "the second only stands by"
    );
    assert_eq!(subscriber.heard().len(), events, "so nothing came twice");

    first.signal("KILL");
    let killed_at = Instant::now();
    let machine = Machine::watch();
    acme.lead("Bob").await;
    subscriber.until(events + 1).await;
    let (took, stood_still) = (killed_at.elapsed(), machine.stood_still());

    assert_eq!(until_all_counted(&mut superuser).await, events + 1);
    println!(
        "the other relay had published {} ms after the kill; the machine stood still for {} ms of it",
        took.as_millis(),
        stood_still.as_millis()
    );
    assert!(
        took < Duration::from_secs(5) + stood_still,
        "{took:?}, {stood_still:?} of which for want of a machine"
    );
}
