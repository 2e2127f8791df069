use std::collections::BTreeMap;

use async_trait::async_trait;
use time::Date;

use crate::events::{Consumer, Event, HandleError};
use crate::store::{StoreError, UnitOfWork};

/// How many events of one kind there were on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayUsage {
    /// In UTC.
    pub day: Date,
    /// Their type: `lead_created`.
    pub event_type: String,
    /// What brought them about: `api`, `import`.
    pub source: String,
    pub events: u64,
}

/// What was done in a tenant, day by day.
#[async_trait]
pub trait UsageByDay: Send {
    /// Adds to what was counted before.
    async fn add(&mut self, counts: &[DayUsage]) -> Result<(), StoreError>;

    /// All that was counted since `since`, the newest day first.
    async fn since(&mut self, since: Date) -> Result<Vec<DayUsage>, StoreError>;
}

/// Counts events by day, type and source. Every event of a tenant counts once.
#[derive(Clone, Copy, Debug)]
pub struct CountUsageByDay;

#[async_trait]
impl Consumer for CountUsageByDay {
    fn name(&self) -> &'static str {
        "usage-by-day"
    }

    fn wants(&self, _: &str) -> bool {
        true
    }

    async fn handle(&self, events: &[Event], uow: &mut dyn UnitOfWork) -> Result<(), HandleError> {
        uow.usage_by_day().add(&count(events)).await?;
        Ok(())
    }
}

/// In one order whoever counts, so that two who add at once do not wait for each other in a circle.
fn count(events: &[Event]) -> Vec<DayUsage> {
    let mut counts: BTreeMap<(Date, &str, &str), u64> = BTreeMap::new();
    for event in events {
        let day = event.occurred_at.to_offset(time::UtcOffset::UTC).date();
        *counts.entry((day, &event.event_type, &event.source)).or_default() += 1;
    }
    let usage = |((day, event_type, source), events): ((Date, &str, &str), u64)| DayUsage {
        day,
        event_type: event_type.to_owned(),
        source: source.to_owned(),
        events,
    };
    counts.into_iter().map(usage).collect()
}
