//! A worker beside any server, with a consumer of the tests' own.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use fairlead::SystemClock;
use fairlead_domain::events::{Consumer, Event, EventCursor, EventLog as _, EventObserver, HandleError};
use fairlead_domain::store::UnitOfWork;
use fairlead_postgres::{Cluster, PgStore, PgSystemStore};
use fairlead_rabbitmq::{RabbitMq, RabbitMqSettings};
use fairlead_worker::{
    BrokerParts, CommitSignal, Duties, FollowLimits, Live, Observing, Worker, WorkerParts,
};
use support::database::DatabaseRole;
use support::{TestDatabase, store_config, store_parts};
use tokio::task::JoinHandle;

/// Fails as it is told, and writes down what it has handled.
#[derive(Debug, Default)]
pub(super) struct Moody {
    handled: Mutex<Vec<String>>,
    attempts: Mutex<BTreeMap<String, u32>>,
    is_well: AtomicBool,
    overtaken_in: OnceLock<Arc<PgSystemStore>>,
}

impl Moody {
    /// While it tries `test_overtaken` alone, its place in this log passes that event: the log's reader was sooner.
    pub(super) fn is_overtaken_in(&self, log: &Arc<PgSystemStore>) {
        self.overtaken_in.set(Arc::clone(log)).unwrap();
    }

    async fn be_overtaken(&self, event: &Event) {
        let log = self.overtaken_in.get().unwrap();
        let place = log.place(self.name()).await.unwrap();
        assert!(log.advance(self.name(), place, event.cursor).await.unwrap());
    }

    pub(super) fn handled(&self) -> Vec<String> {
        self.handled.lock().unwrap().clone()
    }

    /// What it could not handle before, it can from now on.
    pub(super) fn recover(&self) {
        self.is_well.store(true, Ordering::SeqCst);
    }

    pub(super) fn attempts(&self, event_type: &str) -> u32 {
        self.attempts
            .lock()
            .unwrap()
            .get(event_type)
            .copied()
            .unwrap_or(0)
    }
}

#[async_trait]
impl Consumer for Moody {
    fn name(&self) -> &'static str {
        "moody"
    }

    fn wants(&self, event_type: &str) -> bool {
        event_type.starts_with("test_")
    }

    async fn handle(&self, events: &[Event], uow: &mut dyn UnitOfWork) -> Result<(), HandleError> {
        for event in events {
            let attempts = {
                let mut attempts = self.attempts.lock().unwrap();
                let attempts = attempts.entry(event.event_type.clone()).or_default();
                *attempts += 1;
                *attempts
            };
            // What was done before it failed must be undone with it.
            uow.inbox()
                .put_aside("a trace of moody", event, "written before the failure")
                .await?;
            match event.event_type.as_str() {
                "test_never" => return Err(HandleError::Reject("it is not to be".into())),
                "test_panic" => panic!("the consumer is beside itself"),
                "test_for_a_while" if !self.is_well.load(Ordering::SeqCst) => {
                    return Err(HandleError::Retry("not now".into()));
                }
                "test_overtaken" => {
                    if attempts > 1 {
                        self.be_overtaken(event).await;
                    }
                    return Err(HandleError::Retry("it took too long".into()));
                }
                "test_later" if attempts < 3 => return Err(HandleError::Retry("not yet".into())),
                "test_always_later" => return Err(HandleError::Retry("still not".into())),
                _ => {}
            }
        }
        let mut handled = self.handled.lock().unwrap();
        handled.extend(events.iter().map(|event| event.event_type.clone()));
        Ok(())
    }
}

/// A worker beside any server, with a consumer of the test's own.
pub(super) struct Beside {
    pub(super) log: Arc<PgSystemStore>,
    pub(super) worker: Worker,
    pub(super) live: Live,
    tasks: Vec<JoinHandle<()>>,
}

impl Beside {
    pub(super) async fn start(
        database: &TestDatabase,
        consumer: Arc<Moody>,
        settings: Option<RabbitMqSettings>,
    ) -> Self {
        Self::catching_up(database, consumer, settings, time::Duration::hours(1)).await
    }

    /// One that handles from the log what the broker has not brought after so long.
    pub(super) async fn catching_up(
        database: &TestDatabase,
        consumer: Arc<Moody>,
        settings: Option<RabbitMqSettings>,
        after: time::Duration,
    ) -> Self {
        let broker = settings.map(RabbitMq::new);
        let mut beside = Self::idle(database, consumer, broker.clone(), after).await;
        beside.tasks = beside.worker.spawn();
        if let Some(broker) = broker {
            beside.tasks.push(broker.spawn(Some(beside.worker.handler())));
        }
        beside
    }

    /// One in which all events are observed, from the first one on.
    pub(super) async fn observed(database: &TestDatabase, observer: Arc<dyn EventObserver>) -> Self {
        let observing = Observing {
            observer,
            from: EventCursor::START,
        };
        let (moody, after) = (Arc::default(), time::Duration::hours(1));
        let mut beside = Self::made(database, moody, None, after, Some(observing)).await;
        beside.tasks = beside.worker.spawn();
        beside
    }

    /// One that does nothing by itself.
    pub(super) async fn idle(
        database: &TestDatabase,
        consumer: Arc<Moody>,
        broker: Option<RabbitMq>,
        catch_up_after: time::Duration,
    ) -> Self {
        Self::made(database, consumer, broker, catch_up_after, None).await
    }

    async fn made(
        database: &TestDatabase,
        consumer: Arc<Moody>,
        broker: Option<RabbitMq>,
        catch_up_after: time::Duration,
        observing: Option<Observing>,
    ) -> Self {
        let config = store_config(
            database.url(DatabaseRole::App),
            database.url(DatabaseRole::System),
            4,
        );
        let cluster = Cluster::connect(&config).await.unwrap();
        let log = Arc::new(PgSystemStore::new(Arc::clone(&cluster), &config, store_parts()));
        let live = Live::new(FollowLimits {
            all: 100,
            of_tenant: 100,
        });
        let worker = Worker::new(WorkerParts {
            duties: Duties {
                leads: true,
                consumes: true,
                tells: true,
            },
            log: log.clone(),
            store: Arc::new(PgStore::new(cluster, store_parts())),
            consumers: vec![consumer],
            signal: CommitSignal::default(),
            observing,
            live: live.clone(),
            broker: broker.map(|broker| BrokerParts {
                broker: Arc::new(broker),
                clock: Arc::new(SystemClock),
                catch_up_after,
                give_up_after: catch_up_after + time::Duration::hours(1),
            }),
        });
        Self {
            log,
            worker,
            live,
            tasks: Vec::new(),
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Records events of one tenant, each in a transaction of its own.
pub(super) async fn record(database: &TestDatabase, types: &[&str]) {
    let mut superuser = database.connect(DatabaseRole::Superuser).await;
    for event_type in types {
        sqlx::query(
            "INSERT INTO events (tenant_id, id, type, version, aggregate_type, aggregate_id, source, actor, data,
                                 occurred_at)
             VALUES ('01930000-0000-7000-8000-000000000001', gen_random_uuid(), $1, 1, 'lead', gen_random_uuid(),
                     'system', 'system', '{}', now())",
        )
        .bind(event_type)
        .execute(&mut superuser)
        .await
        .unwrap();
    }
}
