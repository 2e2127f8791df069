use std::error::Error;
use std::fmt::Debug;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::value::RawValue;

use super::{DeadJob, FinishError, Job, Retry};
use crate::invalid::Invalid;
use crate::store::StoreError;

/// Does the jobs of one kind.
#[async_trait]
pub trait JobHandler: Debug + Send + Sync {
    /// Names the jobs it does. Never changes once released: those that wait are found by it.
    fn kind(&self) -> &'static str;

    /// How its jobs are tried, where that is not as the queue says.
    fn retry(&self) -> Option<Retry> {
        None
    }

    /// How long an attempt may take, where that is not as the queue says.
    fn timeout(&self) -> Option<Duration> {
        None
    }

    /// Whether its jobs are the platform's own, so that schedules may enqueue them.
    fn is_of_platform(&self) -> bool {
        false
    }

    /// Says what is wrong with a payload that somebody else than this program has written: of a schedule. Jobs take none,
    /// unless their handler says otherwise.
    fn accepts(&self, payload: &RawValue) -> Result<(), Invalid> {
        if payload.get() == "null" {
            Ok(())
        } else {
            Err(Invalid::field("", "must be left out for jobs of this kind"))
        }
    }

    /// Makes one attempt. It may be cut off at any `await`: by the time-out, by the end of the process, or because the
    /// claim was lost. It may be repeated although it came to its end, unless it finished the job by the unit of work
    /// that has the effect ([`Done::WithItsEffect`]).
    async fn run(&self, job: &Job) -> Result<Done, JobError>;

    /// Told when the process is about to stop. Attempts under way may go on for a while; those that last hand the rest on
    /// to others.
    fn close(&self) {}

    /// Told when one of its jobs was given up: by its last attempt, or because the worker of that was gone. Not told
    /// where this process ends before it could be.
    async fn died(&self, _job: &DeadJob) -> Result<(), StoreError> {
        Ok(())
    }
}

/// How an attempt came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// The worker is to note that the job is finished. Doing it again must be harmless.
    Now,
    /// The handler has finished the job by [`Jobs::finish`](super::Jobs::finish), and committed that.
    WithItsEffect,
    /// The handler has put the job off by [`Jobs::postpone`](super::Jobs::postpone), and committed that.
    Postponed,
}

/// Why an attempt has failed.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// Somebody else has the job: nothing was done, and nothing is to be done about it.
    #[error("the claim was lost")]
    Lost,
    #[error(transparent)]
    Store(#[from] StoreError),
    /// It may work later.
    #[error("the job could not be done now")]
    Retry(#[source] Box<dyn Error + Send + Sync>),
    /// It will never work: it is dead at once.
    #[error("the job cannot be done")]
    Reject(#[source] Box<dyn Error + Send + Sync>),
}

impl From<FinishError> for JobError {
    fn from(error: FinishError) -> Self {
        match error {
            FinishError::Lost => Self::Lost,
            FinishError::Store(error) => Self::Store(error),
        }
    }
}
