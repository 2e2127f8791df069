use std::time::Duration;

use super::{Done, Job, JobError};
use crate::access::TenantScope;
use crate::store::Store;

/// No pause is longer, whatever a service wants.
const LONGEST: Duration = Duration::from_hours(1);

/// Has a job of a tenant come again when the service that it needs may be called again. That is no attempt.
pub async fn wait(
    store: &dyn Store,
    scope: &TenantScope,
    job: &Job,
    pause: Duration,
) -> Result<Done, JobError> {
    // Not all at once: one finds out whether the service is well.
    let spread = Duration::from_millis(u64::from(job.ticket.id.as_uuid().as_bytes()[15]));
    let mut uow = store.begin_behind(scope).await?;
    let pause = pause.min(LONGEST) + spread;
    uow.jobs().postpone(&job.ticket, pause, None).await?;
    uow.commit().await?;
    Ok(Done::Postponed)
}
