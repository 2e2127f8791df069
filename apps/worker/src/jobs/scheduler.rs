//! Enqueues the jobs of schedules whose moment has come.

use std::sync::Arc;

use fairlead_domain::jobs::{Calendar, Schedule, Schedules};
use fairlead_domain::store::StoreError;
use tokio::time::{MissedTickBehavior, interval};

use super::Shared;

/// The schedules, and who knows when they fire.
#[derive(Clone, Debug)]
pub struct SchedulerParts {
    pub schedules: Arc<dyn Schedules>,
    pub calendar: Arc<dyn Calendar>,
    /// Those that come with the platform.
    pub own: Vec<Schedule>,
}

/// Fires what is due, again and again, until the task is aborted. Every process may: a moment fires once.
pub(super) async fn fire_again(shared: Arc<Shared>) {
    let Some(parts) = &shared.scheduler else { return };
    let mut ticks = interval(shared.sweep_every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_ensured = false;
    loop {
        ticks.tick().await;
        // Others say that the database is away.
        if let Err(error) = look(&shared, parts, &mut is_ensured).await {
            let error: &dyn std::error::Error = &error;
            tracing::debug!(error, "cannot look which schedules are due");
        }
    }
}

async fn look(shared: &Shared, parts: &SchedulerParts, is_ensured: &mut bool) -> Result<(), StoreError> {
    if !*is_ensured {
        parts.schedules.ensure(&parts.own).await?;
        *is_ensured = true;
    }
    for due in parts.schedules.due().await? {
        let schedule = &due.schedule;
        let after = due.now.max(schedule.next_at);
        let next = match parts.calendar.next(&schedule.timing, after) {
            Ok(next) => next,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(schedule = schedule.name, error, "a schedule cannot go on");
                continue;
            }
        };
        if parts.schedules.fire(&due, next).await? {
            if due.fires() {
                shared.signal.wake(schedule.queue);
            } else {
                tracing::warn!(schedule = schedule.name, moment = %schedule.next_at, "a moment of a schedule was missed");
            }
        }
    }
    Ok(())
}
