//! What a job costs the request that enqueues it: a row is inserted by a transaction, with and without a job beside it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use fairlead_domain::Id;
use fairlead_domain::access::{SystemScope, TenantScope};
use fairlead_domain::identity::DayUsage;
use fairlead_domain::jobs::{NewJob, Queue};
use fairlead_domain::store::Store as _;
use fairlead_postgres::PgStore;
use sqlx::{Connection as _, PgConnection};
use support::connect_store;
use time::macros::date;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::Order;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    Nothing,
    Job,
}

pub(super) async fn measure(order: &Order, beside: Beside) -> Result<Duration> {
    let store = Arc::new(connect_store(order.app_url.clone(), order.connections).await);
    let mut database = PgConnection::connect(&order.system_url).await?;
    let tenant: Uuid = sqlx::query_scalar("SELECT tenant_id FROM tenants ORDER BY slug LIMIT 1")
        .fetch_one(&mut database)
        .await?;
    let scope = Arc::new(scope(tenant));
    let next = Arc::new(AtomicU32::new(0));
    let count = order.count;
    let started = Instant::now();
    let mut lanes = JoinSet::new();
    for _ in 0..order.connections {
        let (store, scope, next) = (Arc::clone(&store), Arc::clone(&scope), Arc::clone(&next));
        lanes.spawn(async move {
            while next.fetch_add(1, Ordering::Relaxed) < count {
                write(&store, &scope, beside).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(lane) = lanes.join_next().await {
        lane??;
    }
    Ok(started.elapsed())
}

async fn write(store: &PgStore, scope: &TenantScope, beside: Beside) -> Result<()> {
    let mut uow = store.begin(scope).await?;
    let row = DayUsage {
        day: date!(2026 - 11 - 21),
        event_type: uow.next_id().to_string(),
        source: "bench".to_owned(),
        events: 1,
    };
    uow.usage_by_day().add(&[row]).await?;
    if beside == Beside::Job {
        let job = NewJob::new(Queue::LeadProcessing, "bench", &());
        uow.jobs().enqueue(job).await?;
    }
    uow.commit().await?;
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "the benchmark is the platform")]
fn scope(tenant: Uuid) -> TenantScope {
    SystemScope::new("to measure jobs").tenant(Id::from_uuid(tenant))
}
