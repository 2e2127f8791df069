//! What a resource will need, by how it has been used.

use std::time::Duration;

use fairlead_domain::performance::bottlenecks::Resource;
use fairlead_domain::performance::forecast::{
    Forecast, History, Limit, Months, Observation, Step, TooLittle, forecast,
};
use fairlead_domain::store::StoreError;
use tokio::task::JoinError;

use super::capacity::{RESOURCES, gauge, in_use};
use crate::state::Services;

/// How far a history goes back at the most. Before that, a forecast by the hour would not know what an hour was like.
const DAYS: time::Duration = time::Duration::days(1_000);
const HOURS: time::Duration = time::Duration::days(90);

/// How far it is looked for limits that are reached.
const MONTHS: u8 = 2;

/// By the day, or where the history is too short for that by the hour.
#[derive(Debug)]
pub(crate) struct Past {
    days: Vec<Observation>,
    hours: Vec<Observation>,
}

impl Past {
    pub(crate) async fn read(services: &Services, gauge: &str) -> Result<Self, StoreError> {
        Ok(Self {
            days: observed(services, gauge, DAYS, Duration::from_hours(24)).await?,
            hours: observed(services, gauge, HOURS, Duration::from_hours(1)).await?,
        })
    }

    /// One at a time.
    pub(crate) async fn foretell(
        self,
        services: &Services,
        months: Months,
        limits: Vec<Limit>,
    ) -> Result<(Step, Result<Forecast, TooLittle>), JoinError> {
        let turn = services.performance.forecasting.clone().acquire_owned().await;
        let made = fairlead_telemetry::spawn_blocking(move || {
            let made = self.by_days_or_hours(months, &limits);
            drop(turn);
            made
        });
        made.await
    }

    fn by_days_or_hours(&self, months: Months, limits: &[Limit]) -> (Step, Result<Forecast, TooLittle>) {
        let by = |step, observations| {
            History::new(step, observations).and_then(|history| forecast(&history, months, limits))
        };
        match by(Step::Day, &self.days) {
            Ok(forecast) => (Step::Day, Ok(forecast)),
            Err(too_little) => match by(Step::Hour, &self.hours) {
                Ok(forecast) => (Step::Hour, Ok(forecast)),
                // What is missing of days will be there first where there is much of it.
                Err(_) => (Step::Day, Err(too_little)),
            },
        }
    }
}

/// The means of whole steps: the one that is under way would say little of itself.
async fn observed(
    services: &Services,
    gauge: &str,
    reach: time::Duration,
    step: Duration,
) -> Result<Vec<Observation>, StoreError> {
    let now = services.clock.now();
    let levels = services
        .performance
        .samples
        .levels(gauge, now - reach, step)
        .await?;
    let whole = levels.into_iter().filter(|(at, _)| *at + step <= now);
    Ok(whole
        .filter_map(|(at, level)| {
            let value = level.mean()?;
            Some(Observation { at, value })
        })
        .collect())
}

pub(crate) fn limits(services: &Services, resource: Resource) -> Vec<Limit> {
    let all = in_use(services).into_iter();
    let of = all.filter(|of| of.resource == resource);
    let limits = of.filter_map(|of| {
        Some(Limit {
            name: resource.as_str().to_owned(),
            value: of.limit?,
        })
    });
    limits.collect()
}

/// In how many days the first limit is likely to be reached, of resources whose history is enough for a forecast; `None`:
/// no history is. A cache that is full does what it is for.
pub(super) async fn days_left(services: &Services) -> Result<Option<f64>, StoreError> {
    let months = Months::new(MONTHS).expect("it is in range");
    let mut least: Option<f64> = None;
    for resource in RESOURCES {
        let limits = limits(services, resource);
        let Some(name) = gauge(resource).filter(|_| !limits.is_empty() && resource != Resource::CacheMemory)
        else {
            continue;
        };
        let past = Past::read(services, name).await?;
        // One that panics is told of where it does.
        if let Ok((_, Ok(forecast))) = past.foretell(services, months, limits).await {
            let days = forecast.days_left(services.clock.now());
            least = Some(least.map_or(days, |least| least.min(days)));
        }
    }
    Ok(least)
}
