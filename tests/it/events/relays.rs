//! A relay that stands still, without ending.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use fairlead_telemetry::spawn;
use sqlx::PgConnection;
use support::database::DatabaseRole;
use support::process::Serving;
use support::{TestDatabase, TestTenant, is_long, wait_until};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::broker::program;
use super::consumers::{figure, leads, serve};
use super::faults::{assert_counted_once, until_all_counted};
use super::subscriber::{Subscriber, TestBroker};

/// The ids of all events, in the order of the log.
async fn in_order(superuser: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar("SELECT id::text FROM events ORDER BY xid, position")
        .fetch_all(superuser)
        .await
        .unwrap()
}

async fn published(serving: &Serving) -> u64 {
    figure(serving.metrics_url(), "events_published_total").await
}

/// For how long this machine gets nothing done because of all else that it does.
pub(crate) struct Machine {
    late: Arc<AtomicU64>,
    watching: JoinHandle<()>,
}

impl Machine {
    const EVERY: Duration = Duration::from_millis(50);

    pub(crate) fn watch() -> Self {
        let late = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&late);
        let watching = spawn(async move {
            loop {
                let began = Instant::now();
                sleep(Self::EVERY).await;
                let over = began.elapsed().saturating_sub(Self::EVERY).as_millis();
                count.fetch_add(over.try_into().unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        });
        Self { late, watching }
    }

    pub(crate) fn stood_still(self) -> Duration {
        self.watching.abort();
        Duration::from_millis(self.late.load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn a_relay_that_stands_still_is_replaced_and_publishes_nothing_when_it_wakes() {
    let broker = TestBroker::of_this_run().await;
    let subscriber = Subscriber::to(&broker).await;
    let database = TestDatabase::create().await;
    let program = program(&database, &broker, 600);
    let first = serve(&program).await;
    wait_until("the first leads", async || leads(&first).await).await;
    let second = serve(&program).await;
    let acme = TestTenant::sign_up(second.anonymous(), "acme").await;
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    let before = until_all_counted(&mut superuser).await;
    subscriber.until(before).await;
    // It has heard of the broker that all of them are there, and need not publish any again.
    wait_until("all are confirmed to the first", async || {
        published(&first).await == before as u64
    })
    .await;

    first.signal("STOP");
    let stopped_at = Instant::now();
    let machine = Machine::watch();
    for number in 0..20 {
        acme.lead(&format!("While it stands still {number}")).await;
    }
    wait_until("the other leads", async || leads(&second).await).await;
    let (took, stood_still) = (stopped_at.elapsed(), machine.stood_still());
    let events = in_order(&mut superuser).await.len();
    subscriber.until(events).await;
    let by_first = before as u64;
    first.signal("CONT");
    for number in 0..20 {
        acme.lead(&format!("After it woke {number}")).await;
    }
    let events = in_order(&mut superuser).await.len();
    subscriber.until(events).await;
    wait_until("the first knows that it leads no more", async || {
        !leads(&first).await
    })
    .await;
    for number in 0..20 {
        acme.lead(&format!("Since it knows {number}")).await;
    }
    let log = in_order(&mut superuser).await;
    subscriber.until(log.len()).await;

    let heard: Vec<String> = subscriber
        .heard()
        .iter()
        .map(|message| message.id().to_owned())
        .collect();
    assert!(heard == log, "all came in the order of the log, and none twice");
    assert_eq!(published(&first).await, by_first);
    assert!(leads(&second).await);
    until_all_counted(&mut superuser).await;
    assert_counted_once(&mut superuser).await;
    println!(
        "the other relay led {} ms after the first stood still, of which the machine stood still for {} ms",
        took.as_millis(),
        stood_still.as_millis()
    );
    // The servers wait for what else runs, too, which nobody measures here.
    let limit = Duration::from_secs(if is_long() { 5 } else { 15 });
    assert!(
        took < limit + stood_still,
        "{took:?}, of which the machine stood still for {stood_still:?}; it should be 5 s where little else runs"
    );
}
