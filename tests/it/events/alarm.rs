//! A broker that is short of memory: it takes nothing more until it has some.

use std::sync::Arc;

use fairlead_devstack::{Durability, Root, Service, Stack, StackOptions};
use fairlead_telemetry::spawn_blocking;
use serde_json::json;
use support::database::DatabaseRole;
use support::process::Serving;
use support::{TestDatabase, TestTenant, wait_until};
use tokio::time::Instant;

use super::broker::program;
use super::consumers::{EVENTS, one, serve};
use super::faults::{assert_counted_once, until_all_counted};
use super::subscriber::{Message, Subscriber, TestBroker};

async fn control(stack: &Arc<Stack>, arguments: &'static [&'static str]) -> String {
    let stack = Arc::clone(stack);
    spawn_blocking(move || stack.control(Service::RabbitMq, arguments))
        .await
        .unwrap()
        .unwrap()
}

/// How many events the relay has not published, when it last looked.
async fn owed(serving: &Serving) -> i64 {
    let page = reqwest::get(serving.metrics_url())
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix("events_waiting{reader=\"relay\"} "));
    line.map_or(0, |figure| figure.parse().unwrap())
}

#[tokio::test]
async fn a_broker_short_of_memory_is_waited_for_and_given_all_that_is_owed() {
    let (stack, url) = spawn_blocking(|| {
        let options = StackOptions {
            root: Root::Temporary,
            durability: Durability::Fast,
        };
        let stack = Stack::open(options).unwrap();
        let url = stack.ensure(Service::RabbitMq).unwrap().url;
        (Arc::new(stack), url)
    })
    .await
    .unwrap();
    let broker = TestBroker::at(url);
    let subscriber = Subscriber::to(&broker).await;
    let database = TestDatabase::create().await;
    let serving = serve(&program(&database, &broker, 600)).await;
    let acme = TestTenant::sign_up(serving.anonymous(), "acme").await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let before = until_all_counted(&mut superuser).await;
    subscriber.until(before).await;

    control(&stack, &["set_vm_memory_high_watermark", "0"]).await;
    wait_until("the alarm is raised", async || {
        let alarms = control(&stack, &["eval", "rabbit_alarm:get_alarms()."]).await;
        alarms.contains("memory")
    })
    .await;
    let leads: Vec<_> = (0..1000)
        .map(|number| json!({ "name": format!("Lead {number}") }))
        .collect();
    let answer = acme
        .owner
        .post("/api/v1/leads/bulk", json!({ "leads": leads }))
        .await;
    assert!(answer.status.is_success(), "writes go on: {answer:?}");
    let waiting: i64 = one(&mut superuser, EVENTS).await;
    let behind = waiting - i64::try_from(before).unwrap();
    wait_until("the relay is behind with all of them", async || {
        owed(&serving).await == behind
    })
    .await;
    assert_eq!(subscriber.heard().len(), before, "the broker took some");
    serving.anonymous().get("/health/ready").await.expect(200);

    control(&stack, &["set_vm_memory_high_watermark", "absolute", "512MB"]).await;
    let relieved = Instant::now();
    let events = until_all_counted(&mut superuser).await;
    subscriber.until(events).await;

    assert_eq!(i64::try_from(events).unwrap(), waiting);
    let order: Vec<String> = sqlx::query_scalar("SELECT id::text FROM events ORDER BY xid, position")
        .fetch_all(&mut superuser)
        .await
        .unwrap();
    let firsts = subscriber.firsts();
    let heard: Vec<&str> = firsts.iter().map(Message::id).collect();
    assert!(order == heard, "they came in the order of their log");
    assert_counted_once(&mut superuser).await;
    println!(
        "{behind} events owed: drained {} ms after the alarm, {} published again",
        relieved.elapsed().as_millis(),
        subscriber.heard().len() - firsts.len(),
    );
}
