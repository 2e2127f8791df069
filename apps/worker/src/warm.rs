//! Warms the cache by jobs: when a schedule says so.

use std::sync::Arc;

use async_trait::async_trait;
use fairlead_domain::cache::{CacheWarming, DatasetReport, WarmReport, WarmWish};
use fairlead_domain::invalid::Invalid;
use fairlead_domain::jobs::{Done, Job, JobError, JobHandler};
use serde_json::value::RawValue;

/// Does the jobs that warm the cache: the memory of the process that happens to do them, and what processes share.
pub fn warm_cache(warming: Arc<dyn CacheWarming>) -> Arc<dyn JobHandler> {
    Arc::new(WarmCache { warming })
}

#[derive(Debug)]
struct WarmCache {
    warming: Arc<dyn CacheWarming>,
}

#[async_trait]
impl JobHandler for WarmCache {
    fn kind(&self) -> &'static str {
        "warm-cache"
    }

    fn is_of_platform(&self) -> bool {
        true
    }

    fn accepts(&self, payload: &RawValue) -> Result<(), Invalid> {
        WarmWish::read(payload)?.parse(&self.warming.datasets()).map(drop)
    }

    async fn run(&self, job: &Job) -> Result<Done, JobError> {
        let wish = WarmWish::read(&job.payload);
        let request = wish.and_then(|wish| wish.parse(&self.warming.datasets()));
        let request = request.map_err(|invalid| JobError::Reject(invalid.into()))?;
        let report = self.warming.warm(request).await?;
        let tally = Tally::of(&report);
        tracing::info!(
            tenants = report.tenants,
            loaded = tally.loaded,
            taken = tally.taken,
            kept = tally.kept,
            failed = tally.failed,
            unknown = tally.unknown,
            took_ms = u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX),
            "the cache was warmed"
        );
        for note in &report.notes {
            tracing::warn!("the cache was not warmed with all that was asked for: {note}");
        }
        if tally.failed > 0 && tally.loaded + tally.taken + tally.kept == 0 {
            let fault = format!("none of {} answers could be loaded", tally.failed);
            return Err(JobError::Retry(fault.into()));
        }
        Ok(Done::Now)
    }
}

/// What came of all datasets together.
struct Tally {
    loaded: u64,
    taken: u64,
    kept: u64,
    failed: u64,
    unknown: u64,
}

impl Tally {
    fn of(report: &WarmReport) -> Self {
        let sum = |of: fn(&DatasetReport) -> u64| report.datasets.iter().map(of).sum();
        Self {
            loaded: sum(|dataset| dataset.loaded),
            taken: sum(|dataset| dataset.taken),
            kept: sum(|dataset| dataset.kept),
            failed: sum(|dataset| dataset.failed),
            unknown: sum(|dataset| dataset.unknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use fairlead_domain::Id;
    use fairlead_domain::cache::{WarmRequest, WarmWhat, WarmedKey};
    use fairlead_domain::jobs::{JobOwner, Queue, Ticket};
    use fairlead_domain::store::StoreError;
    use futures_util::FutureExt as _;

    use super::*;

    /// Loads one answer of each dataset that it is asked for, but of one that is down.
    #[derive(Debug)]
    struct OneIsDown;

    #[async_trait]
    impl CacheWarming for OneIsDown {
        fn datasets(&self) -> Vec<&'static str> {
            vec!["up", "down"]
        }

        async fn warm(&self, request: WarmRequest) -> Result<WarmReport, StoreError> {
            let WarmWhat::Datasets(names) = request.what else {
                panic!("{request:?}");
            };
            let dataset = |name: String| DatasetReport {
                loaded: u64::from(name == "up"),
                failed: u64::from(name == "down"),
                name,
                taken: 0,
                kept: 0,
                unknown: 0,
                took: std::time::Duration::ZERO,
            };
            Ok(WarmReport {
                datasets: names.into_iter().map(dataset).collect(),
                ..WarmReport::default()
            })
        }

        fn earnings(&self) -> Vec<WarmedKey> {
            Vec::new()
        }
    }

    fn run(payload: &str) -> Result<Done, JobError> {
        let job = Job {
            ticket: Ticket {
                owner: JobOwner::Platform,
                id: Id::from_uuid(uuid::Uuid::nil()),
                fence: 1,
            },
            queue: Queue::Warming,
            kind: "warm-cache".to_owned(),
            payload: RawValue::from_string(payload.to_owned()).unwrap(),
            unique_key: None,
            waited: std::time::Duration::ZERO,
            attempt: 1,
            max_attempts: 2,
            is_aside: false,
            trace_parent: None,
        };
        let handler = warm_cache(Arc::new(OneIsDown));
        handler.run(&job).now_or_never().expect("nothing is waited for")
    }

    #[test]
    fn it_comes_again_when_nothing_could_be_loaded_and_is_dead_when_nothing_ever_will() {
        assert!(matches!(run(r#"{"datasets": ["up", "down"]}"#), Ok(Done::Now)));
        assert!(matches!(
            run(r#"{"datasets": ["down"]}"#),
            Err(JobError::Retry(_))
        ));
        // A release that had this dataset has scheduled it.
        assert!(matches!(
            run(r#"{"datasets": ["gone"]}"#),
            Err(JobError::Reject(_))
        ));
        assert!(matches!(run("7"), Err(JobError::Reject(_))));
    }
}
