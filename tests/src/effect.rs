use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use fairlead_domain::access::SystemScope;
use fairlead_domain::identity::DayUsage;
use fairlead_domain::jobs::{Done, Job, JobError, JobHandler};
use fairlead_domain::store::Store;
use time::macros::date;

/// Does jobs whose effect can be counted: takes as many milliseconds as the payload says, then adds one to what the
/// tenant has under the job's id, and finishes the job with that.
#[derive(Debug)]
pub struct Effect {
    pub store: Arc<dyn Store>,
}

impl Effect {
    pub const KIND: &str = "effect";
}

#[async_trait]
impl JobHandler for Effect {
    fn kind(&self) -> &'static str {
        Self::KIND
    }

    async fn run(&self, job: &Job) -> Result<Done, JobError> {
        let takes: u64 =
            serde_json::from_str(job.payload.get()).map_err(|error| JobError::Reject(error.into()))?;
        tokio::time::sleep(Duration::from_millis(takes)).await;
        let tenant = job.owner().tenant().expect("it is enqueued for tenants");
        #[expect(clippy::disallowed_methods, reason = "the test is the platform")]
        let scope = SystemScope::new("a job of a test").tenant(tenant);
        let mut uow = self.store.begin_behind(&scope).await?;
        let effect = DayUsage {
            day: date!(2026 - 11 - 21),
            event_type: job.ticket.id.to_string(),
            source: "effect".to_owned(),
            events: 1,
        };
        uow.usage_by_day().add(&[effect]).await?;
        uow.jobs().finish(&job.ticket).await?;
        uow.commit().await?;
        Ok(Done::WithItsEffect)
    }
}
