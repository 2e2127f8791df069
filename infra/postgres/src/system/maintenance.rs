//! What keeps the database tidy: jobs of the platform, each harmless when it is done again.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::events::EventArchive;
use fairlead_domain::jobs::{Done, Finished, Job, JobError, JobHandler, JobStore as _, Queue};
use fairlead_domain::store::StoreError;

use super::{PgSystemStore, acts, alerts};

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// Events; `None`: for ever.
    pub events: Option<time::Duration>,
    pub completed_jobs: Duration,
    pub dead_jobs: Duration,
    /// What became of webhook deliveries.
    pub webhook_deliveries: time::Duration,
}

/// What is to be done again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chore {
    /// Sessions, revocations, failed logins, idempotency keys, secrets of webhooks that were rotated, and what the inbox
    /// and the list of what the payment provider has told need not know any more.
    ClearExpired,
    /// Of the months to come.
    MakePartitions,
    /// Whole months.
    DropOldEvents,
    /// Jobs that were finished long ago.
    ClearJobs,
    /// Operations that nobody does any more or that ended long ago, and uploads that broke off.
    ClearOperations,
    /// What is sent to webhooks by nobody any more, and what became long ago of what was.
    ClearWebhookDeliveries,
    /// How large the database and its tables are is measured, and what was measured long ago, by us and by browsers,
    /// becomes hours and days; what tenants took more than 400 days ago is forgotten, and alerts and acts that were over by then.
    ThinSamples,
}

impl Chore {
    pub const ALL: [Self; 7] = [
        Self::ClearExpired,
        Self::MakePartitions,
        Self::DropOldEvents,
        Self::ClearJobs,
        Self::ClearOperations,
        Self::ClearWebhookDeliveries,
        Self::ThinSamples,
    ];

    /// Names its jobs, and their schedule.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClearExpired => "clear-expired",
            Self::MakePartitions => "make-partitions",
            Self::DropOldEvents => "drop-old-events",
            Self::ClearJobs => "clear-jobs",
            Self::ClearOperations => "clear-operations",
            Self::ClearWebhookDeliveries => "clear-webhook-deliveries",
            Self::ThinSamples => "thin-samples",
        }
    }
}

#[derive(Debug)]
struct Maintenance {
    store: PgSystemStore,
    chore: Chore,
    retention: Retention,
    archive: Option<Arc<dyn EventArchive>>,
}

impl PgSystemStore {
    /// Those who do the chores. What is dropped of events goes to `archive` before, if there is one.
    pub fn maintenance(
        &self,
        retention: Retention,
        archive: Option<&Arc<dyn EventArchive>>,
    ) -> Vec<Arc<dyn JobHandler>> {
        let handler = |chore| -> Arc<dyn JobHandler> {
            Arc::new(Maintenance {
                store: self.clone(),
                chore,
                retention,
                archive: archive.cloned(),
            })
        };
        Chore::ALL.map(handler).into()
    }

    async fn clear_jobs(&self, retention: Retention) -> Result<(), StoreError> {
        for queue in Queue::ALL {
            for (finished, older) in [
                (Finished::Completed, retention.completed_jobs),
                (Finished::Dead, retention.dead_jobs),
            ] {
                let jobs = self.clear(queue, finished, older).await?;
                if finished == Finished::Dead && jobs > 0 {
                    tracing::warn!(%queue, jobs, "dead jobs were forgotten: nobody retried them in time");
                }
            }
        }
        Ok(())
    }
}

#[async_trait]
impl JobHandler for Maintenance {
    fn kind(&self) -> &'static str {
        self.chore.as_str()
    }

    fn is_of_platform(&self) -> bool {
        true
    }

    async fn run(&self, _: &Job) -> Result<Done, JobError> {
        match self.chore {
            Chore::ClearExpired => self.store.clear_expired().await?,
            Chore::MakePartitions => self.store.make_partitions().await?,
            Chore::DropOldEvents => {
                if let Some(retention) = self.retention.events {
                    let archive = self.archive.as_deref();
                    self.store.drop_old_events(retention, archive).await?;
                }
            }
            Chore::ClearJobs => self.store.clear_jobs(self.retention).await?,
            Chore::ClearOperations => self.store.clear_operations().await?,
            Chore::ClearWebhookDeliveries => {
                let before = self.store.now() - self.retention.webhook_deliveries;
                self.store.clear_webhook_deliveries(before).await?;
            }
            Chore::ThinSamples => {
                self.store.thin_samples().await?;
                self.store.thin_web_vitals().await?;
                self.store.clear_tenant_usage().await?;
                alerts::clear_requests(&self.store).await?;
                alerts::clear_alerts(&self.store).await?;
                acts::clear(&self.store).await?;
                self.store.measure_database().await?;
            }
        }
        Ok(Done::Now)
    }
}
